import attentionSource from "../../../kernels/attention.wgsl";
import mergeSource from "../../../kernels/attentionMerge.wgsl";
import blockStepsSource from "../../../kernels/blockSteps.wgsl";
import cacheFloat16Source from "../../../kernels/cacheFloat16.wgsl";
import cacheFloat32Source from "../../../kernels/cacheFloat32.wgsl";
import embedSource from "../../../kernels/embed.wgsl";
import goingSource from "../../../kernels/going.wgsl";
import linearSource from "../../../kernels/linear.wgsl";
import floatSource from "../../../kernels/linearFloat.wgsl";
import gatedSource from "../../../kernels/linearGated.wgsl";
import int4Source from "../../../kernels/linearInt4.wgsl";
import int8Source from "../../../kernels/linearInt8.wgsl";
import int8BlocksSource from "../../../kernels/linearInt8Blocks.wgsl";
import qkvSource from "../../../kernels/linearQkv.wgsl";
import tileSource from "../../../kernels/linearTile.wgsl";
import normSource from "../../../kernels/norm.wgsl";
import quantizeBlocksSource from "../../../kernels/quantizeBlocks.wgsl";
import rowSumsSource from "../../../kernels/rowSums.wgsl";
import rowSumsSubgroupsSource from "../../../kernels/rowSumsSubgroups.wgsl";
import rowsSource from "../../../kernels/rows.wgsl";
import { isQuantized, type WeightFormat } from "../cpu/packMatrix.ts";
import { type BufferPart, type Kernel, type KernelCompiler, type KernelConstants, rowsFrom } from "./kernels.ts";
import { rowWords } from "./roundLayout.ts";

/** What quantizes tiles in blocks. */
export const quantizeSource = blockStepsSource + quantizeBlocksSource;

/** Rows that one reading of the weights can serve; a forward takes the smallest that holds its rows, or several of the largest. */
export const tileSizes = [1, 2, 4, 8, 16, 32, 64] as const;

/**
 * Tile of all products where tiles of different sizes disagree: it holds the trees that pay on most devices, and every device has
 * the workgroup memory for it.
 */
export const commonTile = 16;

/** Positions of one attention block: fixed, since it decides the order of sums. */
export const attentionBlock = 128;

/** Rows that may attend together, largest first, and the most softmaxes of theirs that a thread's registers bear. */
const attentionTiles = [8, 4, 2, 1] as const;
const mostSoftmaxes = 32;

/** Workgroup memory of kernels/attention.wgsl. */
export function attentionBytes(group: number, headDim: number, tile = 1): number {
  const lists = tile * group;
  const inWords = lists * (headDim + attentionBlock + 16) + tile * attentionBlock;
  return 4 * inWords + Math.ceil((4 * tile) / 16) * 16 + 2 * Math.ceil((4 * lists) / 16) * 16;
}

/** Threads of a workgroup of the products. */
export const productThreads = 256;
/** Columns of a product's tile; of projections to attention it is a head's width. */
export const linearColumns = 64;

/** How a product's input comes: int8 with a scale per row or per 32 inputs, or float32. */
export type InputFormat = "int8" | "int8-blocks" | "float32";

/** Formats of a product's operands: weights as wide as its input, int4 with an int8 input, or float16 with a float32 input. */
export type ProductFormat = InputFormat | "int4" | "int4-blocks" | "float16";

/** Text that goes before a kernel's own, and its constants: how a product reads its operands, or how a row is added up. */
export interface OperandSource {
  readonly source: string;
  readonly constants?: KernelConstants;
}

const productSources: Readonly<Record<ProductFormat, OperandSource>> = {
  int8: { source: int8Source },
  "int8-blocks": { source: int8BlocksSource },
  int4: { source: int4Source, constants: { BLOCKS: 0 } },
  "int4-blocks": { source: int4Source, constants: { BLOCKS: 1 } },
  float16: { source: floatSource, constants: { HALVES: 1 } },
  float32: { source: floatSource, constants: { HALVES: 0 } },
};

/** Whether a product's input, and its weights, are floats rather than steps. */
export function hasFloats(format: ProductFormat): boolean {
  return format === "float32" || format === "float16";
}

/** The format of a product whose input comes with a scale per 32 inputs rather than per row. */
export function blocksFormat(format: WeightFormat): ProductFormat {
  return isQuantized(format) ? `${format}-blocks` : format;
}

/** Text of all kernels of a forward: what a verdict about them depends on. */
export const forwardSources = [
  ...[
    goingSource,
    rowsSource,
    rowSumsSource,
    rowSumsSubgroupsSource,
    quantizeSource,
    tileSource,
    embedSource,
    normSource,
  ],
  ...[cacheFloat32Source, cacheFloat16Source, attentionSource, mergeSource],
  ...[int8Source, int8BlocksSource, int4Source, floatSource, linearSource, gatedSource, qkvSource],
].join("\n");

/** Alignment of a product's inputs, by their format. */
export const inputAlignment: Readonly<Record<ProductFormat, number>> = {
  int8: 16,
  "int8-blocks": 32,
  int4: 128,
  "int4-blocks": 128,
  float16: 4,
  float32: 4,
};

/** 32-bit words of one row of a product's input. */
export function inputWords(format: ProductFormat, inputs: number): number {
  const padded = Math.ceil(inputs / inputAlignment[format]) * inputAlignment[format];
  switch (format) {
    case "int8":
    case "int4":
      return padded / 4 + 4;
    case "int8-blocks":
    case "int4-blocks":
      return padded / 4 + Math.ceil(padded / 128) * 4;
    case "float16":
    case "float32":
      return padded;
  }
}

/** How features are kept: float32 values for the host, or as the draft head's fc reads them. */
export type FeatureFormat = "values" | "head";

export interface LinearShape {
  readonly inputs: number;
  readonly outputs: number;
  readonly format: ProductFormat;
}

export interface AttentionShape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** KV slots of a layer. */
  readonly slots: number;
  /** Attention blocks of the longest sequence. */
  readonly blocks: number;
  /** How keys and values are kept; float32 where absent. */
  readonly cacheFormat?: CacheFormat;
}

/** float16 halves what long texts take and what attention reads, and rounds every key and value by itself. */
export type CacheFormat = "float32" | "float16";

/** 32-bit words of a slot's keys, or values, in one layer. */
export function cacheWords({
  kvHeads,
  headDim,
  cacheFormat,
}: Pick<AttentionShape, "kvHeads" | "headDim" | "cacheFormat">) {
  return (kvHeads * headDim) / (cacheFormat === "float16" ? 2 : 1);
}

/** Compiles the kernels of a forward, for the shapes of one model. */
export class ForwardKernels {
  /** Sizes of tiles that forwards take: those that the device's workgroup memory holds for heads of this size, or a single one. */
  readonly tiles: readonly number[];
  /** Sizes of tiles of attention, likewise. */
  readonly attentionTiles: readonly number[];

  constructor(
    readonly compiler: KernelCompiler,
    readonly shape: AttentionShape,
    readonly quantize: boolean,
    tile?: number,
  ) {
    const columns = Math.max(linearColumns, shape.headDim);
    const memory = compiler.device.limits.maxComputeWorkgroupStorageSize;
    const limit = memory / (4 * columns);
    this.tiles = tileSizes.filter((size) => size <= limit && (tile === undefined || size === tile));
    const group = shape.heads / shape.kvHeads;
    this.attentionTiles = attentionTiles.filter(
      (size) =>
        size === 1 ||
        (tile === undefined && size * group <= mostSoftmaxes && attentionBytes(group, shape.headDim, size) <= memory),
    );
  }

  /** The tile for so many rows, and how many tiles they take. */
  tiling(rows: number): { readonly tile: number; readonly count: number } {
    const tile = this.tiles.find((size) => size >= rows) ?? this.tiles.at(-1)!;
    return { tile, count: Math.ceil(rows / tile) };
  }

  linear(shape: LinearShape, tile: number, add: boolean): Promise<Kernel> {
    return this.product("linear", linearSource, shape, tile, linearColumns, { ADD: Number(add) });
  }

  linearGroups({ outputs }: LinearShape): number {
    return Math.ceil(outputs / linearColumns);
  }

  gated(shape: LinearShape, tile: number): Promise<Kernel> {
    return this.product("linearGated", quantizeSource + gatedSource, shape, tile, linearColumns, {
      QUANTIZE: Number(this.quantize),
    });
  }

  gatedGroups({ outputs }: LinearShape): number {
    return Math.ceil(outputs / linearColumns);
  }

  qkv(shape: LinearShape, tile: number): Promise<Kernel> {
    const { heads, kvHeads, headDim, slots } = this.shape;
    const half = Number(this.shape.cacheFormat === "float16");
    const constants = { HEADS: heads, KV_HEADS: kvHeads, SLOTS: slots, HALF: half };
    return this.product("linearQkv", qkvSource, shape, tile, headDim, constants);
  }

  /** `epsilon` negative: no norm, only the factors. */
  norm(
    width: number,
    epsilon: number,
    options: { readonly keep?: FeatureFormat; readonly pick?: boolean } = {},
  ): Promise<Kernel> {
    const { keep, pick = false } = options;
    const { source, constants } = this.rowSums;
    return this.compiler.compile("norm", goingSource + source + blockStepsSource + normSource, {
      ...constants,
      WIDTH: width,
      EPSILON: epsilon,
      QUANTIZE: Number(this.quantize),
      KEEP: keep === undefined ? 0 : keep === "head" && this.quantize ? 2 : 1,
      PICK: Number(pick),
    });
  }

  embed(width: number, blocks: boolean): Promise<Kernel> {
    return this.compiler.compile("embed", goingSource + rowsSource + embedSource, {
      WIDTH: width,
      BLOCKS: Number(blocks),
    });
  }

  /**
   * Rows whose attention reads keys and values together.
   * @param together rows of a sequence that lie side by side; others have nothing in common
   */
  attentionTile(together: number): number {
    return this.attentionTiles.find((tile) => together % tile === 0 || together > 2 * tile)!;
  }

  attention(tile: number): Promise<Kernel> {
    const { heads, kvHeads, headDim, slots, blocks, cacheFormat = "float32" } = this.shape;
    const cacheSource = { float32: cacheFloat32Source, float16: cacheFloat16Source }[cacheFormat];
    return this.compiler.compile(
      cacheFormat === "float32" ? "attention" : `attention ${cacheFormat}`,
      rowsSource + cacheSource + attentionSource,
      {
        HEAD_DIM: headDim,
        KV_HEADS: kvHeads,
        GROUP: heads / kvHeads,
        SLOTS: slots,
        BLOCK: attentionBlock,
        BLOCKS: blocks,
        TILE: tile,
      },
    );
  }

  merge(): Promise<Kernel> {
    const { heads, headDim, blocks } = this.shape;
    const { source, constants } = this.rowSums;
    return this.compiler.compile("attentionMerge", rowsSource + source + mergeSource, {
      ...constants,
      HEAD_DIM: headDim,
      HEADS: heads,
      BLOCK: attentionBlock,
      BLOCKS: blocks,
      QUANTIZE: Number(this.quantize),
    });
  }

  /** What attention over rows from `first` on reads and leaves. */
  attendedParts(
    first: number,
    { queries, rows, mixed }: Readonly<Record<"queries" | "rows" | "mixed", GPUBuffer>>,
  ): Readonly<Record<"queries" | "rows" | "mixed", BufferPart>> {
    const { heads, headDim } = this.shape;
    const width = heads * headDim;
    return {
      queries: rowsFrom(queries, first, width),
      rows: rowsFrom(rows, first, rowWords),
      mixed: rowsFrom(mixed, first, inputWords(this.quantize ? "int8" : "float32", width)),
    };
  }

  /** How a workgroup adds up: with or without subgroups, and the same bits. */
  private get rowSums(): OperandSource {
    const { lanes } = this.compiler;
    return lanes > 1 ? { source: rowSumsSubgroupsSource, constants: { LANES: lanes } } : { source: rowSumsSource };
  }

  /** A product with this epilogue, and other operands where the shape's format does not say it all. */
  product(
    name: string,
    epilogue: string,
    { inputs, outputs, format }: LinearShape,
    tile: number,
    columns: number,
    constants: KernelConstants,
    operands: OperandSource = productSources[format],
  ): Promise<Kernel> {
    const source = goingSource + rowsSource + operands.source + tileSource + epilogue;
    return this.compiler.compile(`${name} ${format}`, source, {
      ROWS: tile,
      COLUMNS: columns,
      SLICES: Math.max(1, Math.floor(productThreads / columns)),
      INPUTS: Math.ceil(inputs / inputAlignment[format]) * inputAlignment[format],
      OUTPUTS: outputs,
      ...operands.constants,
      ...constants,
    });
  }
}

import { floatToHalf } from "../model/float16.ts";
import type { Kernel } from "./kernels.ts";
import { type AttentionOperands, noSlot, type Operands, type Row } from "./reference.ts";
import { attentionBlock, cacheWords, type FeatureFormat, type ForwardKernels, inputWords } from "./targetKernels.ts";
import { Trial, type Words } from "./trial.ts";

type Bits = Uint32Array<ArrayBuffer>;

/** Rows of a trial, and the tile that serves them where it is not the one that a forward would take. */
export interface TrialRows {
  readonly rows: number;
  readonly tile?: number;
}

/** Runs each kernel of a forward by itself, on operands of this process; outputs are poisoned first, unless given. */
export class KernelTrials {
  constructor(
    private readonly device: GPUDevice,
    readonly kernels: ForwardKernels,
  ) {}

  /** Bits of [padded rows, outputs]. `added` [rows, outputs] is what the product is added to. */
  linear(operands: Operands, { rows, tile }: TrialRows, added?: Float32Array): Promise<Bits> {
    const { shape } = operands;
    const tiles = this.tiles(rows, tile);
    return this.product(
      operands,
      this.kernels.linear(shape, tiles.tile, added !== undefined),
      tiles.count * tiles.tile * shape.outputs,
      [this.kernels.linearGroups(shape), tiles.count],
      added,
    );
  }

  /** [padded rows] in the format that the product behind it reads, or bits of [padded rows, outputs / 2]. */
  gated(operands: Operands, { rows, tile }: TrialRows): Promise<Bits> {
    const { shape } = operands;
    const tiles = this.tiles(rows, tile);
    const width = inputWords(this.kernels.quantize ? "int8-blocks" : "float32", shape.outputs / 2);
    const kernel = this.kernels.gated(shape, tiles.tile);
    const words = tiles.count * tiles.tile * (this.kernels.quantize ? width : shape.outputs / 2);
    return this.product(operands, kernel, words, [this.kernels.gatedGroups(shape), tiles.count]);
  }

  /** Bits of the queries [padded rows, heads * headDim], and of a cache of two layers whose second one is written. */
  async qkv(
    operands: Operands,
    rows: readonly Row[],
    rotary: Words,
    tile?: number,
  ): Promise<{ readonly queries: Bits; readonly cache: Bits }> {
    const { heads, kvHeads, headDim, slots } = this.kernels.shape;
    const tiles = this.tiles(rows.length, tile);
    const kernel = await this.kernels.qkv(operands.shape, tiles.tile);
    const padded = tiles.count * tiles.tile;
    const [queries, cache] = await this.with(async (trial) => {
      const written = [
        trial.poisoned(padded * heads * headDim),
        trial.poisoned(4 * slots * cacheWords(this.kernels.shape)),
      ];
      const buffers = [
        ...operandBuffers(trial, operands),
        ...written,
        trial.buffer(encodeRows(rows, padded)),
        trial.buffer(rotary),
        trial.uniform(1),
      ];
      return await trial.run([trial.dispatch(kernel, buffers, heads + 2 * kvHeads, tiles.count)], written);
    });
    return { queries: queries!, cache: cache! };
  }

  /**
   * The rows' mixtures, quantized or as bits of [rows, heads * headDim]; the cache has one layer.
   * @param tile rows that attend together
   */
  async attention(
    operands: AttentionOperands,
    rows: readonly Row[],
    { tile = 1 }: { readonly tile?: number } = {},
  ): Promise<Bits> {
    const { heads, kvHeads, headDim, blocks } = this.kernels.shape;
    const [attention, merge] = await Promise.all([this.kernels.attention(tile), this.kernels.merge()]);
    const groups = Math.ceil(rows.length / tile);
    const longest = rows.reduce((most, { position }) => Math.max(most, position + 1), 1);
    const width = inputWords(this.kernels.quantize ? "int8" : "float32", heads * headDim);
    return await this.with(async (trial) => {
      const table = trial.buffer(encodeRows(rows, groups * tile));
      const partial = trial.poisoned(rows.length * heads * blocks * (headDim + 2));
      const output = trial.poisoned(rows.length * (this.kernels.quantize ? width : heads * headDim));
      const buffers = [operands.queries, this.kept(operands.cache)].map((words) => trial.buffer(words));
      const paths = trial.buffer(operands.paths);
      const [mixed] = await trial.run(
        [
          trial.dispatch(
            attention,
            [...buffers, table, paths, partial, trial.uniform(0)],
            Math.ceil(longest / attentionBlock),
            kvHeads,
            groups,
          ),
          trial.dispatch(merge, [partial, table, output], rows.length),
        ],
        [output],
      );
      return mixed!;
    });
  }

  /** Keys and values as the device keeps them. */
  private kept(values: Float32Array): Words {
    if (this.kernels.shape.cacheFormat !== "float16") return values;
    return new Uint32Array(Uint16Array.from(values, floatToHalf).buffer);
  }

  /** Norms of the rows of [rows, width], or of those that are picked: the next product's input, and the features where kept. */
  async norm(
    input: Float32Array,
    gains: Float32Array,
    epsilon: number,
    { keep, picks }: { readonly keep?: FeatureFormat; readonly picks?: readonly number[] } = {},
  ): Promise<{ readonly output: Bits; readonly features: Bits }> {
    const width = gains.length / 2;
    const pick = picks !== undefined;
    const kernel = await this.kernels.norm(width, epsilon, keep === undefined ? { pick } : { keep, pick });
    const outputs = picks?.length ?? input.length / width;
    const words = this.kernels.quantize ? inputWords("int8", width) : width;
    const [output, features] = await this.with(async (trial) => {
      const written = [trial.poisoned(outputs * words), trial.poisoned(outputs * width)];
      const buffers = [
        trial.buffer(input),
        trial.buffer(gains),
        trial.buffer(Uint32Array.from(picks ?? [0])),
        ...written,
      ];
      return await trial.run([trial.dispatch(kernel, buffers, outputs)], written);
    });
    return { output: output!, features: features! };
  }

  /** Bits of [rows, width]. */
  async embed(table: Words, scales: Float32Array | undefined, width: number, rows: readonly Row[]): Promise<Bits> {
    const kernel = await this.kernels.embed(width, scales !== undefined);
    return await this.single((trial, output) => {
      const buffers = [encodeRows(rows, rows.length), table, scales ?? Float32Array.of(0)];
      return trial.dispatch(kernel, [...buffers.map((words) => trial.buffer(words)), output], rows.length);
    }, rows.length * width);
  }

  private async product(
    operands: Operands,
    compiling: Promise<Kernel>,
    words: number,
    workgroups: [number, number],
    before?: Words,
  ): Promise<Bits> {
    const kernel = await compiling;
    return await this.single(
      (trial, output) => trial.dispatch(kernel, [...operandBuffers(trial, operands), output], ...workgroups),
      words,
      before,
    );
  }

  /** One dispatch with one output of so many words. */
  private async single(
    dispatch: (trial: Trial, output: GPUBuffer) => ReturnType<Trial["dispatch"]>,
    words: number,
    before?: Words,
  ): Promise<Bits> {
    return await this.with(async (trial) => {
      const output = before === undefined ? trial.poisoned(words) : trial.buffer(padded(before, words));
      const [result] = await trial.run([dispatch(trial, output)], [output]);
      return result!;
    });
  }

  private async with<Result>(work: (trial: Trial) => Promise<Result>): Promise<Result> {
    const trial = new Trial(this.device);
    try {
      return await work(trial);
    } finally {
      trial.release();
    }
  }

  private tiles(
    rows: number,
    tile = this.kernels.tiling(rows).tile,
  ): { readonly tile: number; readonly count: number } {
    return { tile, count: Math.ceil(rows / tile) };
  }
}

/** Rows as kernels/rows.wgsl has them, filled up by rows that store nothing. */
export function encodeRows(rows: readonly Row[], count: number): Bits {
  const words = new Uint32Array(8 * count);
  for (let i = 0; i < count; i++) {
    const row = rows[i];
    const { token, position, region, contiguous, path, slot, parent = -1 } = row ?? filler;
    words.set([token, position, region, contiguous, path, slot, 0, parent], 8 * i);
  }
  return words;
}

const filler: Row = { token: 0, position: 0, region: 0, contiguous: 0, path: 0, slot: noSlot };

function operandBuffers(trial: Trial, { input, weights, columns }: Operands): GPUBuffer[] {
  return [input, weights, columns].map((words) => trial.buffer(words));
}

function padded(words: Words, length: number): Words {
  if (words.length === length) return words;
  const longer = new Float32Array(length);
  longer.set(words);
  return longer;
}

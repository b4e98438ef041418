import blockStepsSource from "../../../kernels/blockSteps.wgsl";
import headInputSource from "../../../kernels/headInput.wgsl";
import keepSource from "../../../kernels/linearKeep.wgsl";
import mixSource from "../../../kernels/linearMix.wgsl";
import normRouteSource from "../../../kernels/normRoute.wgsl";
import rowSumsSource from "../../../kernels/rowSums.wgsl";
import rowsSource from "../../../kernels/rows.wgsl";
import type { Checkpoint } from "../model/checkpoint.ts";
import type { HeadConfig, HeadTensors } from "../model/headFile.ts";
import type { KeyCache } from "./copySlots.ts";
import { mostRows } from "./forwardBuffers.ts";
import { type GpuHeadWeights, uploadHead } from "./headWeights.ts";
import { type Binder, type Dispatch, DispatchList, type Kernel, type KernelCompiler } from "./kernels.ts";
import { checkHeadShape } from "./shapeLimits.ts";
import { storage } from "./storage.ts";
import {
  attentionBlock,
  ForwardKernels,
  type InputFormat,
  inputWords,
  quantizeSource,
  tileSizes,
} from "./targetKernels.ts";
import type { GpuEmbedding, GpuMatrix } from "./weightUpload.ts";

/** Rows of one forward of the head, in buffers. */
export interface HeadForwardPlan {
  /** Row, with the head's own region and slots. */
  readonly rows: GPUBuffer;
  readonly paths: GPUBuffer;
  /** Row of `features` that each row takes. */
  readonly featureRows: GPUBuffer;
  /** [.., hidden] float32 */
  readonly features: GPUBuffer;
  readonly count: number;
  /** Positions of the longest sequence, the rows' own included. */
  readonly longest: number;
}

export interface HeadOutputPlan {
  /** Rows whose outputs are wanted. */
  readonly picks: GPUBuffer;
  readonly count: number;
  /** Lists that go on to logits: the mixture alone, or the contrastive output (the second branch) behind it. */
  readonly lists: 1 | 2;
}

/** What a head borrows from its target on the same device. */
export interface HeadSurroundings {
  readonly device: GPUDevice;
  /** The adapter's name, for people. */
  readonly name: string;
  readonly compiler: KernelCompiler;
  readonly binder: Binder;
  readonly checkpoint: Checkpoint;
  readonly embedding: GpuEmbedding;
  /** [positions, headDim / 2] (cosine, sine) */
  readonly rotary: GPUBuffer;
  /** Whether products take int8 inputs; else float32. */
  readonly quantize: boolean;
}

export interface GpuHeadOptions {
  /** KV slots of a sequence, those of a round's drafted rows included. */
  readonly regionSlots: number;
  readonly sequences: number;
  /** Most rows whose outputs one forward is asked for. */
  readonly outputs: number;
}

/** Text of the kernels that heads alone have: what a verdict about them depends on. */
export const headSources = [headInputSource, keepSource, normRouteSource, mixSource].join("\n");

const linearColumns = 64;
const threads = 256;
/** Tiles of linearMix hold both lists of a row. */
const largestMixTile = 16;

/** A draft head on the GPU: the forward of jakiro.md section 1, from embeddings and features to draft logits. */
export class GpuHead {
  /** y1 rows, then y2 rows of the last forward, [2 * outputs, hidden] float32: what the next level carries on. */
  readonly values: GPUBuffer;
  /** [2 * outputs, draft vocabulary] float32 */
  readonly draftLogits: GPUBuffer;
  private readonly kernels: ForwardKernels;
  private readonly cache: GPUBuffer;
  private readonly scratch;

  private constructor(
    private readonly surroundings: HeadSurroundings,
    readonly config: HeadConfig,
    readonly weights: GpuHeadWeights,
    readonly options: GpuHeadOptions,
  ) {
    const { device, compiler, quantize } = surroundings;
    const { hidden, intermediate } = config;
    const { heads, kvHeads, headDim } = config.shape;
    const slots = options.regionSlots * options.sequences;
    const blocks = Math.ceil(options.regionSlots / attentionBlock);
    this.kernels = new ForwardKernels(compiler, { ...config.shape, slots, blocks }, quantize);
    this.cache = storage(device, "head kv cache", 2 * slots * kvHeads * headDim);
    const blockFormat: InputFormat = quantize ? "int8-blocks" : "float32";
    const rowFormat: InputFormat = quantize ? "int8" : "float32";
    const outputs = padded(options.outputs);
    const words = (label: string, count: number) => storage(device, label, count);
    this.values = words("head values", 2 * outputs * hidden);
    this.draftLogits = words("draft logits", padded(2 * options.outputs) * this.draftVocabulary);
    this.scratch = {
      input: words("head input", mostRows * inputWords(blockFormat, 2 * hidden)),
      x: words("head residual", mostRows * hidden),
      packed: words("head packed", mostRows * inputWords(blockFormat, hidden)),
      queries: words("head queries", mostRows * heads * headDim),
      partial: words("head partial", mostRows * heads * blocks * (headDim + 2)),
      mixed: words("head mixed", mostRows * inputWords(rowFormat, heads * headDim)),
      normed: words("head normed", outputs * inputWords(rowFormat, hidden)),
      factors: words("expert factors", outputs * 2 * this.experts),
      gated: words("experts gated", outputs * inputWords(blockFormat, this.experts * intermediate)),
      predicted: words("draft lm head input", padded(2 * options.outputs) * inputWords(blockFormat, hidden)),
      place: weights.upload.uniform("head place", [0]),
    };
  }

  /** Quantizes and uploads a head. Throws JakiroError("model") with the numbers where the GPU cannot take its shape. */
  static async load(
    surroundings: HeadSurroundings,
    file: HeadTensors,
    featureSmoothing: Float32Array | undefined,
    options: GpuHeadOptions,
  ): Promise<GpuHead> {
    const { device, checkpoint, quantize } = surroundings;
    checkHeadShape(file, quantize, options, surroundings);
    const weights = await uploadHead(device, file, checkpoint, featureSmoothing, quantize);
    return new GpuHead(surroundings, file.config, weights, options);
  }

  /** Output lists that the head has: y1 and y2, or the two branches; a dense head has one. */
  get lists(): 1 | 2 {
    return this.config.kind === "eagle" ? 1 : 2;
  }

  /** Of all sequences. */
  get keys(): KeyCache {
    const { kvHeads, headDim } = this.config.shape;
    const { regionSlots, sequences } = this.options;
    return { buffer: this.cache, planes: 2, slots: regionSlots * sequences, width: kvHeads * headDim };
  }

  get draftVocabulary(): number {
    return this.weights.lmHead.outputs;
  }

  private get experts(): number {
    return Math.max(1, this.config.experts);
  }

  /** Keys and values of rows: all that a prompt's rows leave behind. */
  async planKeys(forward: HeadForwardPlan): Promise<Dispatch[]> {
    const list = new DispatchList(this.surroundings.binder);
    await this.addKeys(list, forward);
    return list.dispatches;
  }

  /** A whole forward, up to the draft logits of the rows asked for. */
  async plan(forward: HeadForwardPlan, outputs: HeadOutputPlan): Promise<Dispatch[]> {
    const { weights, scratch, kernels, config } = this;
    const list = new DispatchList(this.surroundings.binder);
    const { tile, count } = kernels.tiling(forward.count);
    await this.addKeys(list, forward);
    await list.add(
      kernels.attention(),
      [scratch.queries, this.cache, forward.rows, forward.paths, scratch.partial, scratch.place],
      Math.ceil(forward.longest / attentionBlock),
      config.shape.kvHeads,
      forward.count,
    );
    await list.add(kernels.merge(), [scratch.partial, forward.rows, scratch.mixed], forward.count);
    const o = this.shape(weights.o, "int8");
    await list.add(
      kernels.linear(o, tile, true),
      [scratch.mixed, weights.o.weights, weights.o.columns, scratch.x],
      kernels.linearGroups(o),
      count,
    );

    const { tile: outputTile, count: outputTiles } = kernels.tiling(outputs.count);
    await list.add(
      this.normRoute(),
      [scratch.x, weights.normGains, outputs.picks, weights.router, scratch.normed, scratch.factors],
      outputs.count,
    );
    const gateUp = this.shape(weights.gateUp, "int8");
    await list.add(
      kernels.gated(gateUp, outputTile),
      [scratch.normed, weights.gateUp.weights, weights.gateUp.columns, scratch.gated],
      kernels.gatedGroups(gateUp),
      outputTiles,
    );
    const mixTile = tileSizes.find((size) => size >= outputs.count && size <= largestMixTile) ?? largestMixTile;
    await list.add(
      this.mix(mixTile, outputs.count),
      [
        scratch.gated,
        weights.down,
        weights.downColumns,
        scratch.x,
        outputs.picks,
        scratch.factors,
        scratch.predicted,
        this.values,
      ],
      Math.ceil(config.hidden / linearColumns),
      Math.ceil(outputs.count / mixTile),
    );
    const lmHead = this.shape(weights.lmHead, "int8-blocks");
    const predicted = kernels.tiling(outputs.count * outputs.lists);
    await list.add(
      kernels.linear(lmHead, predicted.tile, false),
      [scratch.predicted, weights.lmHead.weights, weights.lmHead.columns, this.draftLogits],
      kernels.linearGroups(lmHead),
      predicted.count,
    );
    return list.dispatches;
  }

  release(): void {
    this.weights.upload.release();
    const { place: _, ...buffers } = this.scratch;
    for (const buffer of [...Object.values(buffers), this.cache, this.values, this.draftLogits]) buffer.destroy();
  }

  private async addKeys(list: DispatchList, forward: HeadForwardPlan): Promise<void> {
    const { weights, scratch, kernels, config } = this;
    const { embedding, rotary } = this.surroundings;
    const { tile, count } = kernels.tiling(forward.count);
    await list.add(
      kernels.compiler.compile("headInput", rowsSource + blockStepsSource + headInputSource, {
        WIDTH: config.hidden,
        BLOCKS: Number(embedding.blocks),
        QUANTIZE: Number(kernels.quantize),
      }),
      [
        forward.rows,
        embedding.table,
        embedding.scales,
        forward.features,
        forward.featureRows,
        weights.featureFactors,
        scratch.input,
      ],
      forward.count,
    );
    const fc = this.shape(weights.fc, "int8-blocks");
    await list.add(
      kernels.keep(fc, tile),
      [scratch.input, weights.fc.weights, weights.fc.columns, scratch.packed, scratch.x],
      kernels.linearGroups(fc),
      count,
    );
    const qkv = this.shape(weights.qkv, "int8-blocks");
    const { heads, kvHeads } = config.shape;
    await list.add(
      kernels.qkv(qkv, tile),
      [
        kernels.quantize ? scratch.packed : scratch.x,
        weights.qkv.weights,
        weights.qkv.columns,
        scratch.queries,
        this.cache,
        forward.rows,
        rotary,
        scratch.place,
      ],
      heads + 2 * kvHeads,
      count,
    );
  }

  private shape({ inputs, outputs }: GpuMatrix, quantized: InputFormat) {
    return { inputs, outputs, format: this.kernels.quantize ? quantized : ("float32" as const) };
  }

  private normRoute(): Promise<Kernel> {
    const { config, kernels } = this;
    return kernels.compiler.compile("normRoute", rowSumsSource + normRouteSource, {
      WIDTH: config.hidden,
      EPSILON: config.rmsEpsilon,
      QUANTIZE: Number(kernels.quantize),
      EXPERTS: this.experts,
      LISTS: this.lists,
      BRANCHES: Number(config.kind === "jakiro-star"),
    });
  }

  private mix(tile: number, count: number): Promise<Kernel> {
    const { config, kernels } = this;
    return kernels.compiler.compile("linearMix", quantizeSource + mixSource, {
      ROWS: tile,
      COLUMNS: linearColumns,
      SLICES: threads / linearColumns,
      COUNT: count,
      INPUTS: config.intermediate,
      OUTPUTS: config.hidden,
      EXPERTS: this.experts,
      LISTS: this.lists,
      QUANTIZE: Number(kernels.quantize),
    });
  }
}

/** Rows of a buffer that products read in whole tiles. */
function padded(rows: number): number {
  const largest = tileSizes.at(-1)!;
  return Math.ceil(rows / largest) * largest;
}

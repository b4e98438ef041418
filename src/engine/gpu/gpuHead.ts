import type { Checkpoint } from "../model/checkpoint.ts";
import type { HeadConfig, HeadTensors } from "../model/headFile.ts";
import type { KeyCache } from "./copySlots.ts";
import { attendedRows, mostRows, slicesOf } from "./forwardBuffers.ts";
import { draftTiles, expertsOf, HeadKernels, listsOf, mixTile, partsOf } from "./headKernels.ts";
import { type GpuHeadWeights, uploadHead } from "./headWeights.ts";
import { type Binder, type Dispatch, DispatchList, type KernelCompiler } from "./kernels.ts";
import { mostBranching } from "./roundLayout.ts";
import { checkHeadShape } from "./shapeLimits.ts";
import { allocated, storage } from "./storage.ts";
import {
  attentionBlock,
  ForwardKernels,
  type InputFormat,
  inputWords,
  linearColumns,
  tileSizes,
} from "./targetKernels.ts";
import type { GpuEmbedding, GpuMatrix } from "./weightUpload.ts";

/** Rows of one forward of the head, in buffers. */
export interface HeadForwardPlan {
  /** Row, with the head's own region and slots; its parent is the row of `features` that it carries on. */
  readonly rows: GPUBuffer;
  readonly paths: GPUBuffer;
  /** Of `featureWords` each: the target's, or `GpuHead.predicted`. */
  readonly features: GPUBuffer;
  readonly count: number;
  /** Rows of each sequence, which lie side by side; absent where there is but one. */
  readonly together?: number;
  /** Positions of the longest sequence, the rows' own included. */
  readonly longest: number;
}

export interface HeadOutputPlan {
  /** Rows whose outputs are wanted. */
  readonly picks: GPUBuffer;
  readonly count: number;
  /** Lists that go on to draft ids: the mixture alone, or the contrastive output (the second branch) behind it. */
  readonly lists: 1 | 2;
  /** Draft ids that each row proposes. */
  readonly branching: number;
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

/** 32-bit words of a feature, as the head's fc reads it. */
export function featureWords(hidden: number, quantize: boolean): number {
  return inputWords(quantize ? "int8-blocks" : "float32", hidden);
}

/** A draft head on the GPU: the forward of jakiro.md section 1, from embeddings and features to the best draft ids. */
export class GpuHead {
  /** The last forward's outputs, [lists, outputs] of `featureWords`: what the draft LM head reads, and the next level carries on. */
  readonly predicted: GPUBuffer;
  /** [lists * outputs, tiles, branching] (order key, draft id) of kernels/linearBest.wgsl */
  readonly best: GPUBuffer;
  /** [lists * outputs, tiles] (largest logit, sum) of kernels/linearBest.wgsl */
  readonly masses: GPUBuffer;
  private readonly kernels: ForwardKernels;
  private readonly own: HeadKernels;
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
    this.own = new HeadKernels(this.kernels, config);
    this.cache = storage(device, "head kv cache", 2 * slots * kvHeads * headDim);
    const blockFormat: InputFormat = quantize ? "int8-blocks" : "float32";
    const rowFormat: InputFormat = quantize ? "int8" : "float32";
    const outputs = padded(options.outputs);
    const rows = padded(2 * options.outputs);
    const tiles = draftTiles(this.draftVocabulary);
    const words = (label: string, count: number) => storage(device, label, count);
    this.predicted = words("head outputs", rows * featureWords(hidden, quantize));
    this.best = words("best drafts of tiles", rows * tiles * mostBranching * 2);
    this.masses = words("masses of tiles", rows * tiles * 2);
    this.scratch = {
      x: words("head residual", mostRows * hidden),
      packed: words("head packed", mostRows * inputWords(blockFormat, hidden)),
      queries: words("head queries", mostRows * heads * headDim),
      partial: words("head partial", attendedRows * heads * blocks * (headDim + 2)),
      mixed: words("head mixed", mostRows * inputWords(rowFormat, heads * headDim)),
      normed: words("head normed", mostRows * inputWords(blockFormat, hidden)),
      parts: words("head norm parts", mostRows * partsOf(config)),
      gated: words("experts gated", outputs * inputWords(blockFormat, expertsOf(config) * intermediate)),
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
    return await allocated(
      device,
      () => new GpuHead(surroundings, file.config, weights, options),
      (head) => head.release(),
    );
  }

  get lists(): 1 | 2 {
    return listsOf(this.config);
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

  /** Keys and values of rows: all that a prompt's rows leave behind. */
  async planKeys(forward: HeadForwardPlan): Promise<Dispatch[]> {
    const list = new DispatchList(this.surroundings.binder);
    await this.addKeys(list, forward);
    return list.dispatches;
  }

  /** A whole forward, up to the best draft ids of the rows asked for. */
  async plan(forward: HeadForwardPlan, outputs: HeadOutputPlan): Promise<Dispatch[]> {
    const { weights, scratch, kernels, own, config } = this;
    const list = new DispatchList(this.surroundings.binder);
    const { tile, count } = kernels.tiling(forward.count);
    await this.addKeys(list, forward);
    const attentionTile = kernels.attentionTile(forward.together ?? tile);
    for (const { first, count } of slicesOf(forward.count, attendedRows)) {
      const { queries, rows, mixed } = kernels.attendedParts(first, { ...scratch, rows: forward.rows });
      await list.add(
        kernels.attention(attentionTile),
        [queries, this.cache, rows, forward.paths, scratch.partial, scratch.place],
        Math.ceil(forward.longest / attentionBlock),
        config.shape.kvHeads,
        Math.ceil(count / attentionTile),
      );
      await list.add(kernels.merge(), [scratch.partial, rows, mixed], count);
    }
    const o = this.shape(weights.o, "int8");
    await list.add(
      own.normed(o, tile),
      [
        scratch.mixed,
        weights.o.weights,
        weights.o.columns,
        scratch.x,
        weights.normGains,
        weights.router,
        scratch.normed,
        scratch.parts,
      ],
      kernels.linearGroups(o),
      count,
    );

    const { tile: outputTile, count: outputTiles } = kernels.tiling(outputs.count);
    const gateUp = this.shape(weights.gateUp, "int8-blocks");
    await list.add(
      own.gated(gateUp, outputTile, outputs.count),
      [scratch.normed, weights.gateUp.weights, weights.gateUp.columns, scratch.gated, outputs.picks, scratch.parts],
      kernels.gatedGroups(gateUp),
      outputTiles,
    );
    const rowsAtATime = mixTile(outputs.count);
    await list.add(
      own.mix(rowsAtATime, outputs.count),
      [scratch.gated, weights.down, weights.downColumns, scratch.x, outputs.picks, scratch.parts, this.predicted],
      Math.ceil(config.hidden / linearColumns),
      Math.ceil(outputs.count / rowsAtATime),
    );
    const lmHead = this.shape(weights.lmHead, "int8-blocks");
    const predicted = kernels.tiling(outputs.count * outputs.lists);
    await list.add(
      own.best(lmHead, predicted.tile, outputs.branching),
      [this.predicted, weights.lmHead.weights, weights.lmHead.columns, this.best, this.masses],
      kernels.linearGroups(lmHead),
      predicted.count,
    );
    return list.dispatches;
  }

  release(): void {
    this.weights.upload.release();
    const { place: _, ...buffers } = this.scratch;
    for (const buffer of [...Object.values(buffers), this.cache, this.predicted, this.best, this.masses])
      buffer.destroy();
  }

  private async addKeys(list: DispatchList, forward: HeadForwardPlan): Promise<void> {
    const { weights, scratch, kernels, config } = this;
    const { embedding, rotary } = this.surroundings;
    const { tile, count } = kernels.tiling(forward.count);
    const fc = this.shape(weights.fc, "int8-blocks");
    await list.add(
      this.own.fc(fc, tile, weights.featureScale),
      [
        forward.features,
        weights.fc.weights,
        weights.fc.columns,
        scratch.packed,
        scratch.x,
        forward.rows,
        embedding.table,
        embedding.scales,
      ],
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
}

/** Rows of a buffer that products read in whole tiles. */
function padded(rows: number): number {
  const largest = tileSizes.at(-1)!;
  return Math.ceil(rows / largest) * largest;
}

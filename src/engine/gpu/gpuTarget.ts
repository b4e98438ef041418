import { isQuantized } from "../cpu/packMatrix.ts";
import type { PackedTarget } from "../cpu/packTarget.ts";
import { DeviceLostError, type Target } from "../decoding/target.ts";
import { JakiroError } from "../errors.ts";
import type { Checkpoint, ModelConfig } from "../model/checkpoint.ts";
import { firstLine } from "./dawn.ts";
import type { GpuDevice } from "./device.ts";
import { openErrorScopes } from "./errorScopes.ts";
import { makeScratch, mostRows, type Scratch } from "./forwardBuffers.ts";
import { type ForwardPlan, ForwardPrograms } from "./forwardPrograms.ts";
import type { HeadSurroundings } from "./gpuHead.ts";
import { GpuSequence } from "./gpuSequence.ts";
import { Binder, type CompilationListener, type Dispatch, encoded, KernelCompiler } from "./kernels.ts";
import { PathMove } from "./pathMove.ts";
import { checkTargetShape } from "./shapeLimits.ts";
import { storage } from "./storage.ts";
import { attentionBlock, type CacheFormat, cacheWords, ForwardKernels } from "./targetKernels.ts";
import { type GpuWeights, rotaryPairs, uploadWeights } from "./targetWeights.ts";
import { TokenDraw } from "./tokenDraw.ts";
import { PackFiles, WeightUpload } from "./weightUpload.ts";

export interface GpuTargetOptions {
  /** Tokens of one sequence. */
  readonly capacity: number;
  /** Sequences whose keys and values have room at a time. */
  readonly sequences: number;
  /** How keys and values are kept; float32 where absent, which alone is what the model's own arithmetic says. */
  readonly cacheFormat?: CacheFormat;
  /** Whether weights that are packed as float16 become float32 on their way to the device: the same numbers for other kernels. */
  readonly widened?: boolean;
  readonly progress?: (done: number, total: number) => void;
  /** Milliseconds after which a forward that gives no answer never will; unlimited where absent. */
  readonly patienceMs?: number;
}

/** The target model on a GPU: weights, keys and values, and the kernels of a forward. */
export class GpuTarget implements Target {
  private freeRegions: number[];
  readonly binder: Binder;
  readonly draw: TokenDraw;
  private readonly programs: ForwardPrograms;
  /** Forwards share the scratch buffers: one at a time. */
  private turn: Promise<unknown> = Promise.resolve();
  /** Why the device is gone, once it is. */
  private lost: string | undefined;

  private constructor(
    readonly gpu: GpuDevice,
    readonly checkpoint: Checkpoint,
    readonly options: GpuTargetOptions,
    private readonly upload: WeightUpload,
    readonly weights: GpuWeights,
    readonly kernels: ForwardKernels,
    readonly scratch: Scratch,
    readonly cache: GPUBuffer,
    readonly rotary: GPUBuffer,
    private readonly paths: PathMove,
    /** Slots of a sequence: its capacity, and the tree that is being verified. */
    readonly regionSlots: number,
  ) {
    this.binder = new Binder(gpu.device);
    const { config } = checkpoint;
    this.draw = new TokenDraw(kernels.compiler, config.vocabulary, scratch);
    this.programs = new ForwardPrograms({ device: gpu.device, config, kernels, weights, scratch, cache, rotary });
    void gpu.device.lost.then(({ message }) => {
      this.lost = firstLine(message) || "its driver gave no reason";
    });
    this.freeRegions = Array.from({ length: options.sequences }, (_, i) => i * regionSlots).reverse();
  }

  /** Uploads the packed weights. Throws JakiroError("model") with the numbers where the GPU cannot take them. */
  static async load(
    gpu: GpuDevice,
    checkpoint: Checkpoint,
    packed: PackedTarget,
    options: GpuTargetOptions,
  ): Promise<GpuTarget> {
    const { device } = gpu;
    const { config } = checkpoint;
    checkTargetShape(config, packed.format, gpu);
    const quantize = isQuantized(packed.format);
    const regionSlots = options.capacity + mostRows;
    const slots = regionSlots * options.sequences;
    const blocks = Math.ceil(regionSlots / attentionBlock);
    const { heads, kvHeads, headDim } = config;
    const { cacheFormat = "float32", widened = false } = options;
    const shape = { heads, kvHeads, headDim, slots, blocks, cacheFormat };
    const kernels = new ForwardKernels(new KernelCompiler(device, gpu.lanes), shape, quantize, gpu.tile);
    const files = new PackFiles(packed.directory);
    const upload = new WeightUpload(device, files, { widened });
    device.pushErrorScope("out-of-memory");
    device.pushErrorScope("validation");
    try {
      const weights = await uploadWeights(upload, checkpoint, packed, options.progress);
      const scratch = makeScratch(device, config, quantize, blocks);
      const cache = storage(device, "kv cache", config.layers * 2 * slots * cacheWords(shape));
      const rotary = upload.filled("rotary", rotaryPairs(config, regionSlots));
      const width = cacheWords(shape);
      const paths = await PathMove.create(kernels.compiler, cache, { layers: config.layers, slots, width });
      return new GpuTarget(
        gpu,
        checkpoint,
        options,
        upload,
        weights,
        kernels,
        scratch,
        cache,
        rotary,
        paths,
        regionSlots,
      );
    } finally {
      files.close();
      const invalid = await device.popErrorScope();
      const exhausted = await device.popErrorScope();
      const failure = exhausted ?? invalid;
      if (failure !== null) {
        upload.release();
        // biome-ignore lint/correctness/noUnsafeFinally: a target whose buffers are invalid must not be returned
        throw new JakiroError("model", `The model does not fit into the memory of ${gpu.name} (${failure.message}).`);
      }
    }
  }

  /** What a draft head borrows. */
  get surroundings(): HeadSurroundings {
    const { gpu, kernels, binder, checkpoint, weights, rotary } = this;
    const { compiler, quantize } = kernels;
    const { device, name } = gpu;
    return { device, name, compiler, binder, checkpoint, embedding: weights.embedding, rotary, quantize };
  }

  /** KV slots of a layer, all sequences together. */
  get slots(): number {
    return this.regionSlots * this.options.sequences;
  }

  /** 32-bit words of a slot's keys, or values, in one layer. */
  get cacheWords(): number {
    return cacheWords(this.kernels.shape);
  }

  get config(): ModelConfig {
    return this.checkpoint.config;
  }

  /** A fresh sequence. Throws JakiroError("model") where all regions are taken. */
  sequence(capacity = this.options.capacity): GpuSequence {
    const region = this.freeRegions.pop();
    if (region === undefined) {
      throw new JakiroError(
        "model",
        `All ${this.options.sequences} sequences of the GPU are in use; release one first.`,
      );
    }
    return new GpuSequence(this, region, Math.min(capacity, this.options.capacity, this.config.contextLength));
  }

  /** Takes a sequence's region back. */
  free(region: number): void {
    this.freeRegions.push(region);
  }

  /**
   * Runs `work` once no other forward uses the scratch buffers. Rejects with DeviceLostError whatever it was that went wrong:
   * results that follow an error of the device cannot be relied on.
   */
  exclusively<Result>(work: () => Promise<Result>, patienceMs = this.options.patienceMs): Promise<Result> {
    const result = this.turn.then(() => this.within(patienceMs, () => this.inScopes(work)));
    this.turn = result.catch(() => undefined);
    return result;
  }

  /** Runs `work`, which submits nothing, while forwards go on: it may compile. Rejects with DeviceLostError whatever went wrong. */
  beside<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.within(this.compilingMs, () => this.inScopes(work));
  }

  /** A driver that knows nothing of our kernels yet takes far longer to compile them than to run any. */
  private get compilingMs(): number | undefined {
    const { patienceMs } = this.options;
    return patienceMs === undefined ? undefined : 10 * patienceMs;
  }

  /**
   * Runs `work`; rejects with the first error that the device has meanwhile, in this work or in what goes on beside it, after `undo` of
   * what the work had made all the same.
   */
  async inScopes<Result>(work: () => Promise<Result>, undo?: (made: Result) => void): Promise<Result> {
    const closeScopes = openErrorScopes(this.gpu.device);
    let closing: ReturnType<typeof closeScopes> | undefined;
    try {
      const result = await work();
      closing = closeScopes();
      const error = await closing;
      if (error) {
        undo?.(result);
        throw new Error(firstLine(error));
      }
      return result;
    } finally {
      if (closing === undefined) void closeScopes().catch(() => undefined);
    }
  }

  private async within<Result>(patienceMs: number | undefined, work: () => Promise<Result>): Promise<Result> {
    let impatience: NodeJS.Timeout | undefined;
    try {
      const working = work();
      if (patienceMs === undefined) return await working;
      const waiting = new Promise<never>((_, reject) => {
        const sentence = `it gave no answer for ${patienceMs / 1000} s`;
        impatience = setTimeout(() => reject(new Error(sentence)), patienceMs);
      });
      return await Promise.race([working, waiting]);
    } catch (error) {
      throw new DeviceLostError(this.lost ?? firstLine(error), { cause: error });
    } finally {
      clearTimeout(impatience);
    }
  }

  /**
   * Compiles what forwards of all sizes need, side by side, so that the first ones do not wait.
   * @param progress told how many pipelines are there, of those that were asked for
   */
  async prepare(progress?: CompilationListener): Promise<void> {
    const { rows, paths, features } = this.scratch;
    const { compiler, tiles } = this.kernels;
    const plan = { rows, paths, features, featureFormat: "values", picked: false, mode: "logits" } as const;
    const compiled = () =>
      Promise.all([
        this.draw.plan(1),
        ...tiles.map((count) => this.plan({ ...plan, count, outputs: count, longest: count })),
      ]);
    await compiler.reporting(progress, () => this.exclusively(compiled, this.compilingMs));
  }

  /** The dispatches of a forward. */
  plan(forward: ForwardPlan): Promise<Dispatch[]> {
    return this.programs.plan(forward);
  }

  /** The dispatches that make logits of some rows of the forward before them, `ForwardPrograms.planLogits`. */
  planLogits(first: number, count: number): Promise<Dispatch[]> {
    return this.programs.planLogits(first, count);
  }

  /** Moves keys and values of a path's rows to its positions, behind all that was submitted; row 0 has the slot `base`. */
  move(base: number, path: ArrayLike<number>): void {
    this.paths.write(base, path);
    this.submit([this.paths.dispatch]);
  }

  /** Runs the dispatches and returns what the buffers hold afterwards. */
  async read(
    dispatches: readonly Dispatch[],
    wanted: readonly { from: GPUBuffer; bytes: number }[],
  ): Promise<ArrayBuffer[]> {
    const { device } = this.gpu;
    const { MAP_READ, COPY_DST } = GPUBufferUsage;
    const size = wanted.reduce((sum, { bytes }) => sum + bytes, 0);
    const staging = device.createBuffer({ label: "readback", size, usage: MAP_READ | COPY_DST });
    try {
      this.submit(dispatches, wanted, staging);
      await staging.mapAsync(GPUMapMode.READ);
      let offset = 0;
      return wanted.map(({ bytes }) => {
        const copy = staging.getMappedRange(offset, bytes).slice(0);
        offset += bytes;
        return copy;
      });
    } finally {
      staging.destroy();
    }
  }

  /** Encodes and submits; copies follow the dispatches into `staging`, one behind the other. */
  submit(
    dispatches: readonly Dispatch[],
    copies: readonly { from: GPUBuffer; bytes: number }[] = [],
    staging?: GPUBuffer,
  ): void {
    const { device } = this.gpu;
    const encoder = encoded(device, dispatches);
    let offset = 0;
    for (const { from, bytes } of copies) {
      encoder.copyBufferToBuffer(from, 0, staging!, offset, bytes);
      offset += bytes;
    }
    device.queue.submit([encoder.finish()]);
  }

  async release(): Promise<void> {
    this.upload.release();
    for (const buffer of Object.values(this.scratch) as GPUBuffer[]) buffer.destroy();
    this.draw.release();
    this.paths.release();
    this.cache.destroy();
    this.gpu.device.destroy();
  }
}

import type { PackedTarget } from "../cpu/packTarget.ts";
import { RotaryTable } from "../cpu/rotary.ts";
import type { LogitsMode } from "../decoding/target.ts";
import { JakiroError } from "../errors.ts";
import type { Checkpoint, ModelConfig } from "../model/checkpoint.ts";
import type { GpuDevice } from "./device.ts";
import { GpuSequence } from "./gpuSequence.ts";
import { bind, type Dispatch, encode, type Kernel, KernelCompiler } from "./kernels.ts";
import {
  attentionBlock,
  blocksFormat,
  ForwardKernels,
  type InputFormat,
  inputAlignment,
  inputWords,
  type LinearShape,
} from "./targetKernels.ts";
import { type GpuEmbedding, type GpuMatrix, WeightUpload } from "./weightUpload.ts";

export interface GpuTargetOptions {
  /** Tokens of one sequence. */
  readonly capacity: number;
  /** Sequences whose keys and values have room at a time. */
  readonly sequences: number;
  readonly progress?: (done: number, total: number) => void;
}

/** Most rows of one forward: a chunk of a prompt. */
export const mostRows = 128;
/** Most rows that need logits in one forward. */
export const mostOutputs = 64;
/** 32-bit words of kernels/rows.wgsl's Row. */
export const rowWords = 8;

interface GpuLayer {
  readonly attentionNorm: GPUBuffer;
  readonly qkv: GpuMatrix;
  readonly o: GpuMatrix;
  readonly mlpNorm: GPUBuffer;
  readonly gateUp: GpuMatrix;
  readonly down: GpuMatrix;
  readonly place: GPUBuffer;
}

interface GpuWeights {
  readonly layers: readonly GpuLayer[];
  readonly embedding: GpuEmbedding;
  readonly outputNorm: GPUBuffer;
  readonly lmHead: GpuMatrix;
}

/** Buffers that every forward uses again. */
interface Scratch {
  readonly rows: GPUBuffer; // [mostRows] Row
  readonly paths: GPUBuffer; // [mostOutputs * mostOutputs] slots
  readonly picks: GPUBuffer; // [mostOutputs] rows that need logits
  readonly hidden: GPUBuffer; // [mostRows, hidden] residual stream
  readonly input: GPUBuffer; // [mostRows] input of qkv, gateUp and the LM head
  readonly queries: GPUBuffer; // [mostRows, heads * headDim]
  readonly partial: GPUBuffer; // [mostRows, heads, blocks, headDim + 2]
  readonly mixed: GPUBuffer; // [mostRows] input of o
  readonly gated: GPUBuffer; // [mostRows] input of down
  readonly features: GPUBuffer; // [mostRows, hidden] after the final norm
  readonly logits: GPUBuffer; // [mostOutputs, vocabulary]
  readonly chosen: GPUBuffer; // [mostOutputs] u32
  readonly moves: GPUBuffer; // [mostOutputs] (source, destination)
  readonly moveCount: GPUBuffer;
}

/** The target model on a GPU: weights, keys and values, and the kernels of a forward. */
export class GpuTarget {
  private freeRegions: number[];
  /** Forwards share the scratch buffers: one at a time. */
  private turn: Promise<unknown> = Promise.resolve();

  private constructor(
    readonly gpu: GpuDevice,
    readonly checkpoint: Checkpoint,
    readonly options: GpuTargetOptions,
    private readonly upload: WeightUpload,
    private readonly weights: GpuWeights,
    private readonly kernels: ForwardKernels,
    readonly scratch: Scratch,
    readonly cache: GPUBuffer,
    private readonly rotary: GPUBuffer,
    private readonly compact: Kernel,
    /** Slots of a sequence: its capacity, and the tree that is being verified. */
    readonly regionSlots: number,
  ) {
    this.freeRegions = Array.from({ length: options.sequences }, (_, i) => i * regionSlots).reverse();
  }

  /** Uploads the packed weights. Throws JakiroError("model") with the numbers where they do not fit. */
  static async load(
    gpu: GpuDevice,
    checkpoint: Checkpoint,
    packed: PackedTarget,
    options: GpuTargetOptions,
  ): Promise<GpuTarget> {
    const { device } = gpu;
    const { config } = checkpoint;
    const quantize = packed.format !== "float32";
    const regionSlots = options.capacity + mostOutputs;
    const slots = regionSlots * options.sequences;
    const blocks = Math.ceil(regionSlots / attentionBlock);
    const { heads, kvHeads, headDim } = config;
    const kernels = new ForwardKernels(
      new KernelCompiler(device),
      { heads, kvHeads, headDim, slots, blocks },
      quantize,
    );
    const upload = new WeightUpload(device, packed.directory);
    device.pushErrorScope("out-of-memory");
    device.pushErrorScope("validation");
    try {
      const weights = await uploadWeights(upload, checkpoint, packed, options.progress);
      const scratch = makeScratch(device, config, quantize, blocks);
      const cache = storage(device, "kv cache", config.layers * 2 * slots * kvHeads * headDim);
      const rotary = upload.filled("rotary", rotaryPairs(config, regionSlots));
      const compact = await kernels.compact();
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
        compact,
        regionSlots,
      );
    } finally {
      upload.close();
      const invalid = await device.popErrorScope();
      const exhausted = await device.popErrorScope();
      const failure = exhausted ?? invalid;
      if (failure !== null) {
        upload.release();
        // biome-ignore lint/correctness/noUnsafeFinally: a target whose buffers are invalid must not be returned
        throw new JakiroError(
          "model",
          `The model does not fit into the memory of ${gpu.name} (${failure.message}); use --device cpu.`,
        );
      }
    }
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

  /** Runs `work` once no other forward uses the scratch buffers. */
  exclusively<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.turn.then(work);
    this.turn = result.catch(() => undefined);
    return result;
  }

  /** Compiles what a forward of so many rows needs, so that the first one does not wait. */
  async prepare(rows: number): Promise<void> {
    await this.plan(rows, Math.min(rows, mostOutputs), "argmax", rows);
  }

  /**
   * The dispatches of a forward over `rows` rows of the row buffer, whose longest sequence ends at `longest` positions.
   * With mode "none" they end with the features.
   */
  async plan(rows: number, outputs: number, mode: LogitsMode, longest: number): Promise<Dispatch[]> {
    const { tile, count } = this.kernels.tiling(rows);
    const dispatches: Dispatch[] = [];
    const groups = Math.ceil(longest / attentionBlock);
    const add = async (
      kernel: Promise<Kernel>,
      buffers: readonly GPUBuffer[],
      ...workgroups: [number, number?, number?]
    ) => {
      const ready = await kernel;
      dispatches.push({ kernel: ready, bindings: this.bindings(ready, buffers), workgroups });
    };
    const { scratch, weights, kernels, cache, rotary } = this;
    const { config } = this;
    const { table, scales, blocks } = weights.embedding;
    const { hidden } = config;
    await add(kernels.embed(hidden, blocks), [scratch.rows, table, scales, scratch.hidden], rows);
    const norm = kernels.norm(hidden, config.rmsEpsilon);
    for (const layer of weights.layers) {
      const [qkv, o, gateUp, down] = [
        shapeOf(layer.qkv),
        shapeOf(layer.o),
        shapeOf(layer.gateUp),
        this.downShape(layer.down),
      ];
      await add(norm, [scratch.hidden, layer.attentionNorm, scratch.picks, scratch.input, scratch.features], rows);
      await add(
        kernels.qkv(qkv, tile),
        [
          scratch.input,
          layer.qkv.weights,
          layer.qkv.columns,
          scratch.queries,
          cache,
          scratch.rows,
          rotary,
          layer.place,
        ],
        config.heads + 2 * config.kvHeads,
        count,
      );
      await add(
        kernels.attention(),
        [scratch.queries, cache, scratch.rows, scratch.paths, scratch.partial, layer.place],
        groups,
        config.kvHeads,
        rows,
      );
      await add(kernels.merge(), [scratch.partial, scratch.rows, scratch.mixed], rows);
      await add(
        kernels.linear(o, tile, true),
        [scratch.mixed, layer.o.weights, layer.o.columns, scratch.hidden],
        kernels.linearGroups(o),
        count,
      );
      await add(norm, [scratch.hidden, layer.mlpNorm, scratch.picks, scratch.input, scratch.features], rows);
      await add(
        kernels.gated(gateUp, tile),
        [scratch.input, layer.gateUp.weights, layer.gateUp.columns, scratch.gated],
        kernels.gatedGroups(gateUp),
        count,
      );
      await add(
        kernels.linear(down, tile, true),
        [scratch.gated, layer.down.weights, layer.down.columns, scratch.hidden],
        kernels.linearGroups(down),
        count,
      );
    }
    const finalBuffers = [scratch.hidden, weights.outputNorm, scratch.picks, scratch.input, scratch.features];
    await add(kernels.norm(hidden, config.rmsEpsilon, { keep: true }), finalBuffers, rows);
    if (mode === "none") return dispatches;
    // Rows that need logits are normalized once more, side by side.
    if (outputs !== rows) await add(kernels.norm(hidden, config.rmsEpsilon, { pick: true }), finalBuffers, outputs);
    const lmHead = shapeOf(weights.lmHead);
    const { tile: outputTile, count: outputTiles } = kernels.tiling(outputs);
    await add(
      kernels.linear(lmHead, outputTile, false),
      [scratch.input, weights.lmHead.weights, weights.lmHead.columns, scratch.logits],
      kernels.linearGroups(lmHead),
      outputTiles,
    );
    if (mode === "argmax") await add(kernels.argmax(config.vocabulary), [scratch.logits, scratch.chosen], outputs);
    return dispatches;
  }

  /** Moves keys and values of accepted rows, [source slot, destination slot] with rising sources, behind all that was submitted. */
  move(moves: readonly (readonly [number, number])[]): void {
    const { compact, cache, scratch } = this;
    const { device } = this.gpu;
    const { layers, kvHeads, headDim } = this.config;
    device.queue.writeBuffer(scratch.moves, 0, Uint32Array.from(moves.flat()));
    device.queue.writeBuffer(scratch.moveCount, 0, Uint32Array.of(moves.length, 0, 0, 0));
    const bindings = this.bindings(compact, [scratch.moves, cache, scratch.moveCount]);
    const workgroups = [Math.ceil((kvHeads * headDim) / 64), layers * 2] as const;
    this.submit([{ kernel: compact, bindings, workgroups }]);
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

  private submit(
    dispatches: readonly Dispatch[],
    copies: readonly { from: GPUBuffer; bytes: number }[] = [],
    staging?: GPUBuffer,
  ): void {
    const { device } = this.gpu;
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    encode(pass, dispatches);
    pass.end();
    let offset = 0;
    for (const { from, bytes } of copies) {
      encoder.copyBufferToBuffer(from, 0, staging!, offset, bytes);
      offset += bytes;
    }
    device.queue.submit([encoder.finish()]);
  }

  release(): void {
    this.upload.release();
    for (const buffer of Object.values(this.scratch) as GPUBuffer[]) buffer.destroy();
    this.cache.destroy();
    this.gpu.device.destroy();
  }

  private readonly bindGroups = new Map<string, GPUBindGroup>();
  private readonly bufferNumbers = new Map<GPUBuffer, number>();

  /** Bind groups are made once for each kernel and list of buffers. */
  private bindings(kernel: Kernel, buffers: readonly GPUBuffer[]): GPUBindGroup {
    const numbers = buffers.map((buffer) => {
      const known = this.bufferNumbers.get(buffer) ?? this.bufferNumbers.size;
      this.bufferNumbers.set(buffer, known);
      return known;
    });
    const key = `${kernel.name} ${numbers.join()}`;
    let group = this.bindGroups.get(key);
    if (group === undefined) {
      group = bind(this.gpu.device, kernel, buffers);
      this.bindGroups.set(key, group);
    }
    return group;
  }

  private downShape({ inputs, outputs, format }: GpuMatrix): LinearShape {
    return { inputs, outputs, format: blocksFormat(format) };
  }
}

function shapeOf({ inputs, outputs, format }: GpuMatrix): LinearShape {
  return { inputs, outputs, format };
}

async function uploadWeights(
  upload: WeightUpload,
  checkpoint: Checkpoint,
  packed: PackedTarget,
  progress: GpuTargetOptions["progress"],
): Promise<GpuWeights> {
  const { hidden, layers } = checkpoint.config;
  const quantize = packed.format !== "float32";
  const format: InputFormat = quantize ? "int8" : "float32";
  const alignment = inputAlignment[format];
  const blockAlignment = inputAlignment[quantize ? "int8-blocks" : "float32"];
  const uploaded: GpuLayer[] = [];
  for (const [index, layer] of packed.weights.layers.entries()) {
    progress?.(index, layers + 2);
    uploaded.push({
      attentionNorm: upload.gains(layer.attentionNorm, undefined, hidden),
      qkv: await upload.matrix(layer.qkv, alignment, layer.qkvBias),
      o: await upload.matrix(layer.o, alignment),
      mlpNorm: upload.gains(layer.mlpNorm, undefined, hidden),
      gateUp: await upload.matrix(layer.gateUp, alignment),
      down: await upload.matrix(layer.down, blockAlignment),
      place: upload.uniform(`layer ${index}`, [index]),
    });
  }
  progress?.(layers, layers + 2);
  const embedding = await upload.embedding(checkpoint, quantize);
  progress?.(layers + 1, layers + 2);
  const { outputNorm, unsmooth, lmHead } = packed.weights;
  const weights = {
    layers: uploaded,
    embedding,
    outputNorm: upload.gains(outputNorm, unsmooth, hidden),
    lmHead: await upload.matrix(lmHead, alignment),
  };
  progress?.(layers + 2, layers + 2);
  return weights;
}

function makeScratch(device: GPUDevice, config: ModelConfig, quantize: boolean, blocks: number): Scratch {
  const { hidden, heads, headDim, intermediate, vocabulary } = config;
  const width = heads * headDim;
  const format: InputFormat = quantize ? "int8" : "float32";
  const words = (name: string, count: number) => storage(device, name, count);
  return {
    rows: words("rows", mostRows * rowWords),
    paths: words("paths", mostOutputs * mostOutputs),
    picks: words("picks", mostOutputs),
    hidden: words("hidden", mostRows * hidden),
    input: words("input", mostRows * inputWords(format, hidden)),
    queries: words("queries", mostRows * width),
    partial: words("partial", mostRows * heads * blocks * (headDim + 2)),
    mixed: words("mixed", mostRows * inputWords(format, width)),
    gated: words("gated", mostRows * inputWords(quantize ? "int8-blocks" : "float32", intermediate)),
    features: words("features", mostRows * hidden),
    logits: words("logits", mostOutputs * vocabulary),
    chosen: words("chosen", mostOutputs),
    moves: words("moves", mostOutputs * 2),
    moveCount: device.createBuffer({ size: 16, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST }),
  };
}

function storage(device: GPUDevice, label: string, words: number): GPUBuffer {
  const { STORAGE, COPY_DST, COPY_SRC } = GPUBufferUsage;
  return device.createBuffer({ label, size: words * 4, usage: STORAGE | COPY_DST | COPY_SRC });
}

/** [positions, headDim / 2] (cosine, sine). */
function rotaryPairs({ rope, headDim }: ModelConfig, positions: number): Float32Array<ArrayBuffer> {
  const { cos, sin } = new RotaryTable(rope, headDim).rows(Array.from({ length: positions }, (_, i) => i));
  const pairs = new Float32Array(cos.length * 2);
  for (let i = 0; i < cos.length; i++) {
    pairs[2 * i] = cos[i]!;
    pairs[2 * i + 1] = sin[i]!;
  }
  return pairs;
}

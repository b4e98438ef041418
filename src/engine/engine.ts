import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import calibrationText from "../../models/calibration.txt";
import { chooseTemplate, type FimTemplate } from "./completion/fimTemplates.ts";
import { decodingThreads } from "./cpu/cores.ts";
import type { WeightFormat } from "./cpu/packMatrix.ts";
import { type PackedTarget, packTarget } from "./cpu/packTarget.ts";
import { decodeSmoothing } from "./cpu/smoothingFile.ts";
import type { MeasuredCosts } from "./decoding/costModel.ts";
import { ladderOf } from "./decoding/ladder.ts";
import type { Method } from "./decoding/method.ts";
import type { TreeSizes } from "./decoding/strategy.ts";
import type { TargetSequence } from "./decoding/target.ts";
import { DecodingSession } from "./decodingSession.ts";
import { JakiroError } from "./errors.ts";
import type { Profiler } from "./gpu/profile.ts";
import type { CacheFormat } from "./gpu/targetKernels.ts";
import { findHeads } from "./heads.ts";
import { type GpuAccess, loadersOf } from "./loaders.ts";
import { catalogue, packageRoot } from "./model/catalogue.ts";
import type { Checkpoint } from "./model/checkpoint.ts";
import { type HeadKind, headKinds } from "./model/headKinds.ts";
import { modelPath } from "./model/installed.ts";
import { loadTokenizer, openCheckpoint } from "./model/open.ts";
import { cacheDirectory } from "./model/paths.ts";
import type { Tokenizer } from "./model/tokenizer.ts";
import { type DeviceChoice, Placement } from "./placement.ts";
import { type ProgressListener, preparingStage } from "./progress.ts";
import { SuffixBudget } from "./suffixBudget.ts";

export interface EngineOptions {
  /** A GGUF file or a safetensors directory. */
  readonly path: string;
  /** A head's folder, "none", or the heads that ship with the model (default). */
  readonly head?: string;
  readonly format?: WeightFormat;
  /** How a GPU keeps keys and values; float32 where absent. The processor keeps them in float32. */
  readonly kv?: CacheFormat;
  /** The processor where absent. */
  readonly device?: DeviceChoice;
  /** Part of the name of the GPU to use; where absent, the best one that is none in software. */
  readonly adapter?: string;
  readonly threads?: number;
  /** Longest context, in tokens; the model's own limit and the GPU's apply as well. */
  readonly capacity?: number;
  /** Most sessions at a time: a GPU makes room for so many. */
  readonly sessions?: number;
  /** Most texts that alternatives have at a time beside those of the sessions, where the GPU's memory allows. */
  readonly forks?: number;
  readonly progress?: ProgressListener;
  /** Told in one sentence what a user should know though nothing failed. */
  readonly onNote?: (note: string) => void;
  /** Called whenever the model has moved to another device. */
  readonly onMove?: () => void;
  /** Ends the loading with the signal's reason, between two layers where the model is being packed. */
  readonly signal?: AbortSignal;
  /** How GPUs are come by, where not from the system. */
  readonly gpuAccess?: GpuAccess;
  /** Milliseconds from any fixed moment on, for the wait until a lost GPU is tried again. */
  readonly now?: () => number;
}

/** Keys and values take 49 KB a token for the default model: 200 MB at this length. */
const defaultCapacity = 4096;
const defaultSessions = 3;

/** A loaded model with all that decodes from it. One engine serves any number of decoding sessions, one forward at a time. */
export class Engine {
  private readonly suffixBudget: SuffixBudget;

  private constructor(
    readonly checkpoint: Checkpoint,
    /** SHA-256 of the files that hold the weights, hexadecimal. */
    readonly contentHash: string,
    readonly tokenizer: Tokenizer,
    /** The model's infilling format; undefined where it can only go on from the prefix. */
    readonly template: FimTemplate | undefined,
    /** Catalogue name, or the path as given. */
    readonly modelName: string,
    private readonly placement: Placement,
    readonly headKinds: readonly HeadKind[],
    readonly loadMs: number,
  ) {
    this.suffixBudget = new SuffixBudget(placement.current.verifyCosts);
  }

  /** Throws JakiroError("model") for a model that cannot be used, and where the GPU must be used and cannot. */
  static async load(options: EngineOptions): Promise<Engine> {
    const checkpoint = openCheckpoint(options.path);
    try {
      return await Engine.loadFrom(checkpoint, options);
    } catch (error) {
      checkpoint.close();
      throw error;
    }
  }

  private static async loadFrom(checkpoint: Checkpoint, options: EngineOptions): Promise<Engine> {
    const start = performance.now();
    const { onNote = () => undefined, onMove, signal, now } = options;
    const { threads = decodingThreads(), capacity = defaultCapacity, sessions = defaultSessions, forks = 0 } = options;
    const tokenizer = loadTokenizer(options.path);
    if (tokenizer.vocabulary > checkpoint.config.vocabulary) {
      throw new JakiroError(
        "model",
        `${options.path} has ${tokenizer.vocabulary} vocabulary entries but embeddings for ${checkpoint.config.vocabulary}; fetch or convert it again.`,
      );
    }
    const hash = await checkpoint.contentHash({ signal, onProgress: options.progress });
    const known = catalogue.find((model) => model.sha256 === hash);
    if (known === undefined) refuseDamaged(options.path);
    const modelName = known?.name ?? options.path;
    const folders = findHeads(options.head, known, checkpoint);
    const smoothing = known === undefined ? undefined : join(packageRoot(), known.heads, "smoothing.safetensors");
    const format = options.format ?? "int8";
    if (format === "int4") onNote("4-bit weights: half the memory, but the model writes less well than with 8 bits.");
    let packed: Promise<PackedTarget> | undefined;
    const loaders = loadersOf({
      checkpoint,
      // A GPU that cannot be used is to be refused before the model was packed for it.
      packed: () => (packed ??= pack(checkpoint, tokenizer, format, smoothing, threads, options)),
      format,
      cacheFormat: options.kv ?? "float32",
      threads,
      room: { capacity: Math.min(capacity, checkpoint.config.contextLength), sequences: sessions, forks },
      folders,
      modelName,
      root: packedDirectory(),
      onNote,
      adapter: options.adapter,
      searchAnew: options.device === "gpu" || options.adapter !== undefined,
      gpuAccess: options.gpuAccess,
      progress: options.progress,
      signal,
    });
    const placement = await Placement.choose(options.device ?? "cpu", loaders, { onNote, onMove, signal, now });
    const { replacement, inexactness } = placement.current;
    if (replacement !== undefined) onNote(replacement);
    if (inexactness !== undefined) onNote(inexactness);
    if (options.kv === "float16" && placement.current.device === "cpu")
      onNote("Keys and values are float32 on the processor; float16 is for a GPU.");
    const template = chooseTemplate(tokenizer);
    const kinds = headKinds.filter((kind) => folders.has(kind));
    return new Engine(checkpoint, hash, tokenizer, template, modelName, placement, kinds, performance.now() - start);
  }

  /** Where the model runs at the moment. */
  get device(): "cpu" | "gpu" {
    return this.placement.current.device;
  }

  /** The GPU's name; undefined on the processor. */
  get adapter(): string | undefined {
    return this.placement.current.adapter;
  }

  /** Lanes of a subgroup that the GPU's kernels rely on, 0 where they use none; undefined on the processor. */
  get lanes(): number | undefined {
    return this.placement.current.lanes;
  }

  /** Rows of every tile of the GPU's products, where sizes disagree; undefined where they agree, and on the processor. */
  get tile(): number | undefined {
    return this.placement.current.tile;
  }

  /** Why something is float32 on the GPU that was to be float16, in one sentence; undefined where nothing is. */
  get replacement(): string | undefined {
    return this.placement.current.replacement;
  }

  /** Why it runs on the processor though a GPU would do as well, in one sentence. */
  get deviceReason(): string | undefined {
    return this.placement.reason;
  }

  /** Which device is the faster one, in one sentence; undefined where they were not compared. */
  get deviceComparison(): string | undefined {
    return this.placement.comparison;
  }

  /** Most tokens of one sequence, prompt included. */
  get capacity(): number {
    return this.placement.capacity;
  }

  /** Most tokens of a prompt after the cursor: what prefills take now leaves time for no more. */
  get suffixTokens(): number {
    return this.suffixBudget.tokens;
  }

  /** Milliseconds of a verification by rows, measured on the device it runs on. */
  get verifyCosts(): MeasuredCosts["verify"] {
    return this.placement.current.verifyCosts;
  }

  /** A sequence with its own KV cache that decodes by one method. Throws JakiroError("model") where the method's head is missing. */
  session(method: Method, sizes: TreeSizes = {}): Promise<DecodingSession> {
    const head = method === "auto" ? this.headKinds[0] : headKinds.find((kind) => kind === method);
    const onPrefillForward = (rows: number, milliseconds: number) => this.suffixBudget.observe(rows, milliseconds);
    return DecodingSession.open(this.placement, { method, sizes, head, onPrefillForward });
  }

  /** A sequence of the target alone, for teacher-forced logits. */
  sequence(capacity: number): TargetSequence {
    return this.placement.current.target.sequence(capacity);
  }

  /** Milliseconds of a round's first draft forward and of each later one, as measured on the device that drafts. */
  async draftCosts(kind: HeadKind): Promise<readonly number[]> {
    const { decoding, heads } = this.placement.current;
    if (decoding === undefined) return (await heads.get(kind)).costs;
    const sequence = await decoding.open(kind, ladderOf("auto", kind, {}));
    sequence.release();
    return sequence.draftCosts;
  }

  /** Tells where the GPU's time goes, kernel by kernel; undefined on the processor. */
  get profiler(): Profiler | undefined {
    return this.placement.current.profiler;
  }

  async release(): Promise<void> {
    await this.placement.releaseAll();
    this.checkpoint.close();
  }
}

export function packedDirectory(): string {
  return join(cacheDirectory(), "packed");
}

/** @param smoothing file of the divisors that ship with the model; undefined for other models */
async function pack(
  checkpoint: Checkpoint,
  tokenizer: Tokenizer,
  format: WeightFormat,
  smoothing: string | undefined,
  threads: number,
  { progress, signal }: EngineOptions,
): Promise<PackedTarget> {
  const packed = await packTarget({
    checkpoint,
    format,
    root: packedDirectory(),
    ...(smoothing !== undefined && existsSync(smoothing) ? { smoothing: decodeSmoothing(smoothing) } : {}),
    calibrationTokens: tokenizer.encode(calibrationText),
    threads,
    progress: (done, total) => {
      signal?.throwIfAborted();
      progress?.({ stage: preparingStage, done, total, unit: "items" });
    },
  });
  signal?.throwIfAborted();
  return packed;
}

/** A file in the place of a catalogue model that is another one would run without its head, and nobody would know why. */
function refuseDamaged(path: string): void {
  const expected = catalogue.find((model) => resolve(modelPath(model)) === resolve(path));
  if (expected === undefined) return;
  const { name } = expected;
  const sentence = `${path} is not ${name} as it was published: it is damaged, or another program has changed it`;
  throw new JakiroError("model", `${sentence}; remove it (jakiro models remove ${name}) and get it again.`, {
    inEditor: `${sentence}; remove it under Manage Models and choose it again.`,
    remedy: "files",
  });
}

import { existsSync } from "node:fs";
import { join } from "node:path";
import calibrationText from "../../models/calibration.txt";
import { chooseTemplate, type FimTemplate } from "./completion/fimTemplates.ts";
import { decodingThreads } from "./cpu/cores.ts";
import { CpuHead } from "./cpu/cpuHead.ts";
import { CpuTarget } from "./cpu/cpuTarget.ts";
import { packHead } from "./cpu/packHead.ts";
import type { WeightFormat } from "./cpu/packMatrix.ts";
import { packTarget } from "./cpu/packTarget.ts";
import { decodeSmoothing } from "./cpu/smoothingFile.ts";
import { CostModel, type MeasuredCosts } from "./decoding/costModel.ts";
import { type DecodeRequest, type DecodeResult, decode, type PrefillRequest, prefill } from "./decoding/decoder.ts";
import type { DraftHead } from "./decoding/draftHead.ts";
import type { Method } from "./decoding/method.ts";
import { Strategy, type TreeSizes } from "./decoding/strategy.ts";
import type { TargetSequence } from "./decoding/target.ts";
import { JakiroError } from "./errors.ts";
import { measureDraft, measuredCosts, measureVerification } from "./measure.ts";
import { type CatalogueModel, catalogue, packageRoot, shippedHeads } from "./model/catalogue.ts";
import type { Checkpoint } from "./model/checkpoint.ts";
import { HeadFile } from "./model/headFile.ts";
import { type HeadKind, headKinds } from "./model/headKinds.ts";
import { loadTokenizer, openCheckpoint } from "./model/open.ts";
import { cacheDirectory } from "./model/paths.ts";
import type { Tokenizer } from "./model/tokenizer.ts";
import type { ProgressListener } from "./progress.ts";
import { SuffixBudget } from "./suffixBudget.ts";

export interface EngineOptions {
  /** A GGUF file or a safetensors directory. */
  readonly path: string;
  /** A head's folder, "none", or the heads that ship with the model (default). */
  readonly head?: string;
  readonly format?: WeightFormat;
  readonly threads?: number;
  /** Longest context, in tokens; the model's own limit applies as well. */
  readonly capacity?: number;
  readonly progress?: ProgressListener;
  /** Told in one sentence what a user should know though nothing failed. */
  readonly onNote?: (note: string) => void;
  /** Ends the loading with the signal's reason, between two layers where the model is being packed. */
  readonly signal?: AbortSignal;
}

/** Keys and values take 49 KB a token for the default model: 200 MB at this length. */
const defaultCapacity = 4096;

/** A loaded model with all that decodes from it. One engine serves any number of decoding sessions, one forward at a time. */
export class Engine {
  private readonly heads = new Map<HeadKind, Promise<{ shared: CpuHead; draft: readonly number[] }>>();
  private readonly suffixBudget: SuffixBudget;

  private constructor(
    readonly options: EngineOptions,
    readonly checkpoint: Checkpoint,
    readonly tokenizer: Tokenizer,
    /** The model's infilling format; undefined where it can only go on from the prefix. */
    readonly template: FimTemplate | undefined,
    /** Catalogue name, or the path as given. */
    readonly modelName: string,
    private readonly target: CpuTarget,
    private readonly headFolders: ReadonlyMap<HeadKind, string>,
    /** Milliseconds of a verification by rows, measured at load. */
    readonly verifyCosts: MeasuredCosts["verify"],
    readonly loadMs: number,
  ) {
    this.suffixBudget = new SuffixBudget(verifyCosts);
  }

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
    const threads = options.threads ?? decodingThreads();
    const tokenizer = loadTokenizer(options.path);
    const hash = await checkpoint.contentHash();
    const known = catalogue.find((model) => model.sha256 === hash);
    const headsRoot = known === undefined ? undefined : join(packageRoot(), known.heads);
    const headFolders = findHeads(options.head, known, checkpoint);
    const smoothingPath = headsRoot === undefined ? undefined : join(headsRoot, "smoothing.safetensors");
    const format = options.format ?? "int8";
    if (format === "int4")
      options.onNote?.("4-bit weights: half the memory, but the model writes less well than with 8 bits.");
    const packed = await packTarget({
      checkpoint,
      format,
      root: packedDirectory(),
      ...(smoothingPath !== undefined && existsSync(smoothingPath)
        ? { smoothing: decodeSmoothing(smoothingPath) }
        : {}),
      calibrationTokens: tokenizer.encode(calibrationText),
      threads,
      progress: (done, total) => {
        options.signal?.throwIfAborted();
        options.progress?.({ stage: "Preparing the model", done, total, unit: "items" });
      },
    });
    options.signal?.throwIfAborted();
    const target = await CpuTarget.load(checkpoint, packed, threads);
    const verifyCosts = await measure(target, options);
    const name = known?.name ?? options.path;
    const loadMs = performance.now() - start;
    const template = chooseTemplate(tokenizer);
    return new Engine(options, checkpoint, tokenizer, template, name, target, headFolders, verifyCosts, loadMs);
  }

  get device(): "cpu" {
    return "cpu";
  }

  /** Most tokens of one sequence, prompt included. */
  get capacity(): number {
    return Math.min(this.options.capacity ?? defaultCapacity, this.checkpoint.config.contextLength);
  }

  /** Most tokens of a prompt after the cursor: what prefills take now leaves time for no more. */
  get suffixTokens(): number {
    return this.suffixBudget.tokens;
  }

  get headKinds(): readonly HeadKind[] {
    return headKinds.filter((kind) => this.headFolders.has(kind));
  }

  /** A sequence with its own KV cache that decodes by one method. Throws JakiroError("model") where the method's head is missing. */
  async session(method: Method, sizes: TreeSizes = {}): Promise<DecodingSession> {
    const kind = method === "auto" ? this.headKinds[0] : headOf(method);
    const loaded = kind === undefined ? undefined : await this.head(kind);
    const head: DraftHead | undefined = loaded?.shared.sequence();
    const sequence = this.target.sequence(this.capacity);
    const cost = () => new CostModel(measuredCosts(this.verifyCosts, loaded?.draft ?? []));
    return new DecodingSession(
      sequence,
      () => new Strategy({ method, cost: cost(), sizes, head }),
      (rows, ms) => this.suffixBudget.observe(rows, ms),
    );
  }

  /** A sequence of the target alone, for teacher-forced logits. */
  sequence(capacity: number): TargetSequence {
    return this.target.sequence(capacity);
  }

  /** Milliseconds of a round's first draft forward and of each later one, measured when the head was loaded. */
  async draftCosts(kind: HeadKind): Promise<readonly number[]> {
    return (await this.head(kind)).draft;
  }

  async release(): Promise<void> {
    await this.target.release();
    for (const head of this.heads.values()) await (await head).shared.release();
    this.checkpoint.close();
  }

  private head(kind: HeadKind): Promise<{ shared: CpuHead; draft: readonly number[] }> {
    const known = this.heads.get(kind);
    if (known !== undefined) return known;
    const loading = this.loadHead(kind);
    this.heads.set(kind, loading);
    loading.catch(() => this.heads.delete(kind));
    return loading;
  }

  private async loadHead(kind: HeadKind): Promise<{ shared: CpuHead; draft: readonly number[] }> {
    const folder = this.headFolders.get(kind);
    if (folder === undefined) {
      throw new JakiroError(
        "model",
        `There is no ${kind} head for ${this.modelName}; name one with --head, or choose another method.`,
      );
    }
    const file = HeadFile.open(folder, this.checkpoint.config);
    const { packed: target, featureSmoothing } = this.target;
    const { targetHash = target.source, smoothingHash = target.smoothingHash } = file.config;
    if (targetHash !== target.source || smoothingHash !== target.smoothingHash) {
      this.options.onNote?.(
        `The ${kind} head ${folder} was trained on other weights: it will draft less well, not wrongly.`,
      );
    }
    const packed = await packHead({
      file,
      checkpoint: this.checkpoint,
      target,
      featureSmoothing,
      format: "int8",
      root: packedDirectory(),
    });
    const shared = await CpuHead.load(packed, this.target, this.options.threads ?? decodingThreads());
    return { shared, draft: await measureDraft(shared.sequence()) };
  }
}

/** One text being decoded, again and again with changes: what its KV cache already holds is not computed anew. */
export class DecodingSession {
  private strategy: Strategy;

  constructor(
    private readonly sequence: TargetSequence,
    private readonly makeStrategy: () => Strategy,
    private readonly onPrefillForward: Required<PrefillRequest>["onPrefillForward"],
  ) {
    this.strategy = makeStrategy();
  }

  get capacity(): number {
    return this.sequence.capacity;
  }

  /** What the KV cache holds. */
  get tokens(): readonly number[] {
    return this.sequence.tokens;
  }

  decode(request: DecodeRequest): Promise<DecodeResult> {
    return decode(this.sequence, this.strategy, { onPrefillForward: this.onPrefillForward, ...request });
  }

  /** Reads a prompt into the KV cache; ended by its signal, it keeps what was read until then. */
  prefill(request: PrefillRequest): Promise<void> {
    return prefill(this.sequence, this.strategy, { onPrefillForward: this.onPrefillForward, ...request });
  }

  /** Forgets KV cache, draft history, acceptance statistics and observed costs, as if newly made. */
  reset(): void {
    this.sequence.trim(0);
    this.strategy.reset();
    this.strategy = this.makeStrategy();
  }
}

export function packedDirectory(): string {
  return join(cacheDirectory(), "packed");
}

/** Times the target on this machine; one that is given up is released. */
async function measure(target: CpuTarget, { capacity, signal }: EngineOptions): Promise<MeasuredCosts["verify"]> {
  try {
    return await measureVerification(target.sequence(capacity ?? defaultCapacity), signal);
  } catch (error) {
    await target.release();
    throw error;
  }
}

function headOf(method: Method): HeadKind | undefined {
  return headKinds.find((kind) => kind === method);
}

/** Folders of the heads to use, by kind. */
function findHeads(
  choice: string | undefined,
  known: CatalogueModel | undefined,
  checkpoint: Checkpoint,
): ReadonlyMap<HeadKind, string> {
  if (choice === "none") return new Map();
  if (choice !== undefined) return new Map([[HeadFile.open(choice, checkpoint.config).config.kind, choice]]);
  if (known === undefined) return new Map();
  return new Map(shippedHeads(known).map((kind) => [kind, join(packageRoot(), known.heads, kind)]));
}

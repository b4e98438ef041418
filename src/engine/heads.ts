import { join } from "node:path";
import { CpuHead } from "./cpu/cpuHead.ts";
import { EmbeddingTable } from "./cpu/embeddingTable.ts";
import { packHead } from "./cpu/packHead.ts";
import { featureSmoothing, type PackedTarget } from "./cpu/packTarget.ts";
import { RotaryTable } from "./cpu/rotary.ts";
import type { DraftHead } from "./decoding/draftHead.ts";
import { JakiroError } from "./errors.ts";
import { measureDraft } from "./measure.ts";
import { type CatalogueModel, packageRoot, shippedHeads } from "./model/catalogue.ts";
import type { Checkpoint } from "./model/checkpoint.ts";
import { HeadFile } from "./model/headFile.ts";
import type { HeadKind } from "./model/headKinds.ts";

/** A head on a device. */
export interface LoadedHead {
  /** The head with keys and values of its own. */
  sequence(): DraftHead;
  /** Milliseconds of a round's first draft forward and of each later one, as measured. */
  readonly costs: readonly number[];
  release(): Promise<void>;
}

/** What heads are loaded from. */
export interface HeadSources {
  /** Folders of the heads to use, by kind. */
  readonly folders: ReadonlyMap<HeadKind, string>;
  readonly modelName: string;
  readonly checkpoint: Checkpoint;
  /** The target's pack, made when it is first asked for. */
  packed(): Promise<PackedTarget>;
  /** Folder that holds packed models. */
  readonly root: string;
  readonly threads: number;
  readonly onNote?: ((note: string) => void) | undefined;
}

/** The heads of a model on one device, each loaded when it is first asked for. */
export class Heads {
  private readonly loaded = new Map<HeadKind, Promise<LoadedHead>>();

  constructor(private readonly load: (kind: HeadKind) => Promise<LoadedHead>) {}

  get(kind: HeadKind): Promise<LoadedHead> {
    const known = this.loaded.get(kind);
    if (known !== undefined) return known;
    const loading = this.load(kind);
    this.loaded.set(kind, loading);
    loading.catch(() => this.loaded.delete(kind));
    return loading;
  }

  async release(): Promise<void> {
    for (const head of this.loaded.values()) await (await head).release();
    this.loaded.clear();
  }
}

/**
 * Opens the head of a kind. Throws JakiroError("model") where there is none or it does not fit; one that was trained on other
 * weights is told of.
 */
export async function openHead(kind: HeadKind, sources: HeadSources): Promise<HeadFile> {
  const { folders, modelName, checkpoint, onNote } = sources;
  const folder = folders.get(kind);
  if (folder === undefined) {
    const sentence = `There is no ${kind} head for ${modelName}`;
    throw new JakiroError("model", `${sentence}; name one with --head, or choose another method.`, {
      inEditor: `${sentence}; name one in jakiro.head.`,
      remedy: "head",
    });
  }
  const file = HeadFile.open(folder, checkpoint.config);
  const target = await sources.packed();
  const { targetHash = target.source, smoothingHash = target.smoothingHash } = file.config;
  if (targetHash !== target.source || smoothingHash !== target.smoothingHash) {
    onNote?.(`The ${kind} head ${folder} was trained on other weights: it will draft less well, not wrongly.`);
  }
  return file;
}

/**
 * Loads a head onto the processor. It drafts for a target on any device: features and tokens go by way of this process.
 * Throws JakiroError("model") where there is none of this kind or it does not fit.
 */
export async function loadCpuHead(kind: HeadKind, sources: HeadSources): Promise<LoadedHead> {
  const { checkpoint, root, threads } = sources;
  const file = await openHead(kind, sources);
  const target = await sources.packed();
  const packed = await packHead({
    file,
    checkpoint,
    target,
    featureSmoothing: featureSmoothing(target),
    format: "int8",
    root,
  });
  const { rope, headDim } = checkpoint.config;
  const embeddings = new EmbeddingTable(checkpoint);
  const surroundings = {
    rotary: new RotaryTable(rope, headDim),
    embed: (tokens: ArrayLike<number>) => embeddings.rows(tokens),
  };
  const head = await CpuHead.load(packed, surroundings, threads);
  return { sequence: () => head.sequence(), costs: await measureDraft(head.sequence()), release: () => head.release() };
}

/** Folders of the heads to use, by kind: the one that `choice` names, none for "none", else those that ship with the model. */
export function findHeads(
  choice: string | undefined,
  known: CatalogueModel | undefined,
  checkpoint: Checkpoint,
): ReadonlyMap<HeadKind, string> {
  if (choice === "none") return new Map();
  if (choice !== undefined) return new Map([[HeadFile.open(choice, checkpoint.config).config.kind, choice]]);
  if (known === undefined) return new Map();
  return new Map(shippedHeads(known).map((kind) => [kind, join(packageRoot(), known.heads, kind)]));
}

import { mkdir, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { JakiroError } from "../errors.ts";
import type { ProgressListener } from "../progress.ts";
import type { CatalogueModel } from "./catalogue.ts";
import { type DownloadLimits, defaultLimits, download, type Fetcher } from "./download.ts";
import { acquireLock } from "./fileLock.ts";
import { modelPath } from "./installed.ts";
import { type Adoption, adopt, copiesOfSize, type LocalPlace, localPlaces } from "./localFiles.ts";
import { PartFile, partPath, SourceFailure, WrongHash, writeFailure } from "./partFile.ts";
import { modelsDirectory } from "./paths.ts";
import { fileSize, verifyFile } from "./verify.ts";

/** Somewhere a model's bytes come from when no copy is on the machine. */
export interface ModelSource {
  readonly name: string;
  /** Disk it needs besides the file itself, in bytes. */
  readonly scratchBytes: number;
  /** Fills the part file; throws SourceFailure where it cannot. */
  fill(model: CatalogueModel, part: PartFile, signal: AbortSignal): Promise<void>;
}

export const huggingFaceEndpoint = "https://huggingface.co";

/** Hugging Face, or the mirror of it that HF_ENDPOINT names. */
export function huggingFace(
  limits: DownloadLimits = defaultLimits,
  endpoint: string = process.env["HF_ENDPOINT"] || huggingFaceEndpoint,
  fetcher: Fetcher = fetch,
): ModelSource {
  return {
    name: endpoint === huggingFaceEndpoint ? `Hugging Face (${endpoint})` : `the mirror ${endpoint}`,
    scratchBytes: 0,
    fill({ source: { repository, revision, file } }, part, signal) {
      const path = [...repository.split("/"), "resolve", revision, ...file.split("/")]
        .map(encodeURIComponent)
        .join("/");
      return download(`${endpoint.replace(/\/+$/, "")}/${path}`, part, signal, limits, fetcher);
    },
  };
}

export interface ObtainOptions {
  /** Asked in this order once no local copy was found. */
  readonly sources: readonly ModelSource[];
  readonly signal: AbortSignal;
  readonly onProgress?: ProgressListener | undefined;
  /** Sentences worth telling a user meanwhile. */
  readonly onNote?: ((note: string) => void) | undefined;
  readonly folder?: string | undefined;
  readonly places?: readonly LocalPlace[] | undefined;
  /** Ends the message where every source failed: what to do now. Defaults to the command line's words. */
  readonly advice?: string | undefined;
  /** Free bytes of the file system that holds a folder. */
  readonly freeBytes?: ((folder: string) => Promise<number>) | undefined;
}

export interface ObtainedModel {
  readonly path: string;
  readonly how: "present" | "adopted" | "downloaded";
  /** The place or source it came from, where it was not present. */
  readonly from: string | undefined;
}

/**
 * Sees to it that the model's file is in the model folder, whole and with the right hash: leaves it if it is, else takes a
 * copy that is already on the machine, else asks the sources. Safe to run from several processes at once. Throws one
 * JakiroError("io") that names everything tried, or the signal's reason; nothing but a resumable part file stays behind.
 */
export async function obtainModel(model: CatalogueModel, options: ObtainOptions): Promise<ObtainedModel> {
  const { signal } = options;
  const path = modelPath(model, options.folder ?? modelsDirectory());
  const present: ObtainedModel = { path, how: "present", from: undefined };
  try {
    const verdict = await verifyFile(path, model, options);
    if (verdict === "matches") return present;
    if (verdict !== "absent")
      options.onNote?.(`${path} is damaged (${verdict.replace("-", " ")}); it will be replaced.`);

    await mkdir(dirname(path), { recursive: true }).catch((error) => {
      throw writeFailure(error, dirname(path));
    });
    const lock = await acquireLock(`${path}.lock`, {
      signal,
      onWait: () => options.onNote?.(`Another process is fetching ${model.name}; waiting for it.`),
    });
    try {
      if ((await verifyFile(path, model, options)) === "matches") return present;
      return await fetchModel(model, path, options);
    } finally {
      await lock.release();
    }
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

async function fetchModel(model: CatalogueModel, path: string, options: ObtainOptions): Promise<ObtainedModel> {
  const places = options.places ?? localPlaces();
  const failures: string[] = [];
  for await (const copy of copiesOfSize(model, places, path)) {
    if ((await verifyFile(copy.path, model, options)) === "matches") {
      const way: Adoption = await adopt(copy.path, path);
      return { path, how: "adopted", from: `${copy.place} (${copy.path}, ${way})` };
    }
    failures.push(`${copy.path} has the right size but other bytes`);
  }
  if (places.length > 0) failures.unshift(`no copy in ${enumerate(places.map((place) => place.name))}`);

  for (const source of options.sources) {
    try {
      await fetchFrom(source, model, path, options);
      return { path, how: "downloaded", from: source.name };
    } catch (error) {
      if (!(error instanceof SourceFailure)) throw error;
      failures.push(`${source.name}: ${error.message}`);
    }
  }
  throw new JakiroError(
    "io",
    `${model.name} could not be fetched: ${failures.join("; ")}. ${options.advice ?? commandLineAdvice(model, path)}`,
  );
}

function commandLineAdvice({ name }: CatalogueModel, path: string): string {
  return `Check the network${proxyHint()} and run \`jakiro models get ${name}\` again, or put the file at ${path} yourself.`;
}

/** Asks one source. Bytes that an earlier run left may be what spoils the hash, so a resumed file is fetched once more. */
async function fetchFrom(
  source: ModelSource,
  model: CatalogueModel,
  path: string,
  options: ObtainOptions,
): Promise<void> {
  const resumed = (await fileSize(partPath(path))) !== undefined;
  try {
    await fillFrom(source, model, path, options);
  } catch (error) {
    if (!(resumed && error instanceof WrongHash)) throw error;
    options.onNote?.(`What an earlier run left of ${model.name} was damaged; fetching it from the start.`);
    await fillFrom(source, model, path, options);
  }
}

async function fillFrom(
  source: ModelSource,
  model: CatalogueModel,
  path: string,
  { signal, onProgress, freeBytes = freeBytesOf }: ObtainOptions,
): Promise<void> {
  const part = await PartFile.open(path, model, { stage: `Downloading ${model.name}`, signal, onProgress });
  try {
    const needed = part.missing + source.scratchBytes;
    const free = await freeBytes(dirname(path));
    if (part.missing > 0 && free < needed) {
      const folder = dirname(path);
      const sentence = `${model.name} needs ${megabytes(needed)} more in ${folder}, which has ${megabytes(free)} free`;
      throw new JakiroError(
        "io",
        `${sentence}; make room there, or set JAKIRO_MODELS_DIR to a folder on a larger disk.`,
        { inEditor: `${sentence}; make room there and try again.`, remedy: "files" },
      );
    }
    await source.fill(model, part, signal);
    await part.finish();
  } finally {
    await part.close();
  }
}

async function freeBytesOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`;
}

function enumerate(names: readonly string[]): string {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}

/** Node's fetch heeds proxy variables from 22.21 and 24 on, and only when told to. */
function proxyHint(): string {
  const { HTTPS_PROXY, https_proxy, NODE_USE_ENV_PROXY } = process.env;
  return (HTTPS_PROXY || https_proxy) && !NODE_USE_ENV_PROXY
    ? " (a proxy is set: Node 22.21 or newer uses it with NODE_USE_ENV_PROXY=1)"
    : "";
}

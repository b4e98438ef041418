import { constants } from "node:fs";
import { copyFile, link, readdir, readFile, realpath, rename, symlink, unlink } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { writeFailure } from "./partFile.ts";
import { cacheDirectory, modelsDirectory } from "./paths.ts";
import { type ExpectedContent, fileSize } from "./verify.ts";

/** A place where people already have models, and how to find a file of known size and hash in it. */
export interface LocalPlace {
  readonly name: string;
  readonly folders: readonly string[];
  /** Files that may be it, cheapest guess first; they need not exist. */
  candidates(folder: string, expected: ExpectedContent): AsyncIterable<string>;
  /** Every model file there, by the name under which that program knows it. */
  models(folder: string): AsyncIterable<NamedFile>;
}

export interface NamedFile {
  readonly path: string;
  readonly name: string;
}

/** Model folders are shallow (owner/repository/file); deeper trees and huge ones are not model folders. */
const maximalDepth = 4;
const maximalEntries = 20_000;

/** Every place to look in before anything is downloaded, in this order. */
export function localPlaces(
  env: Readonly<Record<string, string | undefined>> = process.env,
  home: string = homedir(),
): LocalPlace[] {
  const genericCache = env["XDG_CACHE_HOME"] || join(home, ".cache");
  const given = (...folders: (string | undefined)[]): string[] => [
    ...new Set(folders.filter((folder) => !!folder) as string[]),
  ];
  return [
    {
      name: "Jakiro's cache",
      folders: given(modelsDirectory(env), join(cacheDirectory(env), "models")),
      candidates: modelFilesBelow,
      models: namedFilesBelow,
    },
    {
      name: "the Hugging Face cache",
      folders: given(
        env["HF_HUB_CACHE"],
        env["HUGGINGFACE_HUB_CACHE"],
        env["HF_HOME"] && join(env["HF_HOME"], "hub"),
        join(genericCache, "huggingface", "hub"),
      ),
      candidates: hubBlobs,
      models: hubSnapshots,
    },
    {
      name: "LM Studio",
      folders: given(join(home, ".lmstudio", "models"), join(home, ".cache", "lm-studio", "models")),
      candidates: modelFilesBelow,
      models: namedFilesBelow,
    },
    {
      name: "llama.cpp's cache",
      folders: given(
        env["LLAMA_CACHE"],
        join(genericCache, "llama.cpp"),
        join(home, "Library", "Caches", "llama.cpp"),
        env["LOCALAPPDATA"] && join(env["LOCALAPPDATA"], "llama.cpp"),
      ),
      candidates: modelFilesBelow,
      models: namedFilesBelow,
    },
    {
      name: "Ollama",
      folders: given(env["OLLAMA_MODELS"], join(home, ".ollama", "models"), "/usr/share/ollama/.ollama/models"),
      candidates: ollamaBlobs,
      models: ollamaModels,
    },
  ];
}

/** Name of the place that `packagedModels` gives. */
export const packagePlace = "the Jakiro package";

/** Models inside an installation that was made for machines without internet. */
export function packagedModels(root: string): LocalPlace {
  return {
    name: packagePlace,
    folders: [join(root, "models", "bundled")],
    candidates: modelFilesBelow,
    models: namedFilesBelow,
  };
}

export interface FoundModel extends NamedFile {
  readonly place: string;
  readonly bytes: number;
}

/** Every model file in the places, each file once, with symbolic links resolved. */
export async function* foundModels(places: readonly LocalPlace[]): AsyncGenerator<FoundModel> {
  const seen = new Set<string>();
  for (const place of places) {
    for (const folder of place.folders) {
      for await (const file of place.models(folder)) {
        const bytes = await fileSize(file.path);
        if (bytes === undefined) continue;
        const path = await realpath(file.path);
        if (seen.has(path)) continue;
        seen.add(path);
        yield { path, name: file.name, place: place.name, bytes };
      }
    }
  }
}

export interface LocalCopy {
  /** With symbolic links resolved. */
  readonly path: string;
  readonly place: string;
}

/** Files of the right size in the places; whether they have the right bytes is the caller's to check. `except` is left out. */
export async function* copiesOfSize(
  expected: ExpectedContent,
  places: readonly LocalPlace[],
  except: string,
): AsyncGenerator<LocalCopy> {
  const seen = new Set([await realpath(except).catch(() => except)]);
  for (const place of places) {
    for (const folder of place.folders) {
      for await (const candidate of place.candidates(folder, expected)) {
        if ((await fileSize(candidate)) !== expected.bytes) continue;
        const path = await realpath(candidate);
        if (seen.has(path)) continue;
        seen.add(path);
        yield { path, place: place.name };
      }
    }
  }
}

/**
 * Hugging Face names a large file's blob by its SHA-256, in whichever repository it came from; where the system has no links for
 * everybody, as Windows, the file itself lies in the snapshot.
 */
async function* hubBlobs(folder: string, { sha256 }: ExpectedContent): AsyncGenerator<string> {
  for (const repository of await readdir(folder).catch(() => [])) {
    if (repository.startsWith("models--")) yield join(folder, repository, "blobs", sha256);
  }
  for await (const { path } of hubSnapshots(folder)) yield path;
}

/** Snapshots hold links to the blobs under the files' own names. */
async function* hubSnapshots(folder: string): AsyncGenerator<NamedFile> {
  for (const repository of await readdir(folder).catch(() => [])) {
    if (repository.startsWith("models--")) yield* namedFilesBelow(join(folder, repository, "snapshots"));
  }
}

/** Ollama names models in manifests (host/owner/model/tag), which refer to blobs by digest. */
async function* ollamaModels(folder: string): AsyncGenerator<NamedFile> {
  for await (const manifest of filesBelow(join(folder, "manifests"))) {
    const digest = ollamaModelDigest(await readFile(manifest, "utf8").catch(() => ""));
    if (digest === undefined) continue;
    const [tag = "", model = ""] = manifest.split(/[\\/]/).reverse();
    yield { path: join(folder, "blobs", `sha256-${digest}`), name: `${model}:${tag}` };
  }
}

/** SHA-256 of the weights in an Ollama manifest (OCI image manifest, media type of its own); undefined where it has none. */
function ollamaModelDigest(manifest: string): string | undefined {
  try {
    const { layers } = JSON.parse(manifest) as { layers: { mediaType: string; digest: string }[] };
    const digest = layers.find(({ mediaType }) => mediaType === "application/vnd.ollama.image.model")?.digest;
    return /^sha256:([0-9a-f]{64})$/.exec(digest ?? "")?.[1];
  } catch {
    return undefined;
  }
}

async function* ollamaBlobs(folder: string, { sha256 }: ExpectedContent): AsyncGenerator<string> {
  yield join(folder, "blobs", `sha256-${sha256}`);
}

export async function* namedFilesBelow(folder: string): AsyncGenerator<NamedFile> {
  for await (const path of modelFilesBelow(folder)) yield { path, name: basename(path).replace(/\.gguf$/i, "") };
}

/** Every *.gguf below the folder, whatever its name. */
async function* modelFilesBelow(folder: string): AsyncGenerator<string> {
  for await (const path of filesBelow(folder)) if (path.toLowerCase().endsWith(".gguf")) yield path;
}

/** Every file below the folder: breadth first, within bounds. */
async function* filesBelow(folder: string): AsyncGenerator<string> {
  let level = [folder];
  let entriesLeft = maximalEntries;
  for (let depth = 0; depth < maximalDepth && level.length > 0; depth++) {
    const next: string[] = [];
    for (const parent of level) {
      for (const entry of await readdir(parent, { withFileTypes: true }).catch(() => [])) {
        if (--entriesLeft < 0) return;
        const path = join(parent, entry.name);
        if (entry.isDirectory()) next.push(path);
        else yield path;
      }
    }
    level = next;
  }
}

export type Adoption = "hard link" | "symbolic link" | "copy";

/**
 * Puts another program's file under our name without taking it away: by hard link where both lie on one file system, by
 * symbolic link elsewhere, as a copy where the system allows neither. Atomic. Throws JakiroError("io").
 */
export async function adopt(source: string, destination: string): Promise<Adoption> {
  const temporary = `${destination}.adopting`;
  await unlink(temporary).catch(() => undefined);
  const ways: readonly [Adoption, () => Promise<void>][] = [
    ["hard link", () => link(source, temporary)],
    ["symbolic link", () => symlink(source, temporary)],
    ["copy", () => copyFile(source, temporary, constants.COPYFILE_FICLONE)],
  ];
  let failure: unknown;
  for (const [way, make] of ways) {
    try {
      await make();
      await rename(temporary, destination);
      return way;
    } catch (error) {
      failure = error;
      await unlink(temporary).catch(() => undefined);
    }
  }
  throw writeFailure(failure, destination);
}

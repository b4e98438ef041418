import { constants } from "node:fs";
import { copyFile, link, readdir, realpath, rename, symlink, unlink } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { writeFailure } from "./partFile.ts";
import { cacheDirectory, modelsDirectory } from "./paths.ts";
import { type ExpectedContent, fileSize } from "./verify.ts";

/** A place where people already have models, and how to find a file of known size and hash in it. */
export interface LocalPlace {
  readonly name: string;
  readonly folders: readonly string[];
  /** Files that may be it, cheapest guess first; they need not exist. */
  candidates(folder: string, expected: ExpectedContent): AsyncIterable<string>;
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
    },
    {
      name: "LM Studio",
      folders: given(join(home, ".lmstudio", "models"), join(home, ".cache", "lm-studio", "models")),
      candidates: modelFilesBelow,
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
    },
    {
      name: "Ollama",
      folders: given(env["OLLAMA_MODELS"], join(home, ".ollama", "models"), "/usr/share/ollama/.ollama/models"),
      candidates: ollamaBlobs,
    },
  ];
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

/** Hugging Face names a large file's blob by its SHA-256, in whichever repository it came from. */
async function* hubBlobs(folder: string, { sha256 }: ExpectedContent): AsyncGenerator<string> {
  for (const repository of await readdir(folder).catch(() => [])) {
    if (repository.startsWith("models--")) yield join(folder, repository, "blobs", sha256);
  }
}

async function* ollamaBlobs(folder: string, { sha256 }: ExpectedContent): AsyncGenerator<string> {
  yield join(folder, "blobs", `sha256-${sha256}`);
}

/** Every *.gguf below the folder, whatever its name: breadth first, within bounds. */
async function* modelFilesBelow(folder: string): AsyncGenerator<string> {
  let level = [folder];
  let entriesLeft = maximalEntries;
  for (let depth = 0; depth < maximalDepth && level.length > 0; depth++) {
    const next: string[] = [];
    for (const parent of level) {
      for (const entry of await readdir(parent, { withFileTypes: true }).catch(() => [])) {
        if (--entriesLeft < 0) return;
        const path = join(parent, entry.name);
        if (entry.isDirectory()) next.push(path);
        else if (entry.name.toLowerCase().endsWith(".gguf")) yield path;
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

import { lstat, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type CatalogueModel, catalogue } from "./catalogue.ts";
import { acquireLock } from "./fileLock.ts";
import { modelPath } from "./installed.ts";
import { partPath, writeFailure } from "./partFile.ts";
import { cacheDirectory, modelsDirectory } from "./paths.ts";

/** Where Jakiro keeps files of its own. */
export interface DiskFolders {
  readonly models: string;
  readonly packed: string;
}

export function diskFolders(): DiskFolders {
  return { models: modelsDirectory(), packed: join(cacheDirectory(), "packed") };
}

/** Something of Jakiro's on the disk that can be removed and made or fetched again. */
export interface DiskItem {
  readonly kind: "model" | "partial" | "packed";
  /** The catalogue model it belongs to; undefined for packed weights of a file that the catalogue does not know. */
  readonly model: CatalogueModel | undefined;
  /** Catalogue name, or the first digits of the content hash. */
  readonly name: string;
  readonly paths: readonly string[];
  /** What removing it frees: nothing where another program holds the same file. */
  readonly bytes: number;
}

/** What Jakiro keeps, model files first. */
export async function diskUse(folders: DiskFolders = diskFolders()): Promise<DiskItem[]> {
  const files = await Promise.all(catalogue.map((model) => modelItems(model, folders)));
  return [...files.flat(), ...(await packedItems(folders))];
}

async function modelItems(model: CatalogueModel, { models }: DiskFolders): Promise<DiskItem[]> {
  const path = modelPath(model, models);
  const parts = await existing([partPath(path), `${path}.wheel`]);
  const whole = await existing([path]);
  const item = async (kind: DiskItem["kind"], paths: string[]): Promise<DiskItem[]> =>
    paths.length === 0 ? [] : [{ kind, model, name: model.name, paths, bytes: await freedBytes(paths) }];
  return [...(await item("model", whole)), ...(await item("partial", parts))];
}

/** Packed weights are kept under the first digits of the hash of the file they were made from. */
const hashDigits = 16;

async function packedItems({ packed }: DiskFolders): Promise<DiskItem[]> {
  const groups = new Map<string, string[]>();
  for (const name of await readdir(packed).catch(() => [])) {
    const hash = name.slice(0, hashDigits);
    groups.set(hash, [...(groups.get(hash) ?? []), join(packed, name)]);
  }
  return await Promise.all(
    [...groups].map(async ([hash, paths]) => {
      const model = catalogue.find(({ sha256 }) => sha256.startsWith(hash));
      return { kind: "packed" as const, model, name: model?.name ?? hash, paths, bytes: await freedBytes(paths) };
    }),
  );
}

/** Everything that Jakiro made or fetched for this model; a file shared with another program by link stays where that program keeps it. */
export async function ownFiles(model: CatalogueModel, folders: DiskFolders = diskFolders()): Promise<string[]> {
  const items = [...(await modelItems(model, folders)), ...(await packedItems(folders))];
  return items.filter((item) => item.model === model).flatMap(({ paths }) => paths);
}

/**
 * Removes files of a model, telling each as it goes; waits for a download of that model to end. Throws JakiroError("io"),
 * or the signal's reason.
 */
export async function removeFiles(
  model: CatalogueModel | undefined,
  paths: readonly string[],
  { signal, onRemoved }: { signal: AbortSignal; onRemoved?: (path: string) => void },
  folders: DiskFolders = diskFolders(),
): Promise<void> {
  const file = model && modelPath(model, folders.models);
  const fetched = file !== undefined && paths.some((path) => path.startsWith(file));
  const lock = fetched ? await acquireLock(`${file}.lock`, { signal }) : undefined;
  try {
    for (const path of paths) {
      await rm(path, { recursive: true, force: true }).catch((error) => {
        throw writeFailure(error, path);
      });
      onRemoved?.(path);
    }
  } finally {
    await lock?.release();
  }
}

/** Dangling links count: they are there to be removed. */
async function existing(paths: readonly string[]): Promise<string[]> {
  const found = await Promise.all(paths.map((path) => lstat(path).catch(() => undefined)));
  return paths.filter((_, index) => found[index] !== undefined);
}

async function freedBytes(paths: readonly string[]): Promise<number> {
  let sum = 0;
  for (const path of paths) {
    const found = await lstat(path).catch(() => undefined);
    if (found?.isDirectory()) {
      const names = await readdir(path).catch(() => []);
      sum += await freedBytes(names.map((name) => join(path, name)));
    } else if (found?.isFile() && found.nlink === 1) sum += found.size;
  }
  return sum;
}

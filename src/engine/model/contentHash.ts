import { createHash } from "node:crypto";
import { mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { cacheDirectory } from "./paths.ts";
import { type HashOptions, hashFile } from "./verify.ts";

/**
 * SHA-256 (hex) of one file's bytes; of several files, of their hashes in the given order, one per line.
 * Remembered under the cache directory for as long as device, inode, size and modification time stay the same; only what is not
 * remembered is read, file by file with progress of its own.
 */
export async function contentHashOfFiles(paths: readonly string[], options: HashOptions = {}): Promise<string> {
  const hashes: string[] = [];
  for (const path of paths) hashes.push(await rememberedHash(path, options));
  const [only] = hashes;
  if (only !== undefined && hashes.length === 1) return only;
  return createHash("sha256").update(hashes.join("\n")).digest("hex");
}

async function rememberedHash(path: string, options: HashOptions): Promise<string> {
  const identity = await fileIdentity(path);
  const memory = join(cacheDirectory(), "hashes.json");
  const known = (await readMemory(memory))[identity];
  if (known !== undefined) return known;
  const hash = await hashFile(path, options);
  await remember(memory, identity, hash);
  return hash;
}

async function fileIdentity(path: string): Promise<string> {
  const { dev, ino, size, mtimeNs } = await stat(path, { bigint: true });
  return `${dev}:${ino}:${size}:${mtimeNs}`;
}

/** What cannot be read or understood counts as empty: the hash is then computed anew. */
async function readMemory(file: string): Promise<Record<string, string>> {
  try {
    const content: unknown = JSON.parse(await readFile(file, "utf8"));
    if (typeof content !== "object" || content === null) return {};
    const entries = Object.entries(content).filter(([, hash]) => /^[0-9a-f]{64}$/.test(String(hash)));
    return Object.fromEntries(entries);
  } catch {
    return {};
  }
}

/** Failing to write costs the next load a few seconds, never this one its success. */
async function remember(file: string, identity: string, hash: string): Promise<void> {
  const temporary = `${file}.${process.pid}`;
  try {
    await mkdir(dirname(file), { recursive: true });
    const content = { ...(await readMemory(file)), [identity]: hash };
    await writeFile(temporary, `${JSON.stringify(content, null, 1)}\n`);
    await rename(temporary, file);
  } catch {
    // The cache is an optimization.
  }
}

import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { openPromise } from "yauzl";

export interface VsixFile {
  /** Inside the VSIX, with "/". */
  readonly path: string;
  /** POSIX permission bits. */
  readonly mode: number;
  /** What it begins with: up to 4096 bytes, everything for scripts and JSON. */
  readonly head: Buffer;
}

const headBytes = 4096;

/** Every file of a VSIX, in its order. */
export async function readVsix(path: string): Promise<VsixFile[]> {
  const files: VsixFile[] = [];
  const zip = await openPromise(path);
  for await (const entry of zip.eachEntry()) {
    const whole = /\.(m?js|json|xml|vsixmanifest|txt|md)$/.test(entry.fileName);
    const stream = await zip.openReadStreamPromise(entry);
    const head = await readHead(stream, whole ? Number.POSITIVE_INFINITY : headBytes);
    files.push({ path: entry.fileName, mode: (entry.externalFileAttributes >>> 16) & 0o777, head });
  }
  return files;
}

async function readHead(stream: Readable, bytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let received = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    received += chunk.length;
    if (received >= bytes) break;
  }
  return Buffer.concat(chunks);
}

/** Unpacks a VSIX as VS Code does, permission bits included. */
export async function unpackVsix(path: string, folder: string): Promise<void> {
  const zip = await openPromise(path);
  for await (const entry of zip.eachEntry()) {
    const file = join(folder, entry.fileName);
    await mkdir(dirname(file), { recursive: true });
    const mode = (entry.externalFileAttributes >>> 16) & 0o777;
    await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(file, { mode }));
  }
}

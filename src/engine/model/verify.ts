import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { ProgressListener } from "../progress.ts";

/** What a file must be. */
export interface ExpectedContent {
  readonly bytes: number;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
}

export interface HashOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ProgressListener | undefined;
}

/** "wrong-size" and "absent" are found without reading the file. */
export type Verdict = "matches" | "absent" | "wrong-size" | "wrong-hash";

const chunkBytes = 1 << 20;

/** Size first, then SHA-256 over the whole file. A path that cannot be read counts as absent; an abort is thrown. */
export async function verifyFile(path: string, expected: ExpectedContent, options: HashOptions = {}): Promise<Verdict> {
  const size = await fileSize(path);
  if (size === undefined) return "absent";
  if (size !== expected.bytes) return "wrong-size";
  try {
    return (await hashFile(path, options)) === expected.sha256 ? "matches" : "wrong-hash";
  } catch (error) {
    if (options.signal?.aborted) throw error;
    return "absent";
  }
}

/** Bytes of the regular file that this path leads to, through symbolic links; undefined where there is none. */
export async function fileSize(path: string): Promise<number | undefined> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() ? found.size : undefined;
}

/** SHA-256 of a file, lower-case hexadecimal. Ended by the signal, it throws the signal's reason. */
export async function hashFile(path: string, { signal, onProgress }: HashOptions = {}): Promise<string> {
  const total = (await stat(path)).size;
  const hash = createHash("sha256");
  let done = 0;
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: chunkBytes, signal })) {
      hash.update(chunk as Buffer);
      done += (chunk as Buffer).length;
      onProgress?.({ stage: "Checking", done: Math.min(done, total), total, unit: "bytes" });
      signal?.throwIfAborted();
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
  return hash.digest("hex");
}

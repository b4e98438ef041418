import { createHash } from "node:crypto";
import { type FileHandle, open, rename, unlink } from "node:fs/promises";
import { JakiroError } from "../errors.ts";
import type { ProgressListener } from "../progress.ts";
import type { ExpectedContent } from "./verify.ts";

/** Something that one source got wrong; another source may still do. The message has no full stop: it becomes part of a longer sentence. */
export class SourceFailure extends Error {
  constructor(
    message: string,
    /** Whether asking the same source again may help. */
    readonly retryable: boolean = false,
    /** How long the source asks to be left alone, in ms. */
    readonly waitMs: number = 0,
  ) {
    super(message);
    this.name = "SourceFailure";
  }
}

/** The whole file arrived and is not the right one. */
export class WrongHash extends SourceFailure {}

export interface PartFileOptions {
  readonly stage: string;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ProgressListener | undefined;
}

const chunkBytes = 1 << 20;

/** The name under which a file grows until it is whole. */
export function partPath(destination: string): string {
  return `${destination}.part`;
}

/**
 * A file on its way in: grows as `<destination>.part`, is hashed while it grows, survives cuts, and takes its final name in
 * one step once size and hash are right. One process at a time (see fileLock.ts).
 */
export class PartFile {
  private hash = createHash("sha256");
  private length = 0;

  private constructor(
    readonly destination: string,
    readonly expected: ExpectedContent,
    private readonly file: FileHandle,
    private readonly options: PartFileOptions,
  ) {}

  /** Opens or creates the part file and hashes what an earlier run left in it. */
  static async open(destination: string, expected: ExpectedContent, options: PartFileOptions): Promise<PartFile> {
    const path = partPath(destination);
    const file = await open(path, "r+")
      .catch(() => open(path, "w+"))
      .catch((error) => {
        throw writeFailure(error, path);
      });
    const part = new PartFile(destination, expected, file, options);
    try {
      await part.resume();
    } catch (error) {
      await part.close();
      throw error;
    }
    return part;
  }

  /** Bytes from the start of the file that are there already. */
  get received(): number {
    return this.length;
  }

  get missing(): number {
    return this.expected.bytes - this.length;
  }

  async append(chunk: Uint8Array): Promise<void> {
    if (chunk.length > this.missing) {
      throw new SourceFailure(`sent more than the ${this.expected.bytes} bytes this model has`);
    }
    for (let written = 0; written < chunk.length; ) {
      const { bytesWritten } = await this.file
        .write(chunk, written, chunk.length - written, this.length + written)
        .catch((error) => {
          throw writeFailure(error, partPath(this.destination));
        });
      written += bytesWritten;
    }
    this.hash.update(chunk);
    this.length += chunk.length;
    this.report();
  }

  /** Starts over, for a source that cannot go on in the middle. */
  async restart(): Promise<void> {
    if (this.length === 0) return;
    await this.truncate();
    this.hash = createHash("sha256");
    this.length = 0;
  }

  /** Gives the file its final name; a wrong hash removes the part file instead and is the source's failure. */
  async finish(): Promise<void> {
    if (this.missing > 0) throw new SourceFailure(`ended after ${this.length} of ${this.expected.bytes} bytes`);
    const sha256 = this.hash.digest("hex");
    if (sha256 !== this.expected.sha256) {
      await this.discard();
      throw new WrongHash(
        `sent other bytes than this model's (SHA-256 ${sha256.slice(0, 12)}..., expected ${this.expected.sha256.slice(0, 12)}...)`,
      );
    }
    try {
      await this.file.sync();
      await this.file.close();
      await rename(partPath(this.destination), this.destination);
    } catch (error) {
      throw writeFailure(error, this.destination);
    }
  }

  async discard(): Promise<void> {
    await this.close();
    await unlink(partPath(this.destination)).catch(() => undefined);
  }

  /** Keeps what is there for a later run, but leaves no empty file behind. */
  async close(): Promise<void> {
    await this.file.close().catch(() => undefined);
    if (this.length === 0) await unlink(partPath(this.destination)).catch(() => undefined);
  }

  private async resume(): Promise<void> {
    const left = (await this.file.stat()).size;
    if (left > this.expected.bytes) return await this.truncate();
    const buffer = Buffer.allocUnsafe(chunkBytes);
    while (this.length < left) {
      this.options.signal?.throwIfAborted();
      const { bytesRead } = await this.file.read(buffer, 0, buffer.length, this.length);
      if (bytesRead === 0) break;
      this.hash.update(buffer.subarray(0, bytesRead));
      this.length += bytesRead;
    }
  }

  private async truncate(): Promise<void> {
    await this.file.truncate(0).catch((error) => {
      throw writeFailure(error, partPath(this.destination));
    });
  }

  private report(): void {
    const { stage, onProgress } = this.options;
    onProgress?.({ stage, done: this.length, total: this.expected.bytes, unit: "bytes" });
  }
}

/** A failure to write is the user's disk or folder, whatever the source: it ends the attempt. */
export function writeFailure(error: unknown, path: string): JakiroError {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  if (code === "ENOSPC" || code === "EDQUOT") {
    const sentence = `The disk is full: ${path} could not be written; free some space and`;
    return new JakiroError("io", `${sentence} run the command again, it goes on where it stopped.`, {
      cause: error,
      inEditor: `${sentence} try again, it goes on where it stopped.`,
      remedy: "files",
    });
  }
  const sentence = `${path} could not be written (${code}); check the folder's permissions`;
  return new JakiroError("io", `${sentence} or set JAKIRO_CACHE_DIR to another one.`, {
    cause: error,
    inEditor: `${sentence} and try again.`,
  });
}

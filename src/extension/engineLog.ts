import { type FileHandle, mkdir, open, stat } from "node:fs/promises";
import { join } from "node:path";
import { logBytes, olderLog, rotateLog } from "../engine/logFile.ts";
import { withoutHomePaths } from "../engine/privatePaths.ts";

/** Where the extension tells what it does; VS Code's LogOutputChannel is one. Paths go to `trace` alone. */
export interface LogSink {
  info(message: string): void;
  trace(message: string): void;
}

const shownBytes = 64 << 10;
const linesInMessage = 3;
const time = /^\d{4}-\d\d-\d\dT[\d:.]+Z /;

/**
 * What engine processes print, in the global storage folder: one file for the processes of all builds, so that every window
 * reads the same one, and one older file. A running process keeps it bounded, and so does every start.
 */
export class EngineLogFile {
  readonly path: string;
  readonly olderPath: string;

  constructor(private readonly folder: string) {
    this.path = join(folder, "engine.log");
    this.olderPath = olderLog(this.path);
  }

  /** Opens the file for a process to append to, rotated where it had grown large. */
  async open(limitBytes = logBytes): Promise<FileHandle> {
    await mkdir(this.folder, { recursive: true });
    if ((await this.size()) > 0) rotateLog(this.path, limitBytes);
    return open(this.path, "a", 0o600);
  }

  /** Bytes; 0 where there is no file. */
  async size(): Promise<number> {
    const found = await stat(this.path).catch(() => undefined);
    return found?.size ?? 0;
  }

  /** Lines written since the file had `offset` bytes, the last 64 KiB of them at most, and where they end. */
  async linesFrom(offset: number): Promise<{ readonly lines: readonly string[]; readonly end: number }> {
    const end = await this.size();
    const since = offset <= end ? offset : 0;
    const text = end === since ? "" : await this.read(Math.max(since, end - shownBytes), end).catch(() => "");
    return { lines: text.split(/\r?\n/).filter((line) => line !== ""), end };
  }

  /** Of the lines written since the file had `offset` bytes, what a message should quote, in one line; "" where there are none. */
  async lastWords(offset: number): Promise<string> {
    const { lines } = await this.linesFrom(offset);
    return lastWords(lines);
  }

  private async read(from: number, to: number): Promise<string> {
    const file = await open(this.path, "r");
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(to - from), 0, to - from, from);
      return buffer.toString("utf8", 0, bytesRead);
    } finally {
      await file.close();
    }
  }
}

/**
 * What a crash left behind: the lines after the last one that the engine wrote on purpose, which begin with the time; or that
 * one, without the time, where there are none.
 */
function lastWords(lines: readonly string[]): string {
  const telling = lines.map((line) => line.trim()).filter((line) => line !== "" && !isNoise(line));
  const onPurpose = telling.findLastIndex((line) => time.test(line));
  const unforeseen = telling.slice(onPurpose + 1);
  const words = unforeseen.length > 0 ? unforeseen.slice(-linesInMessage) : telling.slice(-1);
  // Line by line: a path is taken to go on until the line's end. Messages are copied into issues.
  const cleaned = words.map((line) => withoutHomePaths(line));
  return cleaned.join(" / ").replace(time, "").replace(/\.$/, "");
}

/** Node ends every crash with its stack and its version, which say nothing to a user. */
function isNoise(line: string): boolean {
  return /^(at .+|Node\.js v\d\S*|[{}^~]+)$/.test(line);
}

import type { TextSource } from "./documentContext.ts";
import { jaccard } from "./jaccard.ts";

/** A piece of a file that may help in another one. */
export interface Chunk {
  readonly uri: string;
  /** Relative to the workspace, with "/". */
  readonly path: string;
  /** Zero-based. */
  readonly firstLine: number;
  readonly lines: readonly string[];
}

const mostChunks = 16;
const linesPerChunk = 64;
const leastLines = 3;
/** Far more than a prompt has room for: lines of data or minified code are no context, and would only be ranked and sent. */
const mostCharacters = 8192;
/** Chunks that share more of their lines than this are versions of one another. */
const duplicateSimilarity = 0.9;

/** The lines around a place in a document, as many as are not too long; undefined where hardly anything is written. */
export function takeChunk(source: TextSource, uri: string, path: string, line: number): Chunk | undefined {
  const from = Math.max(0, Math.min(line - linesPerChunk / 2, source.lineCount - linesPerChunk));
  const to = Math.min(source.lineCount, from + linesPerChunk);
  const lines: string[] = [];
  for (let index = from; index < to; index++) lines.push(source.lineAt(index));
  let firstLine = from;
  for (let characters = lengthOf(lines); characters > mostCharacters; ) {
    const isAbove = line - firstLine >= firstLine + lines.length - 1 - line;
    const dropped = isAbove ? lines.shift()! : lines.pop()!;
    if (isAbove) firstLine++;
    characters -= dropped.length;
  }
  return lines.filter((text) => text.trim() !== "").length < leastLines ? undefined : { uri, path, firstLine, lines };
}

function lengthOf(lines: readonly string[]): number {
  return lines.reduce((sum, { length }) => sum + length, 0);
}

/** The pieces of files that the user looked at or changed last, without duplicates. */
export class SnippetRing {
  /** Rises with every change. */
  version = 0;
  /** Oldest first. */
  private chunks: readonly Chunk[] = [];

  get all(): readonly Chunk[] {
    return this.chunks;
  }

  add(chunk: Chunk): void {
    const names = new Set(chunk.lines);
    const isOlderVersion = (old: Chunk) =>
      (old.uri === chunk.uri && Math.abs(old.firstLine - chunk.firstLine) < linesPerChunk / 2) ||
      jaccard(new Set(old.lines), names) > duplicateSimilarity;
    this.chunks = [...this.chunks.filter((old) => !isOlderVersion(old)), chunk].slice(-mostChunks);
    this.version += 1;
  }

  /** Drops pieces of files that are gone, or that may not be used any more, and says whether there were any. */
  forget(isGone: (chunk: Chunk) => boolean): boolean {
    const kept = this.chunks.filter((chunk) => !isGone(chunk));
    if (kept.length === this.chunks.length) return false;
    this.chunks = kept;
    this.version += 1;
    return true;
  }
}

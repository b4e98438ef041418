import { cutsCharacter } from "./characters.ts";

/** A document as its lines, of any number and length; a line is read only when it is asked for. */
export interface TextSource {
  readonly lineCount: number;
  readonly eol: "\n" | "\r\n";
  /** Without its line end. */
  lineAt(line: number): string;
}

/** As in VS Code: zero-based, in UTF-16 code units. */
export interface Place {
  readonly line: number;
  readonly character: number;
}

/** What the suggestion widget would insert, which completions must continue. */
export interface SelectedText {
  readonly start: Place;
  readonly end: Place;
  readonly text: string;
}

export interface Surroundings {
  /** Where `prefix` begins. */
  readonly start: string;
  readonly prefix: string;
  readonly suffix: string;
  /** The cursor's line on both sides of it, with the selected text as if it stood there. */
  readonly linePrefix: string;
  readonly restOfLine: string;
  /** The prefix begins with the document's beginning. */
  readonly fromTop: boolean;
  /** The suffix ends with the document's end. */
  readonly toEnd: boolean;
}

/** Lines above the cursor that are read at least; the first one read moves on in steps of `anchorStep`. */
const leastLinesAbove = 512;
const anchorStep = 256;
const linesBelow = 128;
const longestRestOfLine = 2000;

/** Characters of text that are read before and after the cursor: more than fit into the engine's longest prompt. */
export const charactersAbove = 16_384;
export const charactersBelow = 4096;

/**
 * Reads the text around the cursor: a bounded number of lines and characters, whatever the document's size. The prefix
 * begins at a place that stays while text is typed, since the engine's KV cache goes by it.
 */
export function readSurroundings(source: TextSource, cursor: Place, selected?: SelectedText): Surroundings {
  const from = selected?.start ?? cursor;
  const behind = selected?.end ?? cursor;
  const linePrefix = source.lineAt(from.line).slice(0, from.character) + (selected?.text ?? "");
  const restOfLine = source.lineAt(behind.line).slice(behind.character);
  const above = readAbove(source, from.line, linePrefix, charactersAbove);
  return {
    ...above,
    ...readBelow(source, behind.line, restOfLine, charactersBelow),
    linePrefix,
    restOfLine,
  };
}

function readAbove(source: TextSource, line: number, linePrefix: string, limit: number) {
  const anchor = Math.max(0, Math.floor((line - leastLinesAbove) / anchorStep) * anchorStep);
  const lines: string[] = [];
  for (let index = anchor; index < line; index++) lines.push(source.lineAt(index));
  const eol = source.eol;
  const total = lines.reduce((sum, text) => sum + text.length + eol.length, linePrefix.length);
  // Measured from the anchor, so that one more character moves the beginning rarely, and then far.
  const step = Math.max(1, limit >> 2);
  const excess = Math.max(0, Math.ceil((total - limit) / step) * step);
  let first = 0;
  let skipped = 0;
  while (first < lines.length && skipped < excess) skipped += lines[first++]!.length + eol.length;
  let left = linePrefix;
  if (skipped < excess) {
    const cut = excess - skipped;
    left = linePrefix.slice(cutsCharacter(linePrefix, cut) ? cut + 1 : cut);
  }
  const kept = lines.slice(first);
  return {
    start: `${anchor}+${excess}`,
    prefix: [...kept, left].join(eol),
    fromTop: anchor === 0 && excess === 0,
  };
}

function readBelow(source: TextSource, line: number, restOfLine: string, limit: number) {
  if (restOfLine.length > longestRestOfLine) {
    const cut = cutsCharacter(restOfLine, longestRestOfLine) ? longestRestOfLine - 1 : longestRestOfLine;
    return { suffix: restOfLine.slice(0, cut), toEnd: false };
  }
  const lines = [restOfLine];
  const end = Math.min(source.lineCount, line + 1 + linesBelow);
  let index = line + 1;
  // The rest of the cursor's own line does not count: what is typed there must not move the end.
  for (let left = limit; index < end; index++) {
    const text = source.lineAt(index);
    left -= text.length + source.eol.length;
    if (left < 0) break;
    lines.push(text);
  }
  return { suffix: lines.join(source.eol), toEnd: index === source.lineCount };
}

import { languageFamily, lineComment } from "../engine/completion/languages.ts";

/** A comment that says what code is to follow it. */
export interface CommentInstruction {
  readonly instruction: string;
  /** Its last line, from 0: the code goes below. */
  readonly lastLine: number;
}

/** Lines of a document as this needs them. */
export interface Lines {
  readonly lineCount: number;
  /** Without its line end. */
  lineAt(line: number): string;
}

/** The comment on the cursor's line, or the nearest one above it with nothing but blank lines between. */
export function commentInstruction(
  lines: Lines,
  cursorLine: number,
  languageId: string,
): CommentInstruction | undefined {
  const read = readerOf(languageId);
  const here = nonBlankAt(lines, cursorLine);
  // Code may stand on the cursor's line itself, right below the comment.
  const candidates = here === cursorLine ? [here, here - 1] : [here];
  for (const line of candidates) {
    const found = line === undefined || line < 0 ? undefined : read(lines, line);
    if (found !== undefined && found.instruction !== "") return found;
  }
  return undefined;
}

type Reader = (lines: Lines, line: number) => CommentInstruction | undefined;

function readerOf(languageId: string): Reader {
  const { open, close } = lineComment(languageId);
  const line = lineReader(open.trim(), close.trim());
  const blocks = languageFamily(languageId, []) === "braces";
  return (lines, at) => line(lines, at) ?? (blocks ? blockComment(lines, at) : undefined);
}

/** Comments of one line each that stand directly below one another are one. */
function lineReader(open: string, close: string): Reader {
  const escaped = (text: string) => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  const repeated = close === "" ? `${escaped(open)}(?:${escaped(open.at(-1)!)})*!?` : escaped(open);
  const pattern = new RegExp(`^\\s*${repeated}\\s?(.*?)\\s*${escaped(close)}\\s*$`);
  return (lines, at) => {
    const textAt = (line: number) =>
      line < 0 || line >= lines.lineCount ? undefined : pattern.exec(lines.lineAt(line))?.[1];
    if (textAt(at) === undefined) return undefined;
    let [first, last] = [at, at];
    while (textAt(first - 1) !== undefined) first -= 1;
    while (textAt(last + 1) !== undefined) last += 1;
    const texts = Array.from({ length: last - first + 1 }, (_, index) => textAt(first + index)!);
    return { instruction: instructionOf(texts), lastLine: last };
  };
}

const blockStart = /^\s*\/\*/;
const blockEnd = /\*\/\s*$/;
const longestBlock = 100;

const blockComment: Reader = (lines, at) => {
  let first = at;
  while (!blockStart.test(lines.lineAt(first))) {
    const outside = first < at && blockEnd.test(lines.lineAt(first));
    if (first === 0 || outside || at - first > longestBlock) return undefined;
    first -= 1;
  }
  let last = first;
  while (!blockEnd.test(lines.lineAt(last))) {
    last += 1;
    if (last >= lines.lineCount || last - first > longestBlock) return undefined;
  }
  if (last < at) return undefined;
  const texts = Array.from({ length: last - first + 1 }, (_, index) =>
    lines
      .lineAt(first + index)
      .replace(/^\s*(?:\/\*+|\*(?!\/))?/, "")
      .replace(/\*\/\s*$/, ""),
  );
  return { instruction: instructionOf(texts), lastLine: last };
};

function instructionOf(texts: readonly string[]): string {
  return texts
    .join(" ")
    .replace(/\s+/g, " ")
    .trim()
    .replace(/^(?:TODO|FIXME)\b(?:\([^)]*\))?:?\s*/, "");
}

/** The line itself, or the nearest one above it that is not blank; undefined where there is none. */
function nonBlankAt(lines: Lines, line: number): number | undefined {
  for (let above = line; above >= 0; above--) if (lines.lineAt(above).trim() !== "") return above;
  return undefined;
}

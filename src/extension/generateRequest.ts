import type { OffsetRange } from "./generateRange.ts";

/** More of a document than any prompt has room for, in UTF-16 units. */
const mostText = 40_000;

/** The document around generated code: what stands in `range` now is not part of it, what it replaces is the selection. */
export function placeIn(
  text: string,
  range: OffsetRange,
  original: string,
): { readonly prefix: string; readonly selection: string; readonly suffix: string } {
  const prefix = text.slice(0, range.start);
  const suffix = text.slice(range.end);
  return { prefix: prefix.slice(lineStart(prefix)), selection: original, suffix: suffix.slice(0, mostText) };
}

/** Begins with a whole line where a document is cut. */
function lineStart(prefix: string): number {
  if (prefix.length <= mostText) return 0;
  const lineBreak = prefix.indexOf("\n", prefix.length - mostText);
  return lineBreak < 0 ? prefix.length - mostText : lineBreak + 1;
}

/** Room for new code or for the selection with additions, in tokens: code has about three characters a token. */
export function longestAnswer(selection: string): number {
  return Math.min(1536, 512 + Math.ceil(selection.length / 3));
}

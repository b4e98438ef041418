import type { CursorFacts } from "../engine/completion/facts.ts";

/** The first line with content of a completion; what is inserted above a line still ends with that line's indentation. */
export function firstLine(text: string, facts: Pick<CursorFacts, "insertsLines" | "linePrefix" | "eol">): string {
  const line = /^\s*[^\r\n]*/.exec(text)![0].trimEnd();
  return facts.insertsLines && text.length > line.length ? line + facts.eol + facts.linePrefix : line;
}

import type { CursorFacts } from "./facts.ts";
import { isBlank } from "./lines.ts";

/**
 * Drops blank lines and white space at the end of the text, except what keeps it apart from the rest of the cursor's line;
 * whole lines that are inserted above a line end with a line break and that line's indentation. Blank text becomes none.
 */
export function trimWhitespace(text: string, facts: CursorFacts): string {
  if (isBlank(text)) return "";
  if (facts.insertsLines) return continuesLine(text, facts) ? text : `${text.trimEnd()}\n${facts.linePrefix}`;
  if (facts.lineSuffix === "") return text.trimEnd();
  return text.replace(/\s*\n([ \t]*)$/, "\n$1");
}

/** The cursor stands before an unindented word, and the text goes on up to it instead of ending its line. */
function continuesLine(text: string, facts: CursorFacts): boolean {
  return (
    !text.includes("\n") && facts.linePrefix === "" && /^\S/.test(facts.followingLines[0] ?? "") && /\s$/.test(text)
  );
}

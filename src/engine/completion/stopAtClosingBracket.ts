import { scanBrackets } from "./brackets.ts";
import type { CursorFacts } from "./facts.ts";
import type { StopRule } from "./generated.ts";

/** Ends where the text closes a bracket or a string that is already closed right of the cursor, as editors do while typing. */
export const stopAtClosingBracket: StopRule = ({ text }, facts) => closedByLineSuffix(text, facts);

/** Offset of the first closing bracket or quote in the text that the rest of the cursor's line already has. */
export function closedByLineSuffix(text: string, facts: CursorFacts): number | undefined {
  const { linePrefix, family } = facts;
  const after = facts.lineSuffix.trimStart();
  const before = scanBrackets(linePrefix, family);
  if (before.openString !== undefined && after.startsWith(before.openString))
    return endOfString(text, before.openString);
  const closers = /^[)\]}]+/.exec(after)?.[0];
  if (closers === undefined) return undefined;
  const quotesOnly = linePrefix.replace(/[()[\]{}]/g, " ");
  const unmatched = scanBrackets(quotesOnly + text, family).unmatched;
  // Brackets opened on this line beyond those that its rest closes are the completion's to close.
  const own = Math.max(0, before.open.length - closers.length);
  const first = unmatched[own];
  return first !== undefined && first.char === closers[0] ? first.offset - linePrefix.length : undefined;
}

function endOfString(text: string, delimiter: string): number | undefined {
  for (let offset = 0; offset < text.length; offset++) {
    if (text[offset] === "\\") offset += 1;
    else if (text.startsWith(delimiter, offset)) return offset;
  }
  return undefined;
}

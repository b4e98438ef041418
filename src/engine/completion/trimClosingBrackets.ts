import { scanBrackets } from "./brackets.ts";
import type { CursorFacts } from "./facts.ts";
import { closedByLineSuffix } from "./stopAtClosingBracket.ts";

/**
 * Drops closing brackets and quotes, and what follows them, that the rest of the cursor's line already has; and the
 * punctuation that ends a statement where the rest of the line closes the bracket first and then ends it itself.
 */
export function trimClosingBrackets(text: string, facts: CursorFacts): string {
  const closed = closedByLineSuffix(text, facts);
  const open = closed === undefined ? text : text.slice(0, closed);
  const ending = /^\s*[)\]}]+\s*([;,:])$/.exec(facts.lineSuffix)?.[1];
  const complete = open.trimEnd();
  const insideBracket = scanBrackets(facts.linePrefix, facts.family).open.length > 0;
  return ending !== undefined && insideBracket && complete.endsWith(ending) ? complete.slice(0, -1) : open;
}

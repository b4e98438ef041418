import type { CursorFacts } from "./facts.ts";
import { generatedLines } from "./generated.ts";
import { isBlank } from "./lines.ts";
import { linesBelow, stopAtRepeatedSuffix } from "./stopAtRepeatedSuffix.ts";

/**
 * Drops lines at the end of a finished text that the document already has below the cursor. Unlike the stop rule it may
 * take the last line for complete, and a text of which every line is there already for a repetition.
 */
export function trimFollowingLines(text: string, facts: CursorFacts): string {
  const finished = text.endsWith("\n") ? text : `${text}\n`;
  const generated = generatedLines(finished, facts);
  const written = generated.lines.slice(generated.first).filter((line) => line.complete && !isBlank(line.text));
  const below = linesBelow(facts);
  if (written.length > 0 && written.every((line, index) => line.text.trimEnd() === below[index]?.trimEnd())) return "";
  const end = stopAtRepeatedSuffix(generated, facts);
  return end === undefined ? text : text.slice(0, end);
}

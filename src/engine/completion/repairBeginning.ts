import type { CursorFacts } from "./facts.ts";
import { indentColumns, isBlank, whiteSpace } from "./lines.ts";
import { levelAt, type Place } from "./placement.ts";
import { jumpsAhead } from "./stopAtJumpAhead.ts";

/**
 * Corrects what small models get wrong where their text begins on a line of its own, in languages whose indentation is
 * syntax: they write the header above the cursor once more, or the right line at a level at which it cannot stand. All
 * lines are shifted together.
 *
 * The beginning of a text that still grows is judged when its first line is complete.
 */
export function repairBeginning(text: string, facts: CursorFacts): string {
  const { place } = facts;
  return place === undefined ? text : shifted(withoutHeaderAbove(text, place), facts, place);
}

/** The same for a text of which no more will come: its last line is complete. */
export function repairFinished(text: string, facts: CursorFacts): string {
  return repairBeginning(`${text}\n`, facts).slice(0, -1);
}

function withoutHeaderAbove(text: string, place: Place): string {
  const lineBreak = text.indexOf("\n");
  const repeats = place.opens && lineBreak >= 0 && text.slice(0, lineBreak).trim() === place.above.trim();
  return repeats ? text.slice(lineBreak + 1) : text;
}

function shifted(text: string, facts: CursorFacts, place: Place): string {
  const lines = text.split("\n");
  const found = lines.findIndex((line) => !isBlank(line));
  if (found < 0 || found === lines.length - 1) return text;
  const first = found === 0 ? facts.linePrefix + lines[0]! : lines[found]!;
  if (jumpsAhead(first, facts)) return text;
  const shift = levelAt(place, first, facts) - indentColumns(first);
  if (shift === 0) return text;
  return lines.map((line) => (isBlank(line) ? line : indented(line, shift, facts))).join("\n");
}

function indented(line: string, shift: number, { indentUnit }: CursorFacts): string {
  return whiteSpace(0, Math.max(0, indentColumns(line) + shift), indentUnit) + line.trimStart();
}

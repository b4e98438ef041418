import type { CursorFacts } from "./facts.ts";
import type { StopRule } from "./generated.ts";
import { canStandAt } from "./placement.ts";

/**
 * Ends a text at once whose first line stands further down in the document, word for word and at the same level, but cannot
 * stand at the cursor: the model has skipped the hole and has nothing to say about it.
 */
export const stopAtJumpAhead: StopRule = ({ lines, first }, facts) => {
  const line = lines[first];
  return line?.complete && jumpsAhead(line.text, facts) ? 0 : undefined;
};

/** Whether `line`, as the first one generated, is a line from below that does not belong where the cursor is. */
export function jumpsAhead(line: string, facts: CursorFacts): boolean {
  const written = line.trimEnd();
  if (!facts.followingLines.some((below) => below.trimEnd() === written)) return false;
  return facts.place !== undefined && !canStandAt(facts.place, line, facts.family);
}

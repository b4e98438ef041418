import type { CursorFacts } from "./facts.ts";
import { endBefore, type Generated, type StopRule } from "./generated.ts";
import { indentColumns, isBlank } from "./lines.ts";
import { closerOf, opensBlock } from "./statements.ts";

/**
 * Ends at two blank lines in a row, or at one where what stands above it is whole: a block at the starting level, anything
 * at the document's top level, a paragraph of prose. Where the cursor stood in an empty block, that block is what is being
 * written, and single blank lines inside it are its own.
 */
export const stopAtBlankLines: StopRule = (generated, facts) => {
  const { lines, first, startIndent } = generated;
  const fillsEmptyBlock = startIndent > 0 && opensBlock(lineAbove(generated, facts), facts.family);
  for (let index = first + 1; index < lines.length; index++) {
    const line = lines[index]!;
    if (!line.complete || !isBlank(line.text) || line.insideString) continue;
    const end = endBefore(lines, index);
    if (facts.family === "prose") return end;
    const below = lines[index + 1];
    if (below?.complete && isBlank(below.text)) return end;
    if (fillsEmptyBlock || line.openBrackets > 0 || !isWhole(generated, index, facts)) continue;
    const next = lines.slice(index + 1).find((candidate) => !isBlank(candidate.text));
    if (next !== undefined && indentColumns(next.text) <= startIndent) return end;
  }
  return undefined;
};

/** The nearest line with content above the first generated one. */
function lineAbove({ first }: Generated, facts: CursorFacts): string {
  if (first > 0 && !isBlank(facts.linePrefix)) return facts.linePrefix;
  return facts.precedingLines.findLast((line) => !isBlank(line)) ?? "";
}

/** What was generated above line `index` ends with a block at the starting level, or stands at the top level. */
function isWhole({ lines, first, startIndent }: Generated, index: number, facts: CursorFacts): boolean {
  const last = lines.slice(first, index).findLast((line) => !isBlank(line.text));
  if (startIndent === 0 || last === undefined) return last !== undefined;
  return indentColumns(last.text) > startIndent || closerOf(last.text, facts.family) !== undefined;
}

import { codeOf, scanBrackets } from "./brackets.ts";
import type { CursorFacts } from "./facts.ts";
import type { Generated, StopRule } from "./generated.ts";
import { indentColumns, isBlank } from "./lines.ts";
import { closerOf, continuationOf, opensBlock, statementEnd } from "./statements.ts";

/**
 * Ends where the generated text joins what follows the cursor. If the next line of the document is indented deeper, that
 * is after the line that opens its block. If it goes on at the same level right below the cursor, the hole is one statement
 * wide, and whatever a model adds to that is nearly always a rewriting of the lines below.
 */
export const stopAtFilledHole: StopRule = (generated, facts) => {
  const { lines, first, startIndent } = generated;
  const next = facts.followingLines.find((line) => !isBlank(line));
  if (next === undefined || first === lines.length) return undefined;
  const indent = indentColumns(next);
  if (indent > startIndent) return endOfHeader(generated, indent, facts);
  const followsDirectly = !isBlank(facts.followingLines[0]!);
  const isStatement = closerOf(next, facts.family) === undefined && continuationOf(next) === undefined;
  if (indent < startIndent || !followsDirectly || !isStatement) return undefined;
  const end = statementEnd(lines, first, facts.family);
  if (end === undefined) return undefined;
  // A first line that stands below may begin a repetition: the next one shows.
  const standsBelow = facts.followingLines.some((line) => line.trim() === lines[first]!.text.trim());
  const decided = !standsBelow || lines.slice(end + 1).some((line) => line.complete && !isBlank(line.text));
  return decided ? lines[end]!.end : undefined;
};

/** The end of the first statement under which the next line, at `indent`, can stand: it opens a block or is not finished. */
function endOfHeader({ lines, first }: Generated, indent: number, facts: CursorFacts): number | undefined {
  const oneLevel = indentColumns(facts.indentUnit);
  let statement = "";
  for (const line of lines.slice(first)) {
    if (!line.complete) return undefined;
    if (isBlank(line.text)) continue;
    statement += `${line.text}\n`;
    const bracketsOpen = scanBrackets(statement, facts.family).open.length > 0;
    const step = indent - indentColumns(statement);
    const fits = step > 0 && (bracketsOpen || step <= oneLevel);
    if (fits && goesOnBelow(statement, bracketsOpen, facts)) return line.end;
    if (!bracketsOpen) statement = "";
  }
  return undefined;
}

function goesOnBelow(statement: string, bracketsOpen: boolean, facts: CursorFacts): boolean {
  const { family } = facts;
  if (bracketsOpen && family === "indentation") return closesBelow(facts);
  return opensBlock(statement, family) || (family === "braces" && !/[;,}]$/.test(codeOf(statement, family)));
}

/** The lines below the cursor close a bracket that they do not open. */
function closesBelow(facts: CursorFacts): boolean {
  return scanBrackets(facts.followingLines.join("\n"), facts.family).unmatched.length > 0;
}

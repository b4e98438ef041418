import type { CursorFacts } from "./facts.ts";
import { endBefore, type Generated, type StopRule } from "./generated.ts";
import { indentColumns, isBlank } from "./lines.ts";
import { closerOf, continuationOf, mayBecomeContinuation, opensBlock, statementEnd } from "./statements.ts";

const leavesBlock = /^\s*(?:return|raise|throw|break|continue|pass|goto)\b/;

/**
 * Ends where the block that is being written ends: at the first line indented less than the completion's first line, or
 * after a statement that leaves the block. A closing line is kept when it closes what the prefix opened and nothing below
 * the cursor does; so is the handler of a `try` that would otherwise have none.
 */
export const stopAtBlockEnd: StopRule = (generated, facts) => {
  if (facts.family === "prose") return undefined;
  const { lines, first, startIndent } = generated;
  let level = startIndent;
  let closed = false;
  for (let index = first; index < lines.length; index++) {
    const line = lines[index]!;
    if (isBlank(line.text) || line.insideString) continue;
    const indent = indentColumns(line.text);
    const closer = index === first ? undefined : closerOf(line.text, facts.family);
    if (closer !== undefined && indent <= level) {
      if (closedBelow(generated, index, closer, facts)) return endBefore(lines, index);
      level = indent;
      closed = level < startIndent && !opensBlock(line.text.trimStart().slice(closer.length), facts.family);
      if (closed && level === 0 && line.complete) return line.end;
      continue;
    }
    if (closed || (index > first && indent <= level && level < startIndent && !mayContinue(line)))
      return endBefore(lines, index);
    if (indent < level) {
      if (mayBecomeContinuation(line)) return undefined;
      if (!handlesTry(line.text, indent, facts)) return endBefore(lines, index);
      level = indent;
    }
    if (indent === startIndent && level === startIndent && leavesBlock.test(line.text)) {
      const end = statementEnd(lines, index, facts.family);
      if (end !== undefined) return lines[end]!.end;
    }
  }
  return undefined;
};

function mayContinue(line: Generated["lines"][number]): boolean {
  return mayBecomeContinuation(line) || continuationOf(line.text) !== undefined;
}

/** The closer's opener stands above the cursor, and the document closes that level itself below the cursor. */
function closedBelow({ lines }: Generated, index: number, closer: string, facts: CursorFacts): boolean {
  const line = lines[index]!;
  const indent = indentColumns(line.text);
  if (/^[)\]}]/.test(closer)) {
    if (line.openBrackets > 0) return false;
  } else {
    const opener = closer.startsWith("</") ? `<${closer.slice(2)}` : "";
    const opens = (above: string) => indentColumns(above) === indent && above.trimStart().startsWith(opener);
    if (lines.slice(0, index).some((above) => above.start < above.end && opens(above.text))) return false;
  }
  const below = facts.followingLines.find((candidate) => !isBlank(candidate) && indentColumns(candidate) <= indent);
  return below !== undefined && indentColumns(below) === indent && below.trimStart().startsWith(closer);
}

/** The line is an `except` or `finally` that belongs to a `try` above the cursor which has none below it. */
function handlesTry(line: string, indent: number, facts: CursorFacts): boolean {
  if (facts.family !== "indentation" || !["except", "finally"].includes(continuationOf(line) ?? "")) return false;
  const atLevel = (candidate: string) => !isBlank(candidate) && indentColumns(candidate) <= indent;
  const opener = [...facts.precedingLines, facts.linePrefix].findLast(atLevel);
  const below = facts.followingLines.find(atLevel);
  return opener?.trim() === "try:" && (below === undefined || continuationOf(below) === undefined);
}

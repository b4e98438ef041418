import { cursorFacts } from "./facts.ts";
import { type Insertion, isMethod } from "./insertion.ts";
import { indentColumns, isBlank, toDocumentLineEnds, whiteSpace } from "./lines.ts";

/**
 * Code that a model wrote as a text of its own, made part of the document: moved to the level of its place, its indentation
 * in the document's tabs or spaces, its line ends the document's. Lines keep their levels relative to each other.
 */
export function fitIndentation(code: string, insertion: Insertion): string {
  const lines = withoutBlankEdges(code.split("\n"));
  if (lines.length === 0) return "";
  const { givenColumns, before, after, eol } = insertion;
  const ownUnit = unitOf(lines);
  const unit = insertion.indentUnit ?? ownUnit ?? "    ";
  const levels = columnsOf(lines, indentColumns(ownUnit ?? unit));
  const base = Math.min(...levels.filter((_, index) => !isBlank(lines[index]!)));
  const columns = levelOf(lines, base, insertion);
  const fitted = lines.map((line, index) => {
    if (isBlank(line)) return "";
    const relative = inUnits(levels[index]! - base, indentColumns(ownUnit ?? unit), indentColumns(unit));
    return whiteSpace(index === 0 ? givenColumns : 0, columns + relative, unit) + line.trimStart();
  });
  return before + toDocumentLineEnds(fitted.join("\n"), eol) + after;
}

/** Where the place leaves it open, a method goes to the other methods' level, and other code stays where the model put it. */
function levelOf(lines: readonly string[], own: number, { columns, mostColumns, methodColumns }: Insertion): number {
  const wanted = methodColumns !== undefined && isMethod(lines.join("\n")) ? methodColumns : own;
  return wanted > columns && wanted <= mostColumns ? wanted : columns;
}

function withoutBlankEdges(lines: readonly string[]): string[] {
  const first = lines.findIndex((line) => !isBlank(line));
  return first < 0
    ? []
    : lines.slice(first, lines.findLastIndex((line) => !isBlank(line)) + 1).map((line) => line.trimEnd());
}

/** One level as this code writes it; undefined where all its lines stand at one level. */
function unitOf(lines: readonly string[]): string | undefined {
  const indents = lines.filter((line) => !isBlank(line)).map((line) => indentColumns(line));
  return Math.max(...indents) > Math.min(...indents) ? cursorFacts(lines.join("\n"), "").indentUnit : undefined;
}

/**
 * Columns of every line's indentation. A model that rewrites indented lines often leaves out the first one's white space,
 * as if it went on with the line: then the first line's level follows from the second one's.
 */
function columnsOf(lines: readonly string[], oneLevel: number): number[] {
  const columns = lines.map((line) => indentColumns(line));
  const rest = columns.filter((_, index) => index > 0 && !isBlank(lines[index]!));
  const least = Math.min(...rest);
  const second = lines.slice(1).find((line) => !isBlank(line));
  if (second === undefined || least <= columns[0]!) return columns;
  const opens = /[:{([,=\\]$|=>$|"""$|'''$|`$/.test(lines[0]!);
  const continues = /^\s*[.?:&|+*/<=-]/.test(second);
  // What stands further left than the first line of a block stands at the level of its header.
  const leavesBlock = lines[0]!.endsWith(":") && least < indentColumns(second);
  if (leavesBlock) columns[0] = least;
  else if (opens) columns[0] = Math.max(columns[0]!, closesAt(lines, columns) ?? least - oneLevel);
  else if (!continues) columns[0] = least;
  return columns;
}

/** The level of the line that closes the brackets of the first one, where the code ends with it. */
function closesAt(lines: readonly string[], columns: readonly number[]): number | undefined {
  return /^\s*[)\]}]/.test(lines.at(-1)!) ? columns.at(-1) : undefined;
}

/** Whole levels are converted; what aligns a line beyond them is kept. */
function inUnits(columns: number, from: number, to: number): number {
  return Math.floor(columns / from) * to + (columns % from);
}

import { codeOf, scanBrackets } from "./brackets.ts";
import type { CursorFacts } from "./facts.ts";
import type { LanguageFamily } from "./languages.ts";
import { indentColumns } from "./lines.ts";
import { continuationOf, opensBlock } from "./statements.ts";

/** The neighbours of an empty line in code whose indentation is syntax. */
export interface Place {
  /** The nearest line of code above the cursor. */
  readonly above: string;
  readonly aboveIndent: number;
  /** It opens a block that has no line yet. */
  readonly opens: boolean;
  /** Indentation of the nearest line of code below the cursor, in columns. */
  readonly belowIndent: number | undefined;
}

/** Undefined inside brackets or a string, and where nothing stands above. */
export function placeBetween(
  precedingLines: readonly string[],
  followingLines: readonly string[],
  family: LanguageFamily,
): Place | undefined {
  const isCode = (line: string) => codeOf(line, family) !== "";
  const above = precedingLines.findLast(isCode);
  const scan = scanBrackets(`${precedingLines.join("\n")}\n`, family);
  if (above === undefined || scan.open.length > 0 || scan.openString !== undefined) return undefined;
  const below = followingLines.find(isCode);
  return {
    above,
    aboveIndent: indentColumns(above),
    opens: opensBlock(above, family),
    belowIndent: below === undefined ? undefined : indentColumns(below),
  };
}

/** Whether the line, whole statement or header, is correct code there at its own level. */
export function canStandAt(place: Place, line: string, family: LanguageFamily): boolean {
  const indent = indentColumns(line);
  const fitsAbove = place.opens ? indent > place.aboveIndent : indent <= place.aboveIndent;
  return fitsAbove && (indent >= (place.belowIndent ?? 0) || opensBlock(line, family));
}

/** The level, in columns, at which a line can stand there: its own if that will do, else the one that its neighbours ask for. */
export function levelAt(place: Place, line: string, { family, indentUnit, linePrefix }: CursorFacts): number {
  const indent = indentColumns(line);
  const oneLevel = indentColumns(indentUnit);
  const { aboveIndent, belowIndent, opens } = place;
  const within = aboveIndent + oneLevel;
  const goesOn = scanBrackets(line, family).open.length > 0 || continuationOf(line) !== undefined;
  if (belowIndent !== undefined && belowIndent > indent && !goesOn) {
    const fitting = opensBlock(line, family) ? belowIndent - oneLevel : belowIndent;
    const allowed = opens ? fitting === within : fitting >= 0 && fitting <= aboveIndent;
    if (allowed) return fitting;
  }
  // Where the editor has indented the line already, models indent it once more.
  if (opens) return indent > aboveIndent && indentColumns(linePrefix) !== within ? indent : within;
  return Math.min(indent, aboveIndent);
}

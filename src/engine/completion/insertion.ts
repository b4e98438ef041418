import { type CursorFacts, cursorFacts } from "./facts.ts";
import type { EditorIndentation } from "./indentation.ts";
import { indentColumns, isBlank } from "./lines.ts";

/** A place in a document for code that was written elsewhere, whole lines of it in general. */
export interface CodePlace {
  readonly prefix: string;
  /** What the code replaces, between `prefix` and `suffix`. */
  readonly selection: string;
  readonly suffix: string;
  readonly languageId?: string | undefined;
  /** How the editor is set, for a document that does not show how it is indented. */
  readonly indentation?: EditorIndentation | undefined;
}

/** What must stand around the code, and how far it must be indented, so that it looks as if written there. */
export interface Insertion {
  /** Before the code: a line break where it may not go on with the line. */
  readonly before: string;
  readonly after: string;
  /** Indentation of the code's own lines, in columns. */
  readonly columns: number;
  /** They may be indented up to here: more than `columns` where the place, an empty line, leaves it open. */
  readonly mostColumns: number;
  /** Where the methods of the class above stand; undefined where there are none, or the place does not leave it open. */
  readonly methodColumns: number | undefined;
  /** How much of the first line's indentation the document has already; all of it where the code begins within a line. */
  readonly givenColumns: number;
  /** One level of indentation; undefined where neither the document nor the editor tells. */
  readonly indentUnit: string | undefined;
  readonly eol: "\n" | "\r\n";
}

/** An expression or a bracket that what stands to the right of it goes on with. */
const unfinished = /(?:[-+*/%=<>&|^~?:,.([{]|\b(?:return|yield|await|throw|in|of|and|or|not|is|new|typeof))\s*$/;
const opensBlock = /[:{([]\s*$/;
const closesBlock = /^\s*(?:[)\]}]|<\/|(?:end|fi|done|esac)\b)/;

export function insertionAt(place: CodePlace): Insertion {
  const { prefix, selection, suffix, languageId, indentation } = place;
  const facts = cursorFacts(prefix, selection + suffix, languageId, indentation);
  const lines = [...facts.precedingLines, facts.linePrefix + facts.lineSuffix, ...facts.followingLines];
  const layout: Layout = isBlank(selection)
    ? atCursor(selection, cursorFacts(prefix, suffix, languageId, indentation))
    : inPlaceOf(selection, facts.linePrefix);
  return {
    mostColumns: layout.columns,
    methodColumns: undefined,
    ...layout,
    eol: facts.eol,
    indentUnit: facts.indentation?.unit ?? (lines.some((line) => /^\s+\S/.test(line)) ? facts.indentUnit : undefined),
  };
}

type Layout = Pick<Insertion, "before" | "after" | "columns" | "givenColumns"> &
  Partial<Pick<Insertion, "mostColumns" | "methodColumns">>;

/** White space around the selected code stays as it is. */
function inPlaceOf(selection: string, linePrefix: string): Layout {
  const after = /\s*$/.exec(selection)![0];
  const [leading] = /^\s*/.exec(selection)!;
  const linesAbove = leading.slice(0, leading.lastIndexOf("\n") + 1);
  if (linesAbove !== "") {
    return { before: linesAbove, after, columns: indentColumns(leading.slice(linesAbove.length)), givenColumns: 0 };
  }
  if (isBlank(linePrefix)) {
    const columns = indentColumns(linePrefix + leading);
    return { before: "", after, columns, givenColumns: indentColumns(linePrefix) };
  }
  const columns = indentColumns(linePrefix);
  return { before: leading, after, columns, givenColumns: columns };
}

function atCursor(selection: string, facts: CursorFacts): Layout {
  const { linePrefix, lineSuffix, insertsLines } = facts;
  const given = indentColumns(linePrefix);
  const ending = selection.includes("\n") ? facts.eol : "";
  if (!isBlank(linePrefix)) {
    if (!isBlank(lineSuffix) || unfinished.test(linePrefix)) {
      const columns =
        given + (opensBlock.test(linePrefix) && isBlank(lineSuffix) ? indentColumns(facts.indentUnit) : 0);
      return { before: "", after: ending, columns, givenColumns: columns };
    }
    return { before: facts.eol, after: ending, columns: given, givenColumns: 0 };
  }
  if (!insertsLines) {
    const open = linePrefix === "" ? emptyLineColumns(facts) : { columns: given };
    return { before: "", after: ending, ...open, givenColumns: given };
  }
  const above = facts.precedingLines.length - 1 - facts.precedingLines.findLastIndex((line) => !isBlank(line));
  const separation = facts.precedingLines.some((line) => !isBlank(line)) ? facts.eol.repeat(above) : "";
  return {
    before: "",
    after: facts.eol + separation + linePrefix,
    columns: emptyLineColumns(facts).columns,
    givenColumns: given,
  };
}

const method = /^\s*(?:async\s+)?def\s+\w+\(\s*(?:self|cls)\b/;

/** A statement may stand between the nearest lines above and below at the deeper of the levels that both allow, or further in. */
function emptyLineColumns(facts: CursorFacts): Required<Pick<Layout, "columns" | "mostColumns" | "methodColumns">> {
  const { precedingLines, followingLines, indentUnit } = facts;
  const oneLevel = indentColumns(indentUnit);
  const above = precedingLines.findLast((line) => !isBlank(line)) ?? "";
  const below = followingLines.find((line) => !isBlank(line));
  const mostColumns = indentColumns(above) + (opensBlock.test(above) ? oneLevel : 0);
  const allowedBelow = below === undefined ? 0 : indentColumns(below) + (closesBlock.test(below) ? oneLevel : 0);
  const columns = opensBlock.test(above) && below === undefined ? mostColumns : Math.min(mostColumns, allowedBelow);
  const methods = precedingLines.findLast((line) => method.test(line));
  return { columns, mostColumns, methodColumns: methods === undefined ? undefined : indentColumns(methods) };
}

/** Whether the code is a method in a language that tells by its first parameter. */
export function isMethod(code: string): boolean {
  return method.test(code.split("\n").find((line) => !/^\s*(?:@|$)/.test(line)) ?? "");
}

import { documentIndentation, type EditorIndentation, editorUnit, type Indentation } from "./indentation.ts";
import { type LanguageFamily, languageFamily } from "./languages.ts";
import { firstLines, indentColumns, isBlank, lastLines } from "./lines.ts";
import { type Place, placeBetween } from "./placement.ts";

/** Lines of the document on either side of the cursor that the rules may look at. */
const linesAround = 64;

/** What the stop rules and the trimming know of the place where text will be inserted; lines carry no line ends. */
export interface CursorFacts {
  readonly family: LanguageFamily;
  /** The document's lines above the cursor's line, nearest last. */
  readonly precedingLines: readonly string[];
  /** Left of the cursor on its line. */
  readonly linePrefix: string;
  /** Right of the cursor on its line; empty where `insertsLines`. */
  readonly lineSuffix: string;
  /** The document's lines below the insertion, nearest first; begins with the cursor's own line where `insertsLines`. */
  readonly followingLines: readonly string[];
  /**
   * The cursor stands before the first character of a line that has content: what is inserted are whole lines above that
   * line, so it ends with a line break and the white space that `linePrefix` took from that line.
   */
  readonly insertsLines: boolean;
  /** "single" where something other than closing brackets follows the cursor: the completion ends with its line. */
  readonly mode: "single" | "multi";
  readonly eol: "\n" | "\r\n";
  /** What stands above and below, where indentation is syntax and the cursor's line has no code before the cursor. */
  readonly place: Place | undefined;
  /** One level of indentation as the document writes it: a tab or some spaces. */
  readonly indentUnit: string;
  /** What the text's own lines are to begin with; undefined where they are to stay as the model writes them. */
  readonly indentation: Indentation | undefined;
}

/** Closing brackets, quotes and tags, then at most the punctuation that ends or continues a statement. */
export const onlyClosers = /^\s*(?:[)\]}>"'`]|<\/[\w:.-]+>)*\s*[:{;,]?\s*$/;

/**
 * Describes the cursor between these two parts of a document of any size; `languageId` as VS Code names it, `editor` for a
 * document that does not show how it is indented.
 */
export function cursorFacts(
  documentPrefix: string,
  documentSuffix: string,
  languageId?: string,
  editor?: EditorIndentation,
): CursorFacts {
  const above = lastLines(documentPrefix, linesAround + 1);
  const below = firstLines(documentSuffix, linesAround + 1);
  const linePrefix = above.pop()!;
  const restOfLine = below.shift()!;
  const insertsLines = isBlank(linePrefix) && !isBlank(restOfLine);
  const currentLine = linePrefix + restOfLine;
  const lines = [...above, currentLine, ...below];
  const family = languageFamily(languageId, lines);
  const unit = indentUnit(lines);
  const multi = insertsLines || (onlyClosers.test(restOfLine) && !inLineComment(linePrefix, family));
  const followingLines = insertsLines ? [currentLine, ...below] : below;
  return {
    family,
    precedingLines: above,
    linePrefix,
    lineSuffix: insertsLines ? "" : restOfLine.trimEnd(),
    followingLines,
    insertsLines,
    place: family === "indentation" && isBlank(linePrefix) ? placeBetween(above, followingLines, family) : undefined,
    mode: multi ? "multi" : "single",
    eol: lineEnd(documentPrefix, documentSuffix),
    indentUnit: unit ?? (editor === undefined ? "    " : editorUnit(editor)),
    indentation: documentIndentation(lines, unit, editor, languageId),
  };
}

/** A comment that fills its line up to the cursor is finished, not turned into code. */
function inLineComment(linePrefix: string, family: LanguageFamily): boolean {
  if (family === "markup" || family === "prose") return false;
  return linePrefix.trimStart().startsWith(family === "braces" ? "//" : "#");
}

function lineEnd(documentPrefix: string, documentSuffix: string): "\n" | "\r\n" {
  const before = documentPrefix.lastIndexOf("\n");
  if (before >= 0) return documentPrefix[before - 1] === "\r" ? "\r\n" : "\n";
  const after = documentSuffix.indexOf("\n");
  return after > 0 && documentSuffix[after - 1] === "\r" ? "\r\n" : "\n";
}

function indentUnit(lines: readonly string[]): string | undefined {
  const steps = new Map<string, number>();
  let previous = 0;
  for (const line of lines) {
    if (isBlank(line)) continue;
    const columns = indentColumns(line);
    const step = line.startsWith("\t") ? "\t" : " ".repeat(Math.max(0, columns - previous));
    if (columns > previous && step.length <= 8) steps.set(step, (steps.get(step) ?? 0) + 1);
    previous = columns;
  }
  const ranked = [...steps].sort((a, b) => b[1] - a[1]);
  return ranked[0]?.[0];
}

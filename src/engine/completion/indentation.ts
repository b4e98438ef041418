import { indentColumns, isBlank, tabColumns, whiteSpace } from "./lines.ts";

/** What the tab key writes in an editor. */
export interface EditorIndentation {
  readonly insertSpaces: boolean;
  /** Columns between tab stops, and the number of spaces instead. */
  readonly tabSize: number;
}

/** How the lines of a document begin. */
export interface Indentation {
  /** One level: a tab or some spaces. */
  readonly unit: string;
  /** Columns between tab stops. */
  readonly tabSize: number;
}

/** Lines that begin with a tab may be so many times rarer than others in a document that is indented by tabs. */
const tabsPerExceptions = 4;

/**
 * Tabs or spaces, as the lines near the cursor have them, else as the editor is set. Undefined where nobody knows, and where
 * tabs mean something: among lines with spaces (aligned columns, GNU style) and in makefiles.
 * @param unit one level as the lines have it, if any of them is indented
 */
export function documentIndentation(
  lines: readonly string[],
  unit: string | undefined,
  editor: EditorIndentation | undefined,
  languageId: string | undefined,
): Indentation | undefined {
  if (languageId === "makefile") return undefined;
  const tabs = lines.filter((line) => line.startsWith("\t")).length;
  // One space aligns a comment's lines, and further ones may in a document with tabs.
  const spaces = lines.filter((line) => /^ {2,}\S/.test(line)).length;
  const tabSize = editor?.tabSize ?? tabColumns;
  if (tabs > spaces * tabsPerExceptions) return { unit: "\t", tabSize };
  if (tabs > 0) return undefined;
  if (spaces > 0 && unit !== undefined) return { unit, tabSize: unit.length };
  return editor === undefined ? undefined : { unit: editorUnit(editor), tabSize };
}

export function editorUnit({ insertSpaces, tabSize }: EditorIndentation): string {
  return insertSpaces ? " ".repeat(tabSize) : "\t";
}

/**
 * Gives the lines of a growing text the document's tabs or spaces. A line's white space is held back until something else
 * follows it, so that text once given out never changes. Lines that begin as the document's do stay as they are: what
 * follows the tabs there aligns something.
 */
export class IndentationStream {
  private held: string | undefined;
  /** Spaces of one level as the model writes it, once a line was seen that is indented further than one that is not at all. */
  private ownLevel: number | undefined;
  private isBelowUnindented: boolean;

  /** @param linePrefix what stands left of the text on its first line */
  constructor(
    private readonly indentation: Indentation | undefined,
    private linePrefix: string,
  ) {
    this.held = isBlank(linePrefix) ? "" : undefined;
    this.isBelowUnindented = /^\S/.test(linePrefix);
  }

  push(text: string): string {
    if (this.indentation === undefined) return text;
    let given = "";
    for (const char of text) {
      if (this.held !== undefined && (char === " " || char === "\t")) {
        this.held += char;
        continue;
      }
      const { held } = this;
      given += this.end() + char;
      if (held !== undefined && char !== "\n" && char !== "\r")
        this.isBelowUnindented = held === "" && this.linePrefix === "";
      this.held = undefined;
      if (char !== "\n") continue;
      this.held = "";
      this.linePrefix = "";
    }
    return given;
  }

  /** What is still held back when the text has ended. */
  end(): string {
    const held = this.held ?? "";
    this.held &&= "";
    return this.converted(held);
  }

  private converted(held: string): string {
    if (this.indentation === undefined) return held;
    const { unit, tabSize } = this.indentation;
    if (unit === "\t" ? !held.startsWith(" ") : !held.includes("\t")) return held;
    if (unit === "\t" && this.linePrefix === "" && !held.includes("\t")) return this.tabsFor(held.length, tabSize);
    const from = indentColumns(this.linePrefix, tabSize);
    return whiteSpace(from, indentColumns(this.linePrefix + held, tabSize), unit, tabSize);
  }

  /** A tab for each level, which need not be as wide for the model as a tab is in the editor. */
  private tabsFor(spaces: number, tabSize: number): string {
    if (this.isBelowUnindented && spaces > 1) this.ownLevel ??= spaces;
    return whiteSpace(0, spaces, "\t", this.ownLevel ?? tabSize);
  }
}

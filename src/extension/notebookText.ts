import { charactersAbove, charactersBelow, type Surroundings } from "./documentContext.ts";
import type { DocumentState } from "./documentState.ts";

/** A cell as its neighbours see it. */
export interface NotebookCell {
  readonly languageId: string;
  /** The cell's text, in its own line ends. */
  read(): string;
}

interface NeighbouringText {
  /** Whole cells above, each ended by a line end; may be empty. */
  readonly before: string;
  /** Whole cells below, each begun by a line end. */
  readonly after: string;
  /** Index of the first cell in `before`. */
  readonly firstCell: number;
}

/** All cells of a notebook and which of them the cursor is in. */
export interface Cells {
  readonly cells: readonly NotebookCell[];
  /** -1 while the cell is not known to be in a notebook. */
  readonly index: number;
}

/** The text around the cursor, with the cells above and below where the document is a cell of a notebook. */
export function notebookState(
  cell: Surroundings,
  notebook: Cells | undefined,
  eol: "\n" | "\r\n",
): Pick<DocumentState, "start" | "prefix" | "suffix"> {
  const { start, prefix, suffix } = cell;
  if (notebook === undefined || notebook.index < 0) return { start, prefix, suffix };
  const limits = { before: charactersAbove / 2, after: charactersBelow };
  const { before, after, firstCell } = neighbouringText(notebook.cells, notebook.index, eol, limits);
  return {
    start: `${start}#${firstCell}`,
    prefix: cell.fromTop ? before + prefix : prefix,
    suffix: cell.toEnd ? suffix + after : suffix,
  };
}

/** The cells of the same language around one of them, nearest first as far as `characters` allow on either side. */
function neighbouringText(
  cells: readonly NotebookCell[],
  index: number,
  eol: "\n" | "\r\n",
  characters: { readonly before: number; readonly after: number },
): NeighbouringText {
  const languageId = cells[index]?.languageId;
  let [before, after, firstCell] = ["", "", index];
  for (let at = index - 1; at >= 0; at--) {
    if (cells[at]!.languageId !== languageId) continue;
    const text = withLineEnds(cells[at]!.read(), eol) + eol;
    if (before.length + text.length > characters.before) break;
    before = text + before;
    firstCell = at;
  }
  for (let at = index + 1; at < cells.length; at++) {
    if (cells[at]!.languageId !== languageId) continue;
    const text = eol + withLineEnds(cells[at]!.read(), eol);
    if (after.length + text.length > characters.after) break;
    after += text;
  }
  return { before, after, firstCell };
}

function withLineEnds(text: string, eol: "\n" | "\r\n"): string {
  return text.replace(/\r\n?|\n/g, eol);
}

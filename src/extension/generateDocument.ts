import * as vscode from "vscode";
import type { OffsetRange } from "./generateRange.ts";
import type { ReviewedDocument } from "./generateReview.ts";

/** A document of the editor as a review edits it. */
export function reviewedDocument(document: vscode.TextDocument): ReviewedDocument {
  return {
    textIn: (range) => document.getText(rangeIn(document, range)),
    async replace(range, text, undo) {
      const place = rangeIn(document, range);
      const editor = vscode.window.visibleTextEditors.find((visible) => visible.document === document);
      if (editor !== undefined) {
        return await editor.edit((edit) => edit.replace(place, text), {
          undoStopBefore: undo.before,
          undoStopAfter: undo.after,
        });
      }
      // Only a visible editor can join edits into one step of the undo history.
      const edit = new vscode.WorkspaceEdit();
      edit.replace(document.uri, place, text);
      return await vscode.workspace.applyEdit(edit);
    },
  };
}

export function rangeIn(document: vscode.TextDocument, { start, end }: OffsetRange): vscode.Range {
  return new vscode.Range(document.positionAt(start), document.positionAt(end));
}

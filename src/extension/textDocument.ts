import * as vscode from "vscode";
import { type EditorIndentation, longestTab } from "../protocol/messages.ts";
import type { TextSource } from "./documentContext.ts";
import type { EditorFacts } from "./requestPolicy.ts";

/** A document as its lines; nothing is copied. */
export function textSourceOf(document: vscode.TextDocument): TextSource {
  return {
    lineCount: document.lineCount,
    eol: document.eol === vscode.EndOfLine.CRLF ? "\r\n" : "\n",
    lineAt: (line) => document.lineAt(line).text,
  };
}

/** What a document's editor is like; its cursors where it is the active one. */
export function editorFacts(document: vscode.TextDocument): EditorFacts {
  const editor = vscode.window.activeTextEditor;
  const selections = editor?.document === document ? editor.selections : [];
  return {
    scheme: document.uri.scheme,
    path: document.uri.path,
    languageId: document.languageId,
    readOnly: vscode.workspace.fs.isWritableFileSystem(document.uri.scheme) === false,
    cursors: selections.length,
    hasSelection: selections.some((selection) => !selection.isEmpty),
  };
}

/** As the editor shows it in its status bar: detected, by settings, or chosen there. Undefined for a document in no editor. */
export function editorIndentation(document: vscode.TextDocument): EditorIndentation | undefined {
  const { activeTextEditor, visibleTextEditors } = vscode.window;
  const editor = [activeTextEditor, ...visibleTextEditors].find((candidate) => candidate?.document === document);
  const { insertSpaces, tabSize } = editor?.options ?? {};
  if (typeof insertSpaces !== "boolean" || typeof tabSize !== "number" || tabSize > longestTab) return undefined;
  return { insertSpaces, tabSize };
}

/** Relative to the workspace, with "/"; with the folder's name where there are several. Undefined outside of it. */
export function pathInWorkspace(uri: vscode.Uri): string | undefined {
  return vscode.workspace.getWorkspaceFolder(uri) === undefined ? undefined : vscode.workspace.asRelativePath(uri);
}

/** Paths of the workspace's folders. */
export function folderPaths(): string[] {
  return (vscode.workspace.workspaceFolders ?? []).map(({ uri }) => uri.fsPath);
}

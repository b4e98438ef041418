import * as vscode from "vscode";
import type { TextSource } from "./documentContext.ts";

/** A document as its lines; nothing is copied. */
export function textSourceOf(document: vscode.TextDocument): TextSource {
  return {
    lineCount: document.lineCount,
    eol: document.eol === vscode.EndOfLine.CRLF ? "\r\n" : "\n",
    lineAt: (line) => document.lineAt(line).text,
  };
}

/** Relative to the workspace, with "/"; with the folder's name where there are several. Undefined outside of it. */
export function pathInWorkspace(uri: vscode.Uri): string | undefined {
  return vscode.workspace.getWorkspaceFolder(uri) === undefined ? undefined : vscode.workspace.asRelativePath(uri);
}

/** Paths of the workspace's folders. */
export function folderPaths(): string[] {
  return (vscode.workspace.workspaceFolders ?? []).map(({ uri }) => uri.fsPath);
}

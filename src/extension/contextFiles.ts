import * as vscode from "vscode";
import type { GitIgnores } from "./gitIgnores.ts";
import { isPrivate } from "./privateFiles.ts";

/** The part of the built-in git extension's interface that is used here. */
interface GitInterface {
  readonly state: "uninitialized" | "initialized";
  getRepository(uri: vscode.Uri): { checkIgnore?(paths: string[]): Promise<ReadonlySet<string>> } | null;
}

/** Documents that have nothing to do with the user's files. */
const readableSchemes = new Set(["file", "vscode-remote", "vscode-vfs", "vscode-notebook-cell"]);

/** Whether pieces of a document may be used in other files: trusted, in the workspace, not secret, not ignored, not excluded. */
export async function mayBeContext(
  document: vscode.TextDocument,
  git: Pick<GitIgnores, "isIgnored">,
  isTrusted = vscode.workspace.isTrusted,
): Promise<boolean> {
  const { uri } = document;
  if (!isTrusted || !readableSchemes.has(uri.scheme) || isPrivate(uri.path)) return false;
  const folder = vscode.workspace.getWorkspaceFolder(uri);
  return folder !== undefined && !isExcluded(document, folder) && !(await isGitIgnored(uri, git));
}

function isExcluded(document: vscode.TextDocument, folder: vscode.WorkspaceFolder): boolean {
  const excluded = vscode.workspace.getConfiguration("files", document.uri).get<Record<string, unknown>>("exclude", {});
  return Object.entries(excluded).some(([glob, value]) => {
    if (value === false) return false;
    // A glob that names a folder stands for all that is in it.
    const patterns = [glob, `${glob}/**`].map((pattern) => new vscode.RelativePattern(folder, pattern));
    return patterns.some((pattern) => vscode.languages.match({ pattern }, document) > 0);
  });
}

/** Files of this machine; the path of others says nothing here. */
const localSchemes = new Set(["file", "vscode-notebook-cell"]);

async function isGitIgnored(uri: vscode.Uri, git: Pick<GitIgnores, "isIgnored">): Promise<boolean> {
  const answer = localSchemes.has(uri.scheme) ? await git.isIgnored(uri.fsPath) : undefined;
  return answer ?? (await isIgnoredForExtension(uri));
}

/**
 * What the editor's own git extension says, which may know a git that is not on PATH. A file of a repository that cannot be
 * asked counts as ignored.
 */
async function isIgnoredForExtension(uri: vscode.Uri): Promise<boolean> {
  const extension = vscode.extensions.getExtension<{ readonly enabled: boolean; getAPI(version: 1): GitInterface }>(
    "vscode.git",
  );
  if (extension === undefined) return false;
  try {
    const exported = extension.isActive ? extension.exports : await extension.activate();
    if (!exported.enabled) return false;
    const git = exported.getAPI(1);
    if (git.state !== "initialized") return true;
    const repository = git.getRepository(uri);
    if (repository === null) return false;
    return (await repository.checkIgnore?.([uri.fsPath]))?.has(uri.fsPath) ?? true;
  } catch {
    return true;
  }
}

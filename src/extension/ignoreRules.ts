import { basename, dirname, join } from "node:path";
import * as vscode from "vscode";
import { type GitIgnores, repositoryOf } from "./gitIgnores.ts";

/**
 * Says where git's rules about ignored files have changed: in the workspace; above it, as far as the repositories of the files reach
 * that the user works with; and where those keep rules elsewhere.
 */
export class IgnoreRules implements vscode.Disposable {
  private readonly inWorkspace: vscode.Disposable;
  /** What is watched elsewhere, by the file of rules and the folder that they are about. */
  private readonly elsewhere = new Map<string, vscode.Disposable>();
  /** Repositories whose files of rules are known, or being asked for. */
  private readonly roots = new Map<string, Promise<void>>();
  private isDisposed = false;

  /** @param changed hears of the folder whose files the rules are about */
  constructor(
    private readonly git: Pick<GitIgnores, "ruleFiles">,
    private readonly changed: (folder: vscode.Uri) => void,
  ) {
    this.inWorkspace = this.watch("**/.gitignore", (rules) => vscode.Uri.joinPath(rules, ".."));
  }

  dispose(): void {
    this.isDisposed = true;
    this.inWorkspace.dispose();
    this.forget();
  }

  /** Watches nothing outside of the workspace's folders any more, until it is told of files again: the folders are others. */
  forget(): void {
    for (const watcher of this.elsewhere.values()) watcher.dispose();
    this.elsewhere.clear();
    this.roots.clear();
  }

  /**
   * To be told of every file in the workspace of which pieces may be kept, before git is asked about it: what changes between its answer
   * and the first watch would never be heard of. Runs git in the file's repository. Never rejects.
   */
  async watchFor(file: vscode.Uri): Promise<void> {
    const folder = vscode.workspace.getWorkspaceFolder(file);
    const root = file.scheme === "file" ? await repositoryOf(dirname(file.fsPath)) : undefined;
    if (folder === undefined || root === undefined) return;
    for (const above of foldersAbove(folder.uri.fsPath, root)) this.watchFile(join(above, ".gitignore"), above);
    let known = this.roots.get(root);
    if (known === undefined) {
      known = this.watchRepository(root);
      this.roots.set(root, known);
    }
    await known;
  }

  private async watchRepository(root: string): Promise<void> {
    for (const rules of await this.git.ruleFiles(root)) this.watchFile(rules, root);
  }

  /** @param about the folder that the rules are about */
  private watchFile(rules: string, about: string): void {
    const key = `${rules}\0${about}`;
    if (this.isDisposed || this.elsewhere.has(key)) return;
    const pattern = new vscode.RelativePattern(vscode.Uri.file(dirname(rules)), basename(rules));
    this.elsewhere.set(
      key,
      this.watch(pattern, () => vscode.Uri.file(about)),
    );
  }

  private watch(pattern: vscode.GlobPattern, about: (rules: vscode.Uri) => vscode.Uri): vscode.Disposable {
    const watcher = vscode.workspace.createFileSystemWatcher(pattern);
    const tell = (rules: vscode.Uri) => this.changed(about(rules));
    watcher.onDidCreate(tell);
    watcher.onDidChange(tell);
    watcher.onDidDelete(tell);
    return watcher;
  }
}

/** The folders above one up to a repository's; none where the repository begins in it or below. */
function foldersAbove(folder: string, root: string): string[] {
  const above: string[] = [];
  for (let at = folder; at !== root && at.startsWith(root); ) {
    at = dirname(at);
    above.push(at);
  }
  return above;
}

import { dirname, join } from "node:path";
import * as vscode from "vscode";
import { repositoryOf } from "./gitIgnores.ts";

/** Says where git's rules about ignored files have changed: in the workspace, and above it as far as its repositories reach. */
export class IgnoreRules implements vscode.Disposable {
  private readonly subscriptions: vscode.Disposable[];
  private above: readonly vscode.Disposable[] = [];
  private isDisposed = false;

  /** @param changed hears of the folder whose files the rules are about */
  constructor(private readonly changed: (folder: vscode.Uri) => void) {
    this.subscriptions = [
      this.watch("**/.gitignore", ".."),
      this.watch("**/.git/info/exclude", "../../.."),
      vscode.workspace.onDidChangeWorkspaceFolders(() => void this.watchAbove()),
    ];
    void this.watchAbove();
  }

  dispose(): void {
    this.isDisposed = true;
    for (const subscription of [...this.subscriptions, ...this.above]) subscription.dispose();
  }

  private async watchAbove(): Promise<void> {
    const folders = (vscode.workspace.workspaceFolders ?? []).filter(({ uri }) => uri.scheme === "file");
    const found = await Promise.all(folders.map(({ uri }) => rulesAbove(uri.fsPath)));
    if (this.isDisposed) return;
    for (const watcher of this.above) watcher.dispose();
    this.above = found.flat().map(({ folder, file, way }) => {
      return this.watch(new vscode.RelativePattern(vscode.Uri.file(folder), file), way);
    });
  }

  /** @param way from the file of rules to the folder they are about */
  private watch(files: vscode.GlobPattern, way: string): vscode.Disposable {
    const watcher = vscode.workspace.createFileSystemWatcher(files);
    const tell = (uri: vscode.Uri) => this.changed(vscode.Uri.joinPath(uri, way));
    watcher.onDidCreate(tell);
    watcher.onDidChange(tell);
    watcher.onDidDelete(tell);
    return watcher;
  }
}

/** The files of rules that stand above a folder, where it is a part of a repository. */
async function rulesAbove(folder: string) {
  const root = await repositoryOf(folder);
  if (root === undefined) return [];
  const rules = [{ folder: join(root, ".git", "info"), file: "exclude", way: "../../.." }];
  for (let above = folder; above !== root; ) {
    above = dirname(above);
    rules.push({ folder: above, file: ".gitignore", way: ".." });
  }
  return rules;
}

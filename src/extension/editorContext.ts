import * as vscode from "vscode";
import { type EditorKind, editorKind } from "./requestPolicy.ts";
import { editorFacts } from "./textDocument.ts";

/** Keeps `jakiro.editor`, by which the manifest enables commands: the kind of the active text editor, nothing where there is none. */
export class EditorContext implements vscode.Disposable {
  private readonly subscriptions: vscode.Disposable[];
  private kind: EditorKind | undefined;

  constructor() {
    const update = () => this.update();
    this.subscriptions = [
      vscode.window.onDidChangeActiveTextEditor(update),
      // A document that is given another language is opened again.
      vscode.workspace.onDidOpenTextDocument(update),
    ];
    this.update();
  }

  dispose(): void {
    for (const subscription of this.subscriptions) subscription.dispose();
  }

  private update(): void {
    const document = vscode.window.activeTextEditor?.document;
    const kind = document && editorKind(editorFacts(document));
    if (kind === this.kind) return;
    this.kind = kind;
    void vscode.commands.executeCommand("setContext", "jakiro.editor", kind);
  }
}

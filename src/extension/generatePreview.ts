import * as vscode from "vscode";
import { rangeIn } from "./generateDocument.ts";
import type { GenerationReview } from "./generateReview.ts";
import type { Localizer } from "./localizer.ts";

/** A review and the document it is in. */
export interface ActiveReview {
  readonly review: GenerationReview;
  readonly document: vscode.TextDocument;
}

/** Shows generated code that waits for a decision: its lines are marked, and what can be done stands above them. */
export class GenerationPreview implements vscode.CodeLensProvider, vscode.Disposable {
  private readonly decoration = vscode.window.createTextEditorDecorationType({
    isWholeLine: true,
    backgroundColor: new vscode.ThemeColor("diffEditor.insertedLineBackground"),
    overviewRulerColor: new vscode.ThemeColor("editorOverviewRuler.addedForeground"),
    overviewRulerLane: vscode.OverviewRulerLane.Left,
  });
  private readonly lensesChanged = new vscode.EventEmitter<void>();
  private readonly subscriptions: vscode.Disposable[];
  private active: ActiveReview | undefined;
  readonly onDidChangeCodeLenses = this.lensesChanged.event;

  constructor(private readonly l10n: Localizer) {
    this.subscriptions = [
      vscode.languages.registerCodeLensProvider({ pattern: "**" }, this),
      vscode.window.onDidChangeVisibleTextEditors(() => this.decorate()),
    ];
  }

  /** Draws what is to be seen of the review now; undefined takes everything away. */
  show(active: ActiveReview | undefined): void {
    this.active = active;
    this.decorate();
    this.lensesChanged.fire();
    const is = (state: string) => active?.review.state === state;
    setContext("jakiro.generating", is("generating"));
    setContext("jakiro.reviewing", is("reviewing"));
    setContext("jakiro.reviewed", active === undefined ? [] : pathsOf(active.document.uri));
  }

  provideCodeLenses(document: vscode.TextDocument): vscode.CodeLens[] {
    if (this.active?.document !== document) return [];
    const { review } = this.active;
    const range = rangeIn(document, review.range);
    const lens = (title: string, command: string) =>
      new vscode.CodeLens(new vscode.Range(range.start, range.start), { title, command });
    const { l10n } = this;
    switch (review.state) {
      case "generating":
        return [lens(`$(loading~spin) ${l10n.t("Generating: Cancel")}`, "jakiro.generate.cancel")];
      case "reviewing":
        return [
          lens(`$(check) ${l10n.t("Accept")}`, "jakiro.generate.accept"),
          lens(`$(discard) ${l10n.t("Reject")}`, "jakiro.generate.reject"),
          lens(`$(refresh) ${l10n.t("Retry")}`, "jakiro.generate.retry"),
          lens(`$(edit) ${l10n.t("Change Instruction")}`, "jakiro.generate.change"),
        ];
      default:
        return [];
    }
  }

  dispose(): void {
    this.show(undefined);
    for (const subscription of [...this.subscriptions, this.decoration, this.lensesChanged]) subscription.dispose();
  }

  private decorate(): void {
    for (const editor of vscode.window.visibleTextEditors) {
      const shown = this.active !== undefined && editor.document === this.active.document;
      editor.setDecorations(this.decoration, shown ? this.marks(this.active!) : []);
    }
  }

  /** What the code replaces is shown where the mouse rests on it. */
  private marks({ review, document }: ActiveReview): vscode.DecorationOptions[] {
    const range = rangeIn(document, review.range);
    if (range.isEmpty) return [];
    if (review.original.trim() === "") return [{ range }];
    const hover = new vscode.MarkdownString(this.l10n.t("Replaces:"));
    hover.appendCodeblock(review.original, document.languageId);
    return [{ range, hoverMessage: hover }];
  }
}

/** What `resourcePath` may be where this document is shown: a remote window has another scheme for it, and with that another path. */
function pathsOf({ fsPath, path }: vscode.Uri): string[] {
  return [fsPath, path];
}

function setContext(key: string, value: boolean | readonly string[]): void {
  void vscode.commands.executeCommand("setContext", key, value);
}

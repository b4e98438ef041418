import * as vscode from "vscode";
import type { EngineAccess } from "./engine.ts";
import { noteText } from "./engineWords.ts";
import { commentInstruction } from "./generateComment.ts";
import { reviewedDocument } from "./generateDocument.ts";
import { readHistory, remember } from "./generateHistory.ts";
import { askInstruction } from "./generateInput.ts";
import { type ActiveReview, GenerationPreview } from "./generatePreview.ts";
import { longestAnswer, placeIn } from "./generateRequest.ts";
import { type Ask, GenerationReview } from "./generateReview.ts";
import type { Localizer } from "./localizer.ts";
import { isPrivate } from "./privateFiles.ts";
import { editorIndentation, pathInWorkspace, textSourceOf } from "./textDocument.ts";

/** What generating code needs of the extension. */
export interface GenerationServices {
  readonly engine: EngineAccess;
  /** Where instructions are remembered: `globalState`. */
  readonly memory: vscode.Memento;
  readonly l10n: Localizer;
  /** Leads to a model where none was chosen yet; false where the user left. */
  setUp(): Promise<boolean>;
}

const historyKey = "jakiro.instructions";

/** What was asked, so that it can be asked again. */
interface Request {
  readonly instruction: string;
  readonly range: vscode.Range;
}

/** `retries` of the instruction so far: each has a seed of its own. */
type Generation = ActiveReview & { instruction: string; retries: number };

/** The palette's `Generate …` commands; one generation at a time, which stays until it is accepted or rejected. */
export class GenerateCommands implements vscode.Disposable {
  private readonly preview: GenerationPreview;
  private readonly subscriptions: vscode.Disposable[];
  private active: Generation | undefined;

  constructor(private readonly services: GenerationServices) {
    this.preview = new GenerationPreview(services.l10n);
    const command = (id: string, run: () => Promise<void> | void) => vscode.commands.registerCommand(id, run);
    this.subscriptions = [
      this.preview,
      command("jakiro.generate", () => this.fromInstruction()),
      command("jakiro.generateFromComment", () => this.fromComment()),
      command("jakiro.generate.accept", () => this.active?.review.accept()),
      command("jakiro.generate.reject", () => this.active?.review.reject()),
      command("jakiro.generate.retry", () => this.retry()),
      command("jakiro.generate.change", () => this.changeInstruction()),
      command("jakiro.generate.cancel", () => this.active?.review.cancel()),
      vscode.workspace.onDidChangeTextDocument((event) => this.documentChanged(event)),
      vscode.workspace.onDidCloseTextDocument((document) => {
        if (document === this.active?.document) this.active.review.close();
      }),
    ];
  }

  dispose(): void {
    this.active?.review.close();
    for (const subscription of this.subscriptions) subscription.dispose();
  }

  private async fromInstruction(): Promise<void> {
    const editor = await this.editorToWriteIn();
    if (editor === undefined) return;
    const range = new vscode.Range(editor.selection.start, editor.selection.end);
    const instruction = await this.instruction(!range.isEmpty);
    if (instruction !== undefined) await this.generate(editor.document, { instruction, range });
  }

  private async fromComment(): Promise<void> {
    const editor = await this.editorToWriteIn();
    if (editor === undefined) return;
    const { document, selection } = editor;
    const found = commentInstruction(textSourceOf(document), selection.active.line, document.languageId);
    if (found === undefined) {
      this.tell(this.services.l10n.t("Put the cursor on or below a comment that says what the code is to do."));
      return;
    }
    const { end } = document.lineAt(found.lastLine).range;
    await this.generate(document, { instruction: found.instruction, range: new vscode.Range(end, end) });
  }

  private async retry(): Promise<void> {
    const { active } = this;
    if (active === undefined || active.review.state !== "reviewing") return;
    active.retries += 1;
    await active.review.generate(this.asking(active));
  }

  private async changeInstruction(): Promise<void> {
    const { active } = this;
    if (active === undefined || active.review.state !== "reviewing") return;
    const instruction = await this.instruction(active.review.original.trim() !== "", active.instruction);
    if (instruction === undefined || active.review.ended) return;
    active.instruction = instruction;
    active.retries = 0;
    await active.review.generate(this.asking(active));
  }

  private async generate(document: vscode.TextDocument, { instruction, range }: Request): Promise<void> {
    const { l10n } = this.services;
    const offsets = { start: document.offsetAt(range.start), end: document.offsetAt(range.end) };
    const review: GenerationReview = new GenerationReview(reviewedDocument(document), offsets, {
      changed: () => this.refresh(review),
      tell: (kind, message) => this.tell(message, kind),
      wasCut: l10n.t("The generated code became too long and was cut: its end is missing."),
      nothingWritten: l10n.t("The model wrote no code for this instruction; put it in other words."),
    });
    this.active = { review, document, instruction, retries: 0 };
    await review.generate(this.asking(this.active));
  }

  /** The same request would get the same answer again; a retry draws another one. */
  private asking({ document, review, instruction, retries }: Generation): Ask {
    const path = pathInWorkspace(document.uri);
    const place = placeIn(document.getText(), review.range, review.original);
    return async (token, onText) => {
      const indentation = editorIndentation(document);
      const answer = await this.services.engine.generate(
        {
          ...place,
          ...(path === undefined ? {} : { path }),
          ...(indentation === undefined ? {} : { indentation }),
          languageId: document.languageId,
          // The instruction says what matters; reading other files first would only delay the answer.
          snippets: [],
          instruction,
          maxTokens: longestAnswer(review.original),
          ...(retries === 0 ? {} : { seed: retries }),
        },
        token,
        onText,
      );
      if (answer === undefined) return undefined;
      const note = noteText(answer.notes, this.services.l10n);
      return { text: answer.text, cut: answer.cut, ...(note === undefined ? {} : { note }) };
    };
  }

  private refresh(review: GenerationReview): void {
    if (this.active?.review !== review) return;
    if (review.ended) this.active = undefined;
    this.preview.show(this.active);
  }

  private documentChanged({ document, contentChanges }: vscode.TextDocumentChangeEvent): void {
    if (document !== this.active?.document || contentChanges.length === 0) return;
    this.active.review.documentChanged(
      contentChanges.map(({ rangeOffset, rangeLength, text }) => ({ offset: rangeOffset, length: rangeLength, text })),
    );
  }

  /** Undefined where code cannot be generated now; the user has been told why. */
  private async editorToWriteIn(): Promise<vscode.TextEditor | undefined> {
    const { engine, l10n, setUp } = this.services;
    const editor = vscode.window.activeTextEditor;
    if (editor === undefined) return this.refuse(l10n.t("Open a file to generate code in it."));
    if (this.active !== undefined) return this.refuse(l10n.t("Accept or reject the generated code first."));
    if (isPrivate(editor.document.uri.path)) {
      return this.refuse(l10n.t("Jakiro reads no files that hold secrets, so it generates nothing in them."));
    }
    if (engine.state.kind === "noModel" && !(await setUp())) return undefined;
    return editor;
  }

  private refuse(message: string): undefined {
    this.tell(message);
    return undefined;
  }

  private async instruction(selection: boolean, value = ""): Promise<string | undefined> {
    const { memory, l10n } = this.services;
    const history = readHistory(memory.get(historyKey));
    const instruction = await askInstruction(history, l10n, { selection, value });
    if (instruction !== undefined) await memory.update(historyKey, remember(history, instruction));
    return instruction;
  }

  private tell(message: string, kind: "note" | "failure" = "note"): void {
    if (kind === "note") void vscode.window.showInformationMessage(message);
    else void vscode.window.showErrorMessage(message);
  }
}

import * as vscode from "vscode";
import type { WarmParams } from "../protocol/messages.ts";
import { Acceptance, type AcceptanceCounts } from "./acceptance.ts";
import { systemClock } from "./clock.ts";
import { type Ask, type AskedPlace, Completer, type Offer } from "./completer.ts";
import { ContextGathering } from "./contextGathering.ts";
import { readSurroundings, type SelectedText } from "./documentContext.ts";
import type { EngineAccess } from "./engine.ts";
import { itemRange } from "./itemRange.ts";
import { notebookState } from "./notebookText.ts";
import { refusalByEditor, refusalByEngine } from "./requestPolicy.ts";
import { readSettings, type Settings } from "./settings.ts";
import type { SnippetPlace } from "./snippetChoice.ts";
import { SuggestionLog } from "./suggestionLog.ts";
import { editorFacts, editorIndentation, pathInWorkspace, textSourceOf } from "./textDocument.ts";

/** Run by the editor after it has inserted an item, with the item's id. */
const acceptedCommand = "jakiro.accepted";

/** Ghost text: asks the `Completer` and tells it what happens in the editor. */
export class InlineCompletions implements vscode.InlineCompletionItemProvider, vscode.Disposable {
  readonly log = new SuggestionLog();
  private readonly countsChanged = new vscode.EventEmitter<AcceptanceCounts>();
  /** What became of the suggestions, after every change. */
  readonly onCounts = this.countsChanged.event;
  private readonly answered = new vscode.EventEmitter<number>();
  /** After every request, with the number of items that were returned. */
  readonly onAnswered = this.answered.event;
  readonly acceptance = new Acceptance(systemClock, (counts) => this.countsChanged.fire(counts));
  readonly completer: Completer;
  private readonly gathering: ContextGathering;
  private readonly subscriptions: vscode.Disposable[];
  /** Reading them anew takes longer than all else that a keystroke needs of the editor. */
  private settings = new WeakMap<vscode.TextDocument, { readonly languageId: string; readonly settings: Settings }>();
  /** What the editor asks next is because we said that there is an answer now, not because the user wants alternatives. */
  private ownTrigger: object | undefined;
  /** While true, suggestions appear only when they are asked for. */
  isPaused = false;

  constructor(private readonly engine: EngineAccess) {
    this.completer = new Completer(engine, this.log, systemClock, vscode.window.state.focused);
    this.gathering = new ContextGathering(engine, {
      isReady: () => engine.state.kind === "ready",
      isIdleFor: (ms) => this.completer.isIdleFor(ms) && engine.state.kind === "ready" && !engine.state.busy,
      wantsOtherFiles: (document) => this.settingsFor(document).contextFromOtherFiles,
      placeIn: (editor) => this.snippetPlace(editor),
      contextIsGone: () => this.completer.invalidate(),
    });
    const { window, workspace } = vscode;
    this.subscriptions = [
      this.countsChanged,
      this.answered,
      this.gathering,
      vscode.languages.registerInlineCompletionItemProvider({ pattern: "**" }, this),
      vscode.commands.registerCommand(acceptedCommand, (id: unknown) => this.accepted(id)),
      window.onDidChangeTextEditorSelection(({ textEditor }) => {
        if (textEditor === window.activeTextEditor) this.moved(textEditor);
      }),
      window.onDidChangeActiveTextEditor((editor) => this.moved(editor)),
      window.onDidChangeWindowState(({ focused }) => {
        this.completer.looksAhead = focused;
      }),
      workspace.onDidChangeTextDocument((event) => this.edited(event)),
      workspace.onDidChangeConfiguration((event) => {
        if (!event.affectsConfiguration("jakiro") && !event.affectsConfiguration("files.exclude")) return;
        this.settings = new WeakMap();
        this.completer.invalidate();
        this.gathering.forget();
      }),
    ];
  }

  dispose(): void {
    this.completer.invalidate();
    for (const subscription of this.subscriptions) subscription.dispose();
  }

  async provideInlineCompletionItems(
    document: vscode.TextDocument,
    position: vscode.Position,
    context: vscode.InlineCompletionContext,
    token: vscode.CancellationToken,
  ): Promise<vscode.InlineCompletionItem[]> {
    const selected = selectedText(context);
    const isInvoked = context.triggerKind === vscode.InlineCompletionTriggerKind.Invoke;
    const isManual = isInvoked && this.ownTrigger === undefined;
    // The answer may take long, and the user may ask for alternatives meanwhile.
    if (isInvoked) this.ownTrigger = undefined;
    const settings = this.settingsFor(document);
    const ask: Ask = {
      editor: editorFacts(document),
      trigger: isManual ? "manual" : "automatic",
      settings,
      isPaused: this.isPaused,
      read: () => (selected === "unusable" ? undefined : read(document, position, selected)),
      path: pathInWorkspace(document.uri),
      snippets: () => this.gathering.snippetsFor(placeAt(document, position, settings)),
      isCurrent: isCurrent(document, position),
      offerAgain: () => void this.offerAgain(),
    };
    const offer = await this.completer.provide(ask, token);
    const wanted = offer !== undefined && !token.isCancellationRequested && selected !== "unusable";
    const items = wanted ? this.items(offer, document, position, selected) : [];
    this.answered.fire(items.length);
    return items;
  }

  /** What a completion in an editor that is looked at would read; undefined where none would be asked for while typing. */
  lookedAt(): WarmParams | undefined {
    const { activeTextEditor, visibleTextEditors } = vscode.window;
    for (const editor of [activeTextEditor, ...visibleTextEditors]) {
      const place = editor && this.snippetPlace(editor);
      if (place !== undefined) return { ...place.read(), snippets: this.gathering.snippetsFor(place) };
    }
    return undefined;
  }

  private async offerAgain(): Promise<void> {
    const trigger = {};
    this.ownTrigger = trigger;
    try {
      await vscode.commands.executeCommand("editor.action.inlineSuggest.trigger");
    } finally {
      // The editor asks nobody where it may not suggest.
      if (this.ownTrigger === trigger) this.ownTrigger = undefined;
    }
  }

  private items(
    { state, texts, closed }: Offer,
    document: vscode.TextDocument,
    position: vscode.Position,
    selected: SelectedText | undefined,
  ): vscode.InlineCompletionItem[] {
    const from = selected?.start ?? position;
    const behind = selected?.end ?? position;
    const line = document.lineAt(position.line).text;
    const place = { linePrefix: line.slice(0, from.character), restOfLine: line.slice(behind.character), closed };
    const ids = this.acceptance.offered(
      texts.map((text) => ({ state, text, line: from.line, character: from.character + (selected?.text.length ?? 0) })),
    );
    return texts.map((text, index) => {
      const { insertText, before, after } = itemRange(text, {
        ...place,
        ...(selected === undefined ? {} : { selectedText: selected.text }),
      });
      const range = new vscode.Range(from.line, from.character - before, behind.line, behind.character + after);
      const command = { command: acceptedCommand, title: "", arguments: [ids[index]] };
      return new vscode.InlineCompletionItem(insertText, range, command);
    });
  }

  private accepted(id: unknown): void {
    const item = typeof id === "number" ? this.acceptance.itemOf(id) : undefined;
    const document = vscode.workspace.textDocuments.find(({ uri }) => uri.toString() === item?.state.uri);
    if (typeof id !== "number" || item === undefined || document === undefined) return;
    this.acceptance.acceptedAt(id, document.offsetAt(new vscode.Position(item.line, item.character)));
  }

  private edited({ document, contentChanges, reason }: vscode.TextDocumentChangeEvent): void {
    const uri = document.uri.toString();
    for (const { range, rangeOffset, rangeLength, text } of contentChanges)
      this.acceptance.edited({
        uri,
        offset: rangeOffset,
        removed: rangeLength,
        text,
        line: range.start.line,
        character: range.start.character,
        undoing: reason !== undefined,
      });
  }

  private moved(editor: vscode.TextEditor | undefined): void {
    this.completer.moved(() =>
      editor?.selections.length !== 1 || !editor.selection.isEmpty
        ? undefined
        : read(editor.document, editor.selection.active).state,
    );
  }

  private settingsFor(document: vscode.TextDocument): Settings {
    const { languageId } = document;
    const known = this.settings.get(document);
    if (known?.languageId === languageId) return known.settings;
    const settings = readSettings(vscode.workspace.getConfiguration("jakiro", document));
    this.settings.set(document, { languageId, settings });
    return settings;
  }

  /** Undefined where no completion would be asked for while typing. */
  private snippetPlace({ document, selection }: vscode.TextEditor): SnippetPlace | undefined {
    if (this.isPaused) return undefined;
    const settings = this.settingsFor(document);
    const facts = { ...editorFacts(document), cursors: 1, hasSelection: false };
    const refused = refusalByEditor(facts, settings, "automatic") ?? refusalByEngine(this.engine.state);
    return refused === undefined ? placeAt(document, selection.active, settings) : undefined;
  }
}

/** Whether the cursor still stands there, in the same text. */
function isCurrent(document: vscode.TextDocument, position: vscode.Position): () => boolean {
  const { version } = document;
  return () => {
    const editor = vscode.window.activeTextEditor;
    return editor?.document === document && document.version === version && editor.selection.active.isEqual(position);
  };
}

function selectedText({
  selectedCompletionInfo,
}: vscode.InlineCompletionContext): SelectedText | undefined | "unusable" {
  if (selectedCompletionInfo === undefined) return undefined;
  const { range, text } = selectedCompletionInfo;
  return range.isSingleLine ? { start: range.start, end: range.end, text } : "unusable";
}

function read(document: vscode.TextDocument, position: vscode.Position, selected?: SelectedText): AskedPlace {
  const source = textSourceOf(document);
  const { uri, languageId } = document;
  const here = readSurroundings(source, position, selected);
  const around = notebookState(here, cellsAround(document), source.eol);
  const state = { uri: uri.toString(), languageId, ...around, indentation: editorIndentation(document) };
  return { state, restOfLine: here.restOfLine, isAhead: selected !== undefined };
}

function cellsAround(document: vscode.TextDocument) {
  if (document.uri.scheme !== "vscode-notebook-cell") return undefined;
  const notebook = vscode.workspace.notebookDocuments.find((candidate) =>
    candidate.getCells().some((cell) => cell.document === document),
  );
  const cells = notebook?.getCells() ?? [];
  return {
    index: cells.findIndex((cell) => cell.document === document),
    cells: cells.map((cell) => ({ languageId: cell.document.languageId, read: () => cell.document.getText() })),
  };
}

function placeAt(document: vscode.TextDocument, position: vscode.Position, settings: Settings): SnippetPlace {
  const path = pathInWorkspace(document.uri);
  return {
    uri: document.uri.toString(),
    line: position.line,
    wantsSnippets: settings.contextFromOtherFiles,
    read: () => {
      const { prefix, suffix, languageId } = read(document, position).state;
      return { prefix, suffix, languageId, ...(path === undefined ? {} : { path }) };
    },
  };
}

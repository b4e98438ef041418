import * as vscode from "vscode";
import { mayBeContext } from "./contextFiles.ts";
import type { EngineAccess } from "./engine.ts";
import { findGit, GitIgnores } from "./gitIgnores.ts";
import { IgnoreRules } from "./ignoreRules.ts";
import { machineFiles } from "./searchPath.ts";
import { SnippetChoice, type SnippetPlace } from "./snippetChoice.ts";
import { type Chunk, SnippetRing, takeChunk } from "./snippetRing.ts";
import { folderPaths, pathInWorkspace, textSourceOf } from "./textDocument.ts";

/** What gathering needs to know of the completions. */
export interface GatheringHost {
  /** The engine has a model in memory; nothing is loaded merely to be warmed. */
  isReady(): boolean;
  /** Nothing was wanted for this many milliseconds, and the engine is not at work for this window. */
  isIdleFor(ms: number): boolean;
  /** Other files may be read here. */
  wantsOtherFiles(document: vscode.TextDocument): boolean;
  placeIn(editor: vscode.TextEditor): SnippetPlace | undefined;
  /** Pieces of files that requests may have had are not to be used any more, nor what was made of them. */
  contextIsGone(): void;
}

/** The cursor has left for another part of a file once it moved this many lines. */
const farLines = 32;
const idleMs = 3000;
/** A file that was just opened is read before the user begins to type. */
const switchedMs = 200;

/** Takes pieces of the files that the user works with, and warms the engine with the choice among them. */
export class ContextGathering implements vscode.Disposable {
  private readonly ring = new SnippetRing();
  private readonly choice: SnippetChoice;
  private readonly git = new GitIgnores(() => findGit(folderPaths(), machineFiles(process.env)));
  private readonly ignoreRules = new IgnoreRules(this.git, (folder) => {
    this.changeRules();
    this.drop(isBelow(folder));
  });
  /** Rises whenever the rules about what may be used change. */
  private rules = 0;
  private readonly subscriptions: vscode.Disposable[];
  /** Where the cursor was when a chunk was last taken, by document. */
  private readonly lastTaken = new Map<string, number>();
  private timer: NodeJS.Timeout | undefined;
  /** The timer is that of a file just opened, in which the editor's own placing of the cursor is no sign of work. */
  private isOpening = false;

  constructor(
    engine: Pick<EngineAccess, "warm">,
    private readonly host: GatheringHost,
  ) {
    this.choice = new SnippetChoice(this.ring, engine);
    const { window, workspace } = vscode;
    let previous = window.activeTextEditor;
    this.subscriptions = [
      window.onDidChangeActiveTextEditor((editor) => {
        if (previous !== undefined) this.take(previous.document, previous.selection.active.line);
        if (editor !== undefined) this.take(editor.document, editor.selection.active.line);
        previous = editor;
        this.isOpening = true;
        this.refreshAfter(switchedMs);
      }),
      window.onDidChangeTextEditorSelection(({ textEditor }) => this.follow(textEditor)),
      workspace.onDidSaveTextDocument((document) => {
        const editor = window.visibleTextEditors.find((candidate) => candidate.document === document);
        this.take(document, editor?.selection.active.line ?? 0);
      }),
      workspace.onDidCloseTextDocument(({ uri }) => {
        this.lastTaken.delete(uri.toString());
        this.choice.closed(uri.toString());
      }),
      workspace.onDidDeleteFiles(({ files }) => {
        for (const uri of files) this.ring.forget(isOf(uri));
      }),
      workspace.onDidRenameFiles(({ files }) => {
        for (const { oldUri } of files) this.ring.forget(isOf(oldUri));
      }),
      workspace.onDidChangeWorkspaceFolders(() => {
        this.git.forget();
        this.ignoreRules.forget();
      }),
      this.ignoreRules,
      window.onDidChangeWindowState(({ focused }) => {
        if (!focused) this.rest();
      }),
    ];
    if (previous !== undefined) this.take(previous.document, previous.selection.active.line);
    if (!this.isOpening) this.refreshAfter(idleMs);
  }

  /** Snippets for a request at a place, best first. */
  snippetsFor(place: SnippetPlace) {
    return this.choice.current(place);
  }

  /** Stops warming. */
  rest(): void {
    clearTimeout(this.timer);
    this.isOpening = false;
    this.choice.interrupt();
  }

  /** Forgets all pieces of files: the user may want none any more, or exclude others than before. */
  forget(): void {
    this.changeRules();
    this.ring.forget(() => true);
    this.choice.forget();
  }

  dispose(): void {
    this.rest();
    for (const subscription of this.subscriptions) subscription.dispose();
  }

  private follow(editor: vscode.TextEditor): void {
    const uri = editor.document.uri.toString();
    const { line } = editor.selection.active;
    const last = this.lastTaken.get(uri);
    if (last === undefined || Math.abs(line - last) > farLines) this.take(editor.document, last ?? line, line);
    if (!this.isOpening) this.refreshAfter(idleMs);
  }

  /** @param line around which the chunk lies @param cursor where the user is now, if elsewhere */
  private take(document: vscode.TextDocument, line: number, cursor = line): void {
    const uri = document.uri.toString();
    this.lastTaken.set(uri, cursor);
    if (document.isClosed || !this.host.wantsOtherFiles(document)) return;
    const path = pathInWorkspace(document.uri);
    const chunk = path === undefined ? undefined : takeChunk(textSourceOf(document), uri, path, line);
    if (chunk === undefined) return;
    const { rules } = this;
    void this.mayKeep(document).then((allowed) => {
      if (rules !== this.rules) this.take(document, line, cursor);
      else if (allowed) this.ring.add(chunk);
      else this.drop(isOf(document.uri));
    });
  }

  /** Whether pieces of a file may be kept; what changes about that is heard of from then on. */
  private async mayKeep(document: vscode.TextDocument): Promise<boolean> {
    if (vscode.workspace.isTrusted) await this.ignoreRules.watchFor(document.uri);
    return await mayBeContext(document, this.git);
  }

  private changeRules(): void {
    this.rules += 1;
    this.git.forget();
  }

  private drop(isGone: (chunk: Chunk) => boolean): void {
    if (!this.ring.forget(isGone) && !this.choice.has(isGone)) return;
    this.choice.forget();
    this.host.contextIsGone();
  }

  private refreshAfter(ms: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.refresh(), ms);
  }

  private refresh(): void {
    this.isOpening = false;
    const editor = vscode.window.activeTextEditor;
    if (editor === undefined || !vscode.window.state.focused || !this.host.isReady()) return;
    const place = this.host.placeIn(editor);
    if (place === undefined) return;
    if (this.host.isIdleFor(switchedMs)) void this.choice.refresh(place);
    else this.refreshAfter(idleMs);
  }
}

function isOf(uri: vscode.Uri): (chunk: Chunk) => boolean {
  const name = uri.toString();
  return (chunk) => chunk.uri === name;
}

/** Whatever the case, which some file systems leave open: to forget too much does no harm. */
function isBelow(folder: vscode.Uri): (chunk: Chunk) => boolean {
  const beginning = `${folder.path.replace(/\/$/, "")}/`.toLowerCase();
  return (chunk) => vscode.Uri.parse(chunk.uri).path.toLowerCase().startsWith(beginning);
}

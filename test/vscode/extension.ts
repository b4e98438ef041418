import { randomBytes } from "node:crypto";
import * as vscode from "vscode";
import type { ProcessDiagnosis } from "../../src/engine/server/diagnoseProcess.ts";
import type { Ctx } from "../../src/extension/ctx.ts";
import type { EngineAccess } from "../../src/extension/engine.ts";

const id = "jakiro.jakiro";

/** The extension under test, activated. */
export async function jakiro(): Promise<Ctx> {
  const extension = vscode.extensions.getExtension<Ctx>(id);
  if (extension === undefined) throw new Error(`The extension ${id} is not installed here.`);
  return await extension.activate();
}

/** The extension with its model in memory. */
export async function ready(): Promise<Ctx> {
  const ctx = await jakiro();
  await until("a model is configured", () => ctx.engine.state.kind !== "noModel");
  await ctx.engine.warm({ prefix: "x", suffix: "", snippets: [] }, new vscode.CancellationTokenSource().token);
  await until("the model is loaded", () => ctx.engine.state.kind === "ready");
  return ctx;
}

/** Suites are bundled one by one, and each has its own of this; new documents have the names of closed ones. */
const suite = randomBytes(4).toString("hex");
let functions = 0;

/** The beginning of a function that no cache knows. */
export function newFunction(): string {
  functions += 1;
  return `function f${suite}${functions}() {\n`;
}

/** Opens new text of a language in an editor, the cursor where "¦" stands. */
export async function open(content: string, language = "typescript"): Promise<vscode.TextEditor> {
  const offset = content.indexOf("¦");
  const document = await vscode.workspace.openTextDocument({ language, content: content.replace("¦", "") });
  const editor = await vscode.window.showTextDocument(document);
  const cursor = document.positionAt(offset < 0 ? document.getText().length : offset);
  editor.selection = new vscode.Selection(cursor, cursor);
  // Where keys go that are typed by command, and whose list of suggestions is opened.
  await vscode.commands.executeCommand("workbench.action.focusActiveEditorGroup");
  return editor;
}

/** Opens a file of the workspace in an editor, the cursor at its end. */
export async function openFile(folder: "first" | "second", path: string): Promise<vscode.TextEditor> {
  const root = vscode.workspace.workspaceFolders?.find(({ name }) => name === folder);
  const document = await vscode.workspace.openTextDocument(vscode.Uri.joinPath(root!.uri, path));
  const editor = await vscode.window.showTextDocument(document);
  const end = document.lineAt(document.lineCount - 1).range.end;
  editor.selection = new vscode.Selection(end, end);
  return editor;
}

/** The engine's process as it describes itself. */
export async function engineProcess({ engine }: Ctx): Promise<ProcessDiagnosis["process"]> {
  return ((await engine.diagnose()) as unknown as ProcessDiagnosis).process;
}

export interface Watch {
  /** Oldest first. */
  readonly requests: readonly Parameters<EngineAccess["complete"]>[0][];
  /** Of the same requests. */
  readonly results: readonly ReturnType<EngineAccess["complete"]>[];
  stop(): void;
}

/** What the engine is asked for somebody who waits, from now on until `stop`. */
export function watchRequests({ engine }: Ctx): Watch {
  const requests: Watch["requests"][number][] = [];
  const results: Watch["results"][number][] = [];
  const { complete } = engine;
  engine.complete = (params, ...rest) => {
    const result = complete.call(engine, params, ...rest);
    if (params.priority === "typed") {
      requests.push(params);
      results.push(result);
    }
    return result;
  };
  return {
    requests,
    results,
    stop: () => {
      engine.complete = complete;
    },
  };
}

/** To be called in a suite: the extension, and what each of its tests asks the engine for. Editors are closed between tests. */
export function watchedSuite(): { readonly ctx: Ctx; readonly watch: Watch } {
  const suite = {} as { ctx: Ctx; watch: Watch };
  before(async () => {
    suite.ctx = await ready();
  });
  beforeEach(() => {
    suite.watch = watchRequests(suite.ctx);
  });
  afterEach(async () => {
    suite.watch.stop();
    await closeAll();
  });
  return suite;
}

/** Types as a person does: through the editor's own handling of a key. */
export async function type(text: string): Promise<void> {
  for (const character of text) await vscode.commands.executeCommand("type", { text: character });
}

/** Types, and waits until the extension has answered what the editor asked for it. */
export async function typed(ctx: Ctx, text: string): Promise<void> {
  const { completer } = ctx.completions;
  const before = completer.figures.asked;
  await type(text);
  await until("the editor asks for a suggestion", () => completer.figures.asked > before);
  await until("the last keystroke is answered", () => completer.isIdleFor(400));
}

/** Triggers a suggestion and waits until the provider has answered. */
export async function suggest(ctx: Ctx): Promise<void> {
  // What is shown already would only be shown again.
  await vscode.commands.executeCommand("editor.action.inlineSuggest.hide");
  const answered = nextAnswer(ctx);
  await vscode.commands.executeCommand("editor.action.inlineSuggest.trigger");
  await answered;
  await shown();
}

export async function accept(): Promise<void> {
  await vscode.commands.executeCommand("editor.action.inlineSuggest.commit");
}

/** Resolves when the next request for a suggestion has been answered, with so many items at least. */
export function nextAnswer(ctx: Ctx, leastItems = 0): Promise<void> {
  return new Promise((resolve) => {
    const listener = ctx.completions.onAnswered((items) => {
      if (items < leastItems) return;
      listener.dispose();
      resolve();
    });
  });
}

/** The editor draws a suggestion a moment after it was returned, and tells nobody. */
export function shown(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 150));
}

export async function until(what: string, condition: () => boolean | Promise<boolean>, ms = 30_000): Promise<void> {
  const deadline = performance.now() + ms;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`Waited in vain until ${what} (${await circumstances()}).`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** What may have kept a suggestion back. */
async function circumstances(): Promise<string> {
  const { completions, engine, pause } = await jakiro();
  const facts = {
    asked: completions.completer.figures.asked,
    stage: completions.log.explain(vscode.l10n).stage,
    engine: engine.state.kind,
    pause: pause.reason,
    focused: vscode.window.state.focused,
    editor: vscode.window.activeTextEditor?.document.getText().slice(-60),
  };
  return JSON.stringify(facts);
}

export async function closeAll(): Promise<void> {
  await vscode.commands.executeCommand("workbench.action.revertAndCloseActiveEditor");
  await vscode.commands.executeCommand("workbench.action.closeAllEditors");
}

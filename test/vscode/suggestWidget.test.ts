import assert from "node:assert/strict";
import * as vscode from "vscode";
import { recital } from "../workbench/recitalModel.ts";
import { accept, newFunction, open, shown, until, watchedSuite } from "./extension.ts";

const whole = recital.join("").trimEnd();

describe("the open list of suggestions", () => {
  let words: readonly string[] = [];
  // A language without a server of its own: the list opens when all of a language's providers have answered, and TypeScript's is
  // slow where many documents came and went.
  const provider = vscode.languages.registerCompletionItemProvider("java", {
    provideCompletionItems: () => words.map((word) => new vscode.CompletionItem(word)),
  });
  after(() => provider.dispose());
  afterEach(async () => {
    words = [];
    await vscode.commands.executeCommand("hideSuggestWidget");
  });
  const suite = watchedSuite();

  async function openList(text: string, ...offered: string[]): Promise<vscode.TextEditor> {
    words = offered;
    const editor = await open(`${text}¦`, "java");
    await vscode.commands.executeCommand("editor.action.triggerSuggest");
    return editor;
  }

  const lastPrefix = () => suite.watch.requests.at(-1)?.prefix;

  it("decides how the suggestion begins, which replaces what was typed", async () => {
    const before = `${newFunction()} const `;
    const editor = await openList(`${before}ans`, "answer");
    await until("the engine is asked for what is selected", () => lastPrefix() === `${before}answer`);
    await until("it has answered", () => suite.ctx.completions.completer.isIdleFor(400));
    await shown();
    await accept();
    await until("the suggestion is inserted", () => editor.document.getText() !== `${before}ans`);
    assert.equal(editor.document.getText(), `${before}${whole.slice(" const ".length)}`);
  });

  it("is followed when another item is selected", async () => {
    const before = `${newFunction()} const answer = `;
    await openList(`${before}com`, "compile", "compute");
    await until("the engine is asked for the first", () => lastPrefix() === `${before}compile`);
    await vscode.commands.executeCommand("selectNextSuggestion");
    await until("the engine is asked for the second", () => lastPrefix() === `${before}compute`);
  });
});

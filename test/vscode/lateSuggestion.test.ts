import assert from "node:assert/strict";
import * as vscode from "vscode";
import type { CompleteResult } from "../../src/protocol/messages.ts";
import { newFunction, open, until, watchedSuite } from "./extension.ts";

describe("a suggestion that the editor did not wait for", () => {
  const suite = watchedSuite();

  it("is asked for without alternatives, for which the user may ask meanwhile", async () => {
    const { completions, engine } = suite.ctx;
    const { complete } = engine;
    const asked: { readonly alternatives: number | undefined; readonly answer: (text: string) => void }[] = [];
    engine.complete = ({ alternatives }) =>
      new Promise((resolve) => {
        const answer = (text: string) =>
          resolve({ texts: [text], notes: [], ending: "end" } as unknown as CompleteResult);
        asked.push({ alternatives, answer });
      });
    const givenUp = new vscode.CancellationTokenSource();
    const ask = ({ document, selection }: vscode.TextEditor) => {
      const triggerKind = vscode.InlineCompletionTriggerKind.Automatic;
      const context = { triggerKind, selectedCompletionInfo: undefined };
      return completions.provideInlineCompletionItems(document, selection.active, context, givenUp.token);
    };
    try {
      const editor = await open(`${newFunction()} const a¦`);
      void ask(editor);
      await until("the engine is asked", () => asked.length === 1);
      await editor.edit((edit) => edit.insert(editor.selection.active, "n"));
      const { joined } = completions.completer.figures;
      void ask(editor);
      await until("the next key waits for the same answer", () => completions.completer.figures.joined > joined);
      givenUp.cancel();
      // Not what was typed since.
      asked[0]!.answer("zzz");
      await until("the engine is asked for what was", () => asked.length === 2);
      void vscode.commands.executeCommand("editor.action.inlineSuggest.trigger");
      await until("the user asks for alternatives", () => asked.length === 3);
      assert.deepEqual(
        asked.map(({ alternatives }) => alternatives),
        [1, 1, 3],
      );
    } finally {
      engine.complete = complete;
      for (const { answer } of asked) answer("");
    }
  });
});

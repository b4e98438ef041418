import assert from "node:assert/strict";
import * as vscode from "vscode";
import type { Ctx } from "../../src/extension/ctx.ts";
import { recital } from "../workbench/recitalModel.ts";
import { accept, closeAll, newFunction, open, ready, shown, suggest, until } from "./extension.ts";

const [firstLine] = recital;
const whole = recital.join("").trimEnd();

describe("accepting in parts", () => {
  let ctx: Ctx;
  before(async () => {
    ctx = await ready();
  });
  beforeEach(() => ctx.completions.acceptance.reset());
  afterEach(closeAll);

  const counts = () => ctx.completions.acceptance.counts;

  async function suggested(): Promise<{ editor: vscode.TextEditor; before: string }> {
    const before = newFunction();
    const editor = await open(`${before}¦`);
    await suggest(ctx);
    return { editor, before };
  }

  async function acceptPart(editor: vscode.TextEditor, command: "acceptNextWord" | "acceptNextLine"): Promise<string> {
    const text = editor.document.getText();
    await vscode.commands.executeCommand(`editor.action.inlineSuggest.${command}`);
    await until("a part is inserted", () => editor.document.getText() !== text);
    await shown();
    return editor.document.getText();
  }

  it("takes the next word, and leaves the rest on offer", async () => {
    const { editor, before } = await suggested();
    assert.equal(await acceptPart(editor, "acceptNextWord"), `${before} `, "the indentation comes first");
    const text = await acceptPart(editor, "acceptNextWord");
    assert.equal(text, `${before} const`);
    assert.equal(counts().partlyAccepted, 1);
    await accept();
    await until("the rest is inserted", () => editor.document.getText() !== text);
    assert.equal(editor.document.getText(), before + whole);
  });

  it("takes the next line", async () => {
    const { editor, before } = await suggested();
    const text = await acceptPart(editor, "acceptNextLine");
    assert.ok(text.startsWith(before + firstLine!.trimEnd()), text);
    assert.ok(text.length < before.length + whole.length, text);
    assert.equal(counts().partlyAccepted, 1);
  });

  it("counts one suggestion that was taken in parts, however many they were, and none that was offered anew", async () => {
    const { editor } = await suggested();
    const { offered } = counts();
    for (let word = 0; word < 3; word++) await acceptPart(editor, "acceptNextWord");
    assert.deepEqual(counts(), { offered, accepted: 0, partlyAccepted: 1, kept: 0, judged: 0 });
    await acceptPart(editor, "acceptNextLine");
    assert.equal(counts().partlyAccepted, 1);
  });

  it("counts what was taken whole as such alone", async () => {
    const { editor, before } = await suggested();
    await accept();
    await until("the suggestion is inserted", () => editor.document.getText() === before + whole);
    await until("its acceptance is counted", () => counts().accepted === 1);
    assert.equal(counts().partlyAccepted, 0);
  });

  it("counts typing for neither", async () => {
    await suggested();
    for (const text of [" ", "c", "o"]) await vscode.commands.executeCommand("type", { text });
    await until("the last keystroke is answered", () => ctx.completions.completer.isIdleFor(400));
    const { accepted, partlyAccepted } = counts();
    assert.deepEqual({ accepted, partlyAccepted }, { accepted: 0, partlyAccepted: 0 });
  });
});

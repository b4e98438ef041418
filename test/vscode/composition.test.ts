import assert from "node:assert/strict";
import * as vscode from "vscode";
import type { Ctx } from "../../src/extension/ctx.ts";
import { recital } from "../workbench/recitalModel.ts";
import { accept, closeAll, newFunction, open, ready, shown, suggest, until } from "./extension.ts";

const whole = recital.join("").trimEnd();

describe("text that is composed", () => {
  let ctx: Ctx;
  before(async () => {
    ctx = await ready();
  });
  afterEach(closeAll);

  const idle = () => until("the last change is answered", () => ctx.completions.completer.isIdleFor(400));

  /** What an input method does with each key: it replaces what it wrote before, and begins and ends by saying so. */
  async function compose(stages: readonly string[]): Promise<void> {
    const { executeCommand } = vscode.commands;
    await executeCommand("compositionStart");
    let before = 0;
    for (const text of stages) {
      const replacing = { replacePrevCharCnt: before, replaceNextCharCnt: 0, positionDelta: 0 };
      await executeCommand("compositionType", { text, ...replacing });
      before = text.length;
    }
    await executeCommand("compositionEnd");
  }

  it("is completed as it is in the end", async () => {
    const before = newFunction();
    const editor = await open(`${before}¦`);
    await compose(["n", "に", "にh", "にほ", "にほn", "日本"]);
    assert.equal(editor.document.getText(), `${before}日本`);
    await suggest(ctx);
    await accept();
    await until("a suggestion is inserted", () => editor.document.getText() !== `${before}日本`);
    assert.equal(editor.document.getText(), `${before}日本${whole}`);
  });

  it("may be what the suggestion says: the rest is offered", async () => {
    const before = newFunction();
    const editor = await open(`${before}¦`);
    await suggest(ctx);
    await compose([" c", " co", " con", " const ans"]);
    await idle();
    await shown();
    await accept();
    await until("the suggestion is inserted", () => editor.document.getText() !== `${before} const ans`);
    assert.equal(editor.document.getText(), before + whole);
  });

  it("leaves no suggestion behind that it has replaced", async () => {
    const before = newFunction();
    const editor = await open(`${before} const ans¦`);
    await suggest(ctx);
    const end = editor.selection.active;
    await editor.edit((edit) => edit.replace(new vscode.Range(end.translate(0, -3), end), "é"));
    await suggest(ctx);
    await accept();
    await until("a suggestion is inserted", () => editor.document.getText() !== `${before} const é`);
    assert.equal(editor.document.getText(), `${before} const é${whole}`);
  });

  it("may change several places at once", async () => {
    const before = `// ö\n${newFunction()}`;
    const editor = await open(`${before} x¦\n// ü\n`);
    await suggest(ctx);
    const cursor = editor.selection.active;
    const { version } = editor.document;
    await editor.edit((edit) => {
      edit.replace(new vscode.Range(0, 3, 0, 4), "oe");
      edit.replace(new vscode.Range(cursor.translate(0, -1), cursor), "const ans");
      edit.replace(new vscode.Range(cursor.line + 1, 3, cursor.line + 1, 4), "ue");
    });
    assert.equal(editor.document.version, version + 1, "all in one change");
    const text = editor.document.getText();
    await suggest(ctx);
    await accept();
    await until("a suggestion is inserted", () => editor.document.getText() !== text);
    assert.equal(editor.document.getText(), text.replace(" const ans", whole));
  });
});

import assert from "node:assert/strict";
import * as vscode from "vscode";
import type { Ctx } from "../../src/extension/ctx.ts";
import { recital } from "../workbench/recitalModel.ts";
import { accept, closeAll, nextAnswer, open, ready, shown, suggest, type, typed, until } from "./extension.ts";

const whole = recital.join("").trimEnd();

describe("ghost text", () => {
  let ctx: Ctx;
  before(async () => {
    ctx = await ready();
  });
  afterEach(closeAll);

  const requests = () => ctx.completions.completer.figures.requests;
  const textOf = (editor: vscode.TextEditor) => editor.document.getText();

  async function accepted(editor: vscode.TextEditor, before: string): Promise<string> {
    await accept();
    await until("the suggestion is inserted", () => textOf(editor) !== before);
    return textOf(editor);
  }

  it("appears on request and is inserted when accepted", async () => {
    const editor = await open("function f() {\n¦\n}\n");
    await suggest(ctx);
    assert.equal(await accepted(editor, textOf(editor)), `function f() {\n${whole}\n}\n`);
  });

  it("appears while typing, and goes on from what was typed", async () => {
    const editor = await open("function f() {\n¦");
    await typed(ctx, " const ans");
    await shown();
    assert.equal(await accepted(editor, textOf(editor)), `function f() {\n${whole}`);
  });

  it("asks the engine nothing more while the user types what it suggests", async () => {
    const editor = await open("function g() {\n¦");
    await suggest(ctx);
    const before = requests();
    for (const character of " const answer") {
      const answered = nextAnswer(ctx);
      await type(character);
      await answered;
    }
    assert.equal(requests(), before);
    await shown();
    assert.equal(await accepted(editor, textOf(editor)), `function g() {\n${whole}`);
  });

  it("goes on across a line break that was typed", async () => {
    const [first] = recital;
    const editor = await open("function h() {\n¦");
    await suggest(ctx);
    const before = requests();
    const rest = first!.trimEnd().slice(1);
    await vscode.commands.executeCommand("type", { text: ` ${rest}` });
    await editor.edit((edit) => edit.insert(editor.selection.active, "\n"));
    await suggest(ctx);
    // A manual trigger wants alternatives, which the cache has for the place it was asked at.
    assert.ok(requests() <= before + 1);
    assert.equal(await accepted(editor, textOf(editor)), `function h() {\n${whole}`);
  });

  it("keeps the document's line ends", async () => {
    const editor = await open("function f() {\r\n¦\r\n}\r\n");
    await editor.edit((edit) => edit.setEndOfLine(vscode.EndOfLine.CRLF));
    const cursor = new vscode.Position(1, 0);
    editor.selection = new vscode.Selection(cursor, cursor);
    await suggest(ctx);
    const expected = `function f() {\n${whole}\n}\n`.replaceAll("\n", "\r\n");
    assert.equal(await accepted(editor, textOf(editor)), expected);
  });

  it("is written in the document's tabs, and goes on from what was typed in them", async () => {
    const before = "function f() {\n\tfirst();\n";
    const editor = await open(`${before}¦`);
    // The model indents by one space.
    editor.options = { tabSize: 1, insertSpaces: true };
    await suggest(ctx);
    const expected = before + whole.replaceAll(/^ /gm, "\t");
    assert.equal(await accepted(editor, textOf(editor)), expected);
    await vscode.commands.executeCommand("undo");
    await until("the suggestion is gone", () => textOf(editor) === before);
    const sent = requests();
    await typed(ctx, "\tconst ans");
    await shown();
    assert.equal(requests(), sent);
    assert.equal(await accepted(editor, textOf(editor)), expected);
  });

  it("leaves emoji and combining characters before the cursor as they are", async () => {
    const before = 'const s = "🙂 e\u0301 👩‍👩‍👧";\n';
    const editor = await open(`${before}¦`);
    await suggest(ctx);
    assert.equal(await accepted(editor, textOf(editor)), before + whole);
  });

  it("appears in a file of 100,000 lines, with little work on the editor's side", async () => {
    const line = "const value = compute(first, second);\n";
    const editor = await open(`${line.repeat(50_000)}¦\n${line.repeat(50_000)}`);
    const start = performance.now();
    const appeared = nextAnswer(ctx, 1);
    await type("c");
    await appeared;
    assert.ok(performance.now() - start < 10_000);
    assert.equal(editor.document.lineCount, 100_002);
  });

  it("does not appear for several cursors or a selection", async () => {
    const editor = await open("a();\nb();\n¦");
    const places = [new vscode.Position(0, 4), new vscode.Position(1, 4)];
    editor.selections = places.map((place) => new vscode.Selection(place, place));
    const before = requests();
    await type(" ");
    await shown();
    editor.selection = new vscode.Selection(places[0]!, places[1]!);
    await vscode.commands.executeCommand("editor.action.inlineSuggest.trigger");
    await shown();
    assert.equal(requests(), before);
  });
});

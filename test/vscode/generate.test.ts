import assert from "node:assert/strict";
import * as vscode from "vscode";
import type { Ctx } from "../../src/extension/ctx.ts";
import { recital } from "../workbench/recitalModel.ts";
import { closeAll, open, ready, until } from "./extension.ts";

describe("generating below a comment", () => {
  let ctx: Ctx;
  before(async () => {
    ctx = await ready();
  });
  afterEach(async () => {
    await vscode.commands.executeCommand("jakiro.generate.reject");
    await closeAll();
  });

  const original = "// adds up the prices of all items\n";
  const words = recital[0]!.trim();

  async function generated(): Promise<vscode.TextEditor> {
    const editor = await open(`${original}¦`);
    await vscode.commands.executeCommand("jakiro.generateFromComment");
    await until("code is written", () => editor.document.getText().includes(words));
    assert.equal(ctx.engine.state.kind, "ready");
    return editor;
  }

  it("tells the model how the editor indents", async () => {
    const { engine } = ctx;
    const { generate } = engine;
    let asked: Parameters<typeof generate>[0] | undefined;
    engine.generate = (params, ...more) => {
      asked = params;
      return generate.call(engine, params, ...more);
    };
    try {
      const editor = await open(`${original}¦`);
      editor.options = { insertSpaces: false, tabSize: 3 };
      await vscode.commands.executeCommand("jakiro.generateFromComment");
      assert.deepEqual(asked?.indentation, { insertSpaces: false, tabSize: 3 });
    } finally {
      engine.generate = generate;
    }
  });

  it("keeps what was accepted", async () => {
    const editor = await generated();
    const text = editor.document.getText();
    await vscode.commands.executeCommand("jakiro.generate.accept");
    assert.equal(editor.document.getText(), text);
    assert.ok(text.startsWith(original));
  });

  it("gives the document back as it was where it is rejected", async () => {
    const editor = await generated();
    await vscode.commands.executeCommand("jakiro.generate.reject");
    await until("the text is gone", () => editor.document.getText() === original);
  });

  it("asks for another answer at one click, which is reviewed like the first", async () => {
    const { engine } = ctx;
    const seeds: (number | undefined)[] = [];
    const { generate } = engine;
    engine.generate = (params, ...more) => {
      seeds.push(params.seed);
      return generate.call(engine, params, ...more);
    };
    const editor = await generated();
    for (let retries = 0; retries < 2; retries++) {
      // It does nothing until the answer before is complete.
      await until("it is asked again", async () => {
        await vscode.commands.executeCommand("jakiro.generate.retry");
        return seeds.length === retries + 2;
      });
    }
    engine.generate = generate;
    assert.deepEqual(seeds, [undefined, 1, 2]);
    assert.ok(editor.document.getText().startsWith(original) && editor.document.getText() !== original);
    await vscode.commands.executeCommand("jakiro.generate.reject");
    await until("the text is gone", () => editor.document.getText() === original);
  });

  it("writes code as it comes, and leaves what had come to be decided on where it is cancelled", async () => {
    const { engine } = ctx;
    const { generate } = engine;
    let cancelled: Thenable<unknown> | undefined;
    let signal: vscode.CancellationToken | undefined;
    engine.generate = (params, token, onText) => {
      signal = token;
      return generate.call(engine, params, token, (text) => {
        onText?.(text);
        cancelled ??= vscode.commands.executeCommand("jakiro.generate.cancel");
      });
    };
    try {
      const editor = await open(`${original}¦`);
      await vscode.commands.executeCommand("jakiro.generateFromComment");
      await cancelled;
      assert.equal(signal?.isCancellationRequested, true);
      const text = editor.document.getText();
      assert.ok(text.startsWith(original) && text !== original && !text.includes(words), text);
      await vscode.commands.executeCommand("jakiro.generate.reject");
      assert.equal(editor.document.getText(), original);
    } finally {
      engine.generate = generate;
    }
  });

  it("is one step for undo", async () => {
    const editor = await generated();
    await vscode.commands.executeCommand("jakiro.generate.accept");
    await vscode.commands.executeCommand("undo");
    await until("the text is gone", () => editor.document.getText() === original);
  });

  it("gives back what was there although the document changed elsewhere", async () => {
    const editor = await generated();
    await editor.edit((edit) => edit.insert(new vscode.Position(0, 0), "// first\n"));
    await vscode.commands.executeCommand("jakiro.generate.reject");
    await until("the text is gone", () => editor.document.getText() === `// first\n${original}`);
  });
});

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import * as vscode from "vscode";
import type { Ctx } from "../../src/extension/ctx.ts";
import { closeAll, newFunction, ready } from "./extension.ts";

describe("warming", () => {
  let ctx: Ctx;
  before(async () => {
    ctx = await ready();
  });
  afterEach(closeAll);

  it("reads a file soon after it was opened, although the editor places the cursor in it", async () => {
    const { engine } = ctx;
    const { warm } = engine;
    const warmed = new Promise<string>((resolve) => {
      engine.warm = (params, token) => {
        resolve(params.prefix);
        return warm(params, token);
      };
    });
    const content = `${newFunction()} const b = 2;\n`;
    const document = await vscode.workspace.openTextDocument({ language: "typescript", content });
    const end = document.positionAt(content.length);
    try {
      await vscode.window.showTextDocument(document, { selection: new vscode.Range(end, end) });
      // Before the pause after which the engine is warmed for a cursor that has moved.
      assert.equal(await Promise.race([warmed, sleep(2000, "late")]), content);
    } finally {
      engine.warm = warm;
    }
  });
});

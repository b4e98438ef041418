import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import * as vscode from "vscode";
import type { Ctx } from "../../src/extension/ctx.ts";
import { closeAll, newFunction, ready, until } from "./extension.ts";

/** Longer than the extension waits for before it takes the user to be reading. */
const restMs = 500;

describe("warming", () => {
  let ctx: Ctx;
  before(async () => {
    ctx = await ready();
  });
  afterEach(closeAll);

  it("reads a file soon after it was opened, although the editor places the cursor in it", async () => {
    const { engine } = ctx;
    // Whoever is at work, or has just been, is not warmed for.
    let restingSince = Date.now();
    await until("the engine has rested", () => {
      if (engine.state.kind !== "ready" || engine.state.busy) restingSince = Date.now();
      return Date.now() - restingSince >= restMs;
    });
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

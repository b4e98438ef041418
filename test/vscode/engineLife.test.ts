import assert from "node:assert/strict";
import { constants, getPriority } from "node:os";
import * as vscode from "vscode";
import type { Ctx } from "../../src/extension/ctx.ts";
import { accept, closeAll, engineProcess, newFunction, open, ready, suggest, until } from "./extension.ts";

describe("the engine's life", () => {
  let ctx: Ctx;
  before(async () => {
    ctx = await ready();
  });
  afterEach(closeAll);

  const processId = async () => (await engineProcess(ctx)).processId;

  async function completes(): Promise<void> {
    const before = newFunction();
    const editor = await open(`${before}¦`);
    await suggest(ctx);
    await accept();
    await until("a suggestion is inserted", () => editor.document.getText() !== before);
  }

  it("runs outside of the extension host, on a Node that is not the editor's own", async () => {
    assert.notEqual(await processId(), process.pid);
    const lines = await ctx.journal.lastLines();
    assert.ok(lines.some((line) => /Engine runtime: .*node/i.test(line)));
  });

  it("gives way to everything else on the machine", async () => {
    assert.ok(getPriority(await processId()) >= constants.priority.PRIORITY_BELOW_NORMAL);
  });

  it("comes back when it was killed in the middle of a request, which then ends without an answer", async () => {
    const pid = await processId();
    let written: string | undefined;
    const request = ctx.engine.complete(
      // When the first of ten texts has begun, nearly all of the work is still to be done.
      { prefix: newFunction(), suffix: "", snippets: [], priority: "typed", maxTokens: 1000, alternatives: 10 },
      new vscode.CancellationTokenSource().token,
      (text) => {
        if (written === undefined) process.kill(pid, "SIGKILL");
        written ??= text;
      },
    );
    assert.equal(await request, undefined);
    assert.ok(written, "it was being answered");
    await completes();
    assert.notEqual(await processId(), pid);
  });

  it("starts anew on request", async () => {
    const pid = await processId();
    await vscode.commands.executeCommand("jakiro.restartEngine");
    await completes();
    assert.notEqual(await processId(), pid);
  });

  it("gives its memory back on request and loads the model again for the next suggestion", async () => {
    await vscode.commands.executeCommand("jakiro.releaseMemory");
    await until("the weights are released", () => ctx.engine.state.kind === "released");
    await completes();
    assert.equal(ctx.engine.state.kind, "ready");
  });

  it("reports a model that cannot be loaded, keeps the old one, and returns to it", async () => {
    const settings = vscode.workspace.getConfiguration("jakiro");
    const model = settings.get<string>("model")!;
    const bad = vscode.Uri.joinPath(vscode.workspace.workspaceFolders![0]!.uri, "total.py").fsPath;
    await settings.update("model", bad, vscode.ConfigurationTarget.Global);
    try {
      await until("the failure is reported", () => ctx.engine.state.kind === "failed");
      assert.match(ctx.journal.errors.at(-1)!.message, /total\.py is not a GGUF file/);
      await completes();
      assert.equal(ctx.engine.state.kind, "failed");
    } finally {
      await settings.update("model", model, vscode.ConfigurationTarget.Global);
    }
    await until("the model serves again", () => ctx.engine.state.kind === "ready");
    await completes();
  });

  it("stays off after five ends within a minute, until the user changes what concerns it", async () => {
    await vscode.commands.executeCommand("jakiro.restartEngine");
    for (let end = 0; end < 5; end++) {
      const pid = await processId();
      process.kill(pid, "SIGKILL");
      await until("its end is noticed", () => ["starting", "stopped"].includes(ctx.engine.state.kind));
    }
    await until("it is given up", () => ctx.engine.state.kind === "stopped");
    const settings = vscode.workspace.getConfiguration("jakiro");
    await settings.update("engine.node", process.execPath, vscode.ConfigurationTarget.Global);
    try {
      await until("it is started again", () => ctx.engine.state.kind !== "stopped");
      await completes();
    } finally {
      await settings.update("engine.node", undefined, vscode.ConfigurationTarget.Global);
    }
  });
});

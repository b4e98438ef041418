import assert from "node:assert/strict";
import * as vscode from "vscode";
import type { Pause } from "../../src/extension/pause.ts";
import { accept, closeAll, newFunction, open, shown, suggest, type, typed, until, watchedSuite } from "./extension.ts";

describe("on battery", () => {
  const suite = watchedSuite();
  let real: Pause["runsOnBattery"];
  before(async () => {
    const { ctx } = suite;
    // A window's first keys may come before its editor is ready to ask for suggestions.
    await open(`${newFunction()}¦`);
    await suggest(ctx);
    await closeAll();
    real = ctx.pause.runsOnBattery;
  });
  after(async () => {
    const { ctx } = suite;
    ctx.pause.runsOnBattery = real;
    await ctx.pause.checkBattery();
  });

  async function runOn(power: "battery" | "mains"): Promise<void> {
    suite.ctx.pause.runsOnBattery = async () => power === "battery";
    await suite.ctx.pause.checkBattery();
  }
  const setting = (value: boolean | undefined) =>
    vscode.workspace.getConfiguration("jakiro").update("pauseOnBattery", value, vscode.ConfigurationTarget.Global);
  const reason = () => suite.ctx.completions.log.explain(vscode.l10n).stage;

  it("suggests nothing by itself, says so, and goes on when mains power is back", async () => {
    await runOn("battery");
    assert.equal(suite.ctx.pause.paused, "on battery", "what the status item shows");
    const before = newFunction();
    const editor = await open(`${before}¦`);
    await type(" ");
    await until("the editor has asked", () => reason() === "paused");
    assert.deepEqual(suite.watch.requests, []);
    await suggest(suite.ctx);
    await accept();
    await until("what was asked for is inserted", () => editor.document.getText() !== `${before} `);
    await closeAll();

    await runOn("mains");
    assert.equal(suite.ctx.pause.paused, undefined);
    const { length } = suite.watch.requests;
    await open(`${newFunction()}¦`);
    await typed(suite.ctx, " ");
    assert.equal(reason(), undefined);
    assert.ok(suite.watch.requests.length > length);
  });

  it("goes by what the machine said last, however long it took to say it before", async () => {
    const answers = [shown().then(() => true), Promise.resolve(false)];
    suite.ctx.pause.runsOnBattery = () => answers.shift()!;
    await Promise.all([suite.ctx.pause.checkBattery(), suite.ctx.pause.checkBattery()]);
    assert.equal(suite.ctx.pause.paused, undefined);
  });

  it("suggests as ever where the user wants that, and pauses as soon as not", async () => {
    await runOn("battery");
    try {
      await setting(false);
      await until("it goes on", () => suite.ctx.pause.reason === undefined);
      await suite.ctx.pause.checkBattery();
      await open(`${newFunction()}¦`);
      await typed(suite.ctx, " ");
      assert.equal(reason(), undefined);
      assert.ok(suite.watch.requests.length > 0);
    } finally {
      await setting(undefined);
    }
    await until("it pauses", () => suite.ctx.pause.reason === "battery");
  });
});

import assert from "node:assert/strict";
import * as vscode from "vscode";
import type { Ctx } from "../../src/extension/ctx.ts";
import {
  accept,
  closeAll,
  newFunction,
  open,
  ready,
  suggest,
  type,
  typed,
  until,
  type Watch,
  watchRequests,
} from "./extension.ts";

describe("on battery", () => {
  let ctx: Ctx;
  let watch: Watch;
  let real: Ctx["pause"]["runsOnBattery"];
  before(async () => {
    ctx = await ready();
    // A window's first keys may come before its editor is ready to ask for suggestions.
    await open(`${newFunction()}¦`);
    await suggest(ctx);
    await closeAll();
    real = ctx.pause.runsOnBattery;
  });
  after(async () => {
    ctx.pause.runsOnBattery = real;
    await ctx.pause.checkBattery();
  });
  beforeEach(() => {
    watch = watchRequests(ctx);
  });
  afterEach(async () => {
    watch.stop();
    await closeAll();
  });

  async function runOn(power: "battery" | "mains"): Promise<void> {
    ctx.pause.runsOnBattery = async () => power === "battery";
    await ctx.pause.checkBattery();
  }
  const setting = (value: boolean | undefined) =>
    vscode.workspace.getConfiguration("jakiro").update("pauseOnBattery", value, vscode.ConfigurationTarget.Global);
  const reason = () => ctx.completions.log.explain(vscode.l10n).stage;

  it("suggests nothing by itself, says so, and goes on when mains power is back", async () => {
    await runOn("battery");
    assert.equal(ctx.pause.paused, "on battery", "what the status item shows");
    const before = newFunction();
    const editor = await open(`${before}¦`);
    await type(" ");
    await until("the editor has asked", () => reason() === "paused");
    assert.deepEqual(watch.requests, []);
    await suggest(ctx);
    await accept();
    await until("what was asked for is inserted", () => editor.document.getText() !== `${before} `);
    await closeAll();

    await runOn("mains");
    assert.equal(ctx.pause.paused, undefined);
    const { length } = watch.requests;
    await open(`${newFunction()}¦`);
    await typed(ctx, " ");
    assert.equal(reason(), undefined);
    assert.ok(watch.requests.length > length);
  });

  it("suggests as ever where the user wants that, and pauses as soon as not", async () => {
    await runOn("battery");
    try {
      await setting(false);
      await until("it goes on", () => ctx.pause.reason === undefined);
      await ctx.pause.checkBattery();
      await open(`${newFunction()}¦`);
      await typed(ctx, " ");
      assert.equal(reason(), undefined);
      assert.ok(watch.requests.length > 0);
    } finally {
      await setting(undefined);
    }
    await until("it pauses", () => ctx.pause.reason === "battery");
  });
});

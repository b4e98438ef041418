import assert from "node:assert/strict";
import * as vscode from "vscode";
import { catalogue } from "../../src/engine/model/catalogue.ts";
import type { Ctx } from "../../src/extension/ctx.ts";
import { accept, closeAll, newFunction, open, ready, suggest, typed, until } from "./extension.ts";

describe("settings", () => {
  let ctx: Ctx;
  before(async () => {
    ctx = await ready();
  });
  const keys = ["enabled", "enabledLanguages", "multiline", "maxTokens"];
  const changed = () =>
    keys.filter((key) => vscode.workspace.getConfiguration("jakiro").inspect(key)?.globalValue !== undefined);
  afterEach(async () => {
    for (const key of keys) await set(key, undefined);
    await closeAll();
  });
  // The editor reads its settings file anew a moment after each change, and may then bring back what was there in between.
  after(async () => {
    let quietSince = performance.now();
    await until("settings stay as they were", async () => {
      for (const key of changed()) {
        await set(key, undefined);
        quietSince = performance.now();
      }
      return performance.now() - quietSince > 1000;
    });
  });

  const set = (key: string, value: unknown) =>
    vscode.workspace.getConfiguration("jakiro").update(key, value, vscode.ConfigurationTarget.Global);
  const reason = () => ctx.completions.log.explain(vscode.l10n).stage;

  async function afterTyping(): Promise<string | undefined> {
    await open(`${newFunction()}¦`);
    await typed(ctx, " ");
    return reason();
  }

  it("are opened where what they say cannot be used", async () => {
    const { window } = vscode;
    const { showErrorMessage } = window;
    let told = "";
    window.showErrorMessage = async (message: string, ...actions: unknown[]) => {
      told = message;
      return actions.at(-1) as undefined;
    };
    await set("models.mirror", "nowhere");
    try {
      assert.equal(
        await ctx.selection.downloads.obtain({ ...catalogue[0]!, file: "nowhere.gguf", sha256: "0".repeat(64) }, true),
        false,
      );
      assert.match(told, /jakiro\.models\.mirror is not a web address: nowhere/);
      await until("they are open", () => window.tabGroups.activeTabGroup.activeTab?.label === "Settings");
    } finally {
      window.showErrorMessage = showErrorMessage;
      await set("models.mirror", undefined);
    }
  });

  it("switch suggestions off and on without a reload", async () => {
    await vscode.commands.executeCommand("jakiro.toggle");
    assert.equal(await afterTyping(), "disabled");
    assert.equal(ctx.pause.reason, "disabled");
    await closeAll();
    await vscode.commands.executeCommand("jakiro.toggle");
    assert.equal(await afterTyping(), undefined);
  });

  it("switch them off for the language of the editor", async () => {
    await open("x¦", "python");
    await vscode.commands.executeCommand("jakiro.toggleLanguage");
    await until("the language is off", () => ctx.pause.reason === "language");
    await typed(ctx, " ");
    assert.equal(reason(), "languageDisabled");
    await closeAll();
    assert.equal(await afterTyping(), undefined);
  });

  it("limit a suggestion's length", async () => {
    await set("maxTokens", 3);
    const before = newFunction();
    const editor = await open(`${before}¦`);
    await suggest(ctx);
    await accept();
    await until("the suggestion is inserted", () => editor.document.getText() !== before);
    assert.equal(editor.document.getText(), `${before} const answer =`);
  });

  it("explain why there is no suggestion", async () => {
    await set("enabled", false);
    assert.equal(await afterTyping(), "disabled");
    const { sentence, remedy } = ctx.completions.log.explain(vscode.l10n);
    assert.match(sentence, /switched off/);
    assert.equal(remedy?.command, "jakiro.toggle");
  });
});

import assert from "node:assert/strict";
import * as vscode from "vscode";
import type { Ctx } from "../../src/extension/ctx.ts";
import {
  accept,
  closeAll,
  newFunction,
  open,
  openFile,
  ready,
  suggest,
  until,
  type Watch,
  watchRequests,
} from "./extension.ts";

describe("a workspace of two folders", () => {
  let ctx: Ctx;
  let watch: Watch;
  before(async () => {
    ctx = await ready();
  });
  beforeEach(() => {
    watch = watchRequests(ctx);
  });
  afterEach(async () => {
    watch.stop();
    await closeAll();
  });

  it("has suggestions in the second folder's files, which are named by folder and path", async () => {
    const editor = await openFile("second", "prices.py");
    const before = editor.document.getText();
    await suggest(ctx);
    assert.equal(watch.requests.at(-1)!.path, "second/prices.py");
    await accept();
    await until("a suggestion is inserted", () => editor.document.getText() !== before);
  });

  it("uses one folder's files in the other, but none that git ignores there or the folder's settings exclude", async () => {
    for (const path of ["built/prices.py", "generated/prices.py", "prices.py"]) await openFile("second", path);
    const pathsSent = async () => {
      const similar = `const price = known_prices.get(article) ?? default_price;\n${newFunction()}¦`;
      await open(similar);
      await suggest(ctx);
      return watch.requests.at(-1)!.snippets.map(({ path }) => path);
    };
    await until("the file is read", async () => (await pathsSent()).includes("second/prices.py"));
    const paths = await pathsSent();
    assert.ok(!paths.some((path) => /built|generated/.test(path)), paths.join());
  });

  it("completes in ignored files, where somebody types", async () => {
    for (const path of ["built/prices.py", "generated/prices.py"]) {
      const editor = await openFile("second", path);
      const before = editor.document.getText();
      await suggest(ctx);
      await accept();
      await until("a suggestion is inserted", () => editor.document.getText() !== before);
    }
  });

  it("follows settings of the folder that the file is in", async () => {
    const { uri } = vscode.workspace.workspaceFolders!.find(({ name }) => name === "second")!;
    const settings = vscode.workspace.getConfiguration("jakiro", uri);
    await settings.update("contextFromOtherFiles", false, vscode.ConfigurationTarget.WorkspaceFolder);
    try {
      await openFile("first", "first.ts");
      await openFile("second", "prices.py");
      await suggest(ctx);
      assert.deepEqual(watch.requests.at(-1)!.snippets, []);
    } finally {
      await settings.update("contextFromOtherFiles", undefined, vscode.ConfigurationTarget.WorkspaceFolder);
    }
  });
});

import assert from "node:assert/strict";
import * as vscode from "vscode";
import { accept, newFunction, open, openFile, suggest, until, watchedSuite } from "./extension.ts";

describe("a workspace of two folders", () => {
  const suite = watchedSuite();

  it("has suggestions in the second folder's files, which are named by folder and path", async () => {
    const editor = await openFile("second", "prices.py");
    const before = editor.document.getText();
    await suggest(suite.ctx);
    assert.equal(suite.watch.requests.at(-1)!.path, "second/prices.py");
    await accept();
    await until("a suggestion is inserted", () => editor.document.getText() !== before);
  });

  it("uses one folder's files in the other, but none that git ignores there or the folder's settings exclude", async () => {
    for (const path of ["built/prices.py", "generated/prices.py", "prices.py"]) await openFile("second", path);
    const pathsSent = async () => {
      const similar = `const price = known_prices.get(article) ?? default_price;\n${newFunction()}¦`;
      await open(similar);
      await suggest(suite.ctx);
      return suite.watch.requests.at(-1)!.snippets.map(({ path }) => path);
    };
    await until("the file is read", async () => (await pathsSent()).includes("second/prices.py"));
    const paths = await pathsSent();
    assert.ok(!paths.some((path) => /built|generated/.test(path)), paths.join());
  });

  it("completes in ignored files, where somebody types", async () => {
    for (const path of ["built/prices.py", "generated/prices.py"]) {
      const editor = await openFile("second", path);
      const before = editor.document.getText();
      await suggest(suite.ctx);
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
      await suggest(suite.ctx);
      assert.deepEqual(suite.watch.requests.at(-1)!.snippets, []);
    } finally {
      await settings.update("contextFromOtherFiles", undefined, vscode.ConfigurationTarget.WorkspaceFolder);
    }
  });
});

import assert from "node:assert/strict";
import * as vscode from "vscode";
import type { Ctx } from "../../src/extension/ctx.ts";
import { accept, closeAll, newFunction, open, openFile, ready, shown, suggest, type, until } from "./extension.ts";

/** Files that exist and cannot be written. */
const readOnlyFiles: vscode.FileSystemProvider = {
  onDidChangeFile: () => new vscode.Disposable(() => undefined),
  watch: () => new vscode.Disposable(() => undefined),
  stat: () => ({ type: vscode.FileType.File, ctime: 0, mtime: 0, size: 0 }),
  readDirectory: () => [],
  readFile: () => Buffer.from("function f() {\n"),
  createDirectory: refuse,
  writeFile: refuse,
  delete: refuse,
  rename: refuse,
};

function refuse(): never {
  throw vscode.FileSystemError.NoPermissions();
}

describe("a document that cannot be edited", () => {
  let ctx: Ctx;
  const provider = vscode.workspace.registerFileSystemProvider("jakiro-test", readOnlyFiles, { isReadonly: true });
  before(async () => {
    ctx = await ready();
  });
  after(() => provider.dispose());
  afterEach(closeAll);

  /** Everything by which a suggestion could come into the editor. */
  async function tryEverything(editor: vscode.TextEditor): Promise<void> {
    const { document } = editor;
    const before = document.getText();
    const { requests } = ctx.completions.completer.figures;
    const { length: errors } = ctx.journal.errors;
    await type(" ");
    await vscode.commands.executeCommand("editor.action.inlineSuggest.trigger");
    await vscode.commands.executeCommand("jakiro.completeHere");
    await shown();
    await accept();
    await shown();
    assert.equal(document.getText(), before);
    assert.equal(ctx.completions.completer.figures.requests, requests, "nothing is asked of the engine");
    assert.equal(ctx.journal.errors.length, errors, "nothing goes wrong");
  }

  it("has no suggestions where the user's settings make the file read-only", async () => {
    const files = vscode.workspace.getConfiguration("files");
    await files.update("readonlyInclude", { "**/total.py": true }, vscode.ConfigurationTarget.Global);
    try {
      await tryEverything(await openFile("first", "total.py"));
    } finally {
      await files.update("readonlyInclude", undefined, vscode.ConfigurationTarget.Global);
    }
  });

  it("has none where it comes from a file system that cannot be written", async () => {
    const document = await vscode.workspace.openTextDocument(vscode.Uri.parse("jakiro-test:/f.ts"));
    const editor = await vscode.window.showTextDocument(document);
    const end = new vscode.Position(1, 0);
    editor.selection = new vscode.Selection(end, end);
    await tryEverything(editor);
  });

  it("leaves suggestions in other documents as they are", async () => {
    const before = newFunction();
    const editor = await open(`${before}¦`);
    await suggest(ctx);
    await accept();
    await until("a suggestion is inserted", () => editor.document.getText() !== before);
  });
});

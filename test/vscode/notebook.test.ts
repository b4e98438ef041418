import assert from "node:assert/strict";
import * as vscode from "vscode";
import type { Ctx } from "../../src/extension/ctx.ts";
import { recital } from "../workbench/recitalModel.ts";
import { accept, closeAll, ready, suggest, type, until } from "./extension.ts";

describe("a notebook", () => {
  let ctx: Ctx;
  before(async () => {
    ctx = await ready();
  });
  afterEach(closeAll);

  /** Opens a notebook of code cells, the cursor at the end of one of them. */
  async function openNotebook(texts: readonly string[], at: number): Promise<vscode.TextDocument> {
    const cells = texts.map((text) => new vscode.NotebookCellData(vscode.NotebookCellKind.Code, text, "typescript"));
    const notebook = await vscode.workspace.openNotebookDocument("jupyter-notebook", new vscode.NotebookData(cells));
    const selection = new vscode.NotebookRange(at, at + 1);
    await vscode.window.showNotebookDocument(notebook, { selections: [selection] });
    await vscode.commands.executeCommand("notebook.cell.edit");
    const { document } = notebook.cellAt(at);
    await until("the cell is edited", () => vscode.window.activeTextEditor?.document === document);
    await vscode.commands.executeCommand("cursorBottom");
    return document;
  }

  const [first, ...others] = recital;
  const rest = others.join("").trimEnd();

  it("shows a suggestion in the cell that is edited, and takes it", async () => {
    const document = await openNotebook(["function f() {\n const ans", ""], 0);
    await suggest(ctx);
    await accept();
    await until(
      "the suggestion is inserted",
      () => document.getText() === `function f() {\n${recital.join("").trimEnd()}`,
    );
  });

  it("goes on from the cells above, and stops at what the cells below begin with", async () => {
    const document = await openNotebook([`function f() {\n${first!.trimEnd()}`, "", "done();"], 1);
    await suggest(ctx);
    await accept();
    await until("a suggestion is inserted", () => document.getText() !== "");
    assert.equal(document.getText(), rest);
  });

  it("has suggestions while somebody types in a cell", async () => {
    const document = await openNotebook(["function g() {\n", "const answer = 1;"], 0);
    await type(" const ans");
    await suggest(ctx);
    await accept();
    await until("the suggestion is inserted", () =>
      document.getText().startsWith(`function g() {\n${first!.trimEnd()}`),
    );
  });
});

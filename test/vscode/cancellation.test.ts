import assert from "node:assert/strict";
import * as vscode from "vscode";
import type { EngineAccess } from "../../src/extension/engine.ts";
import { recital } from "../workbench/recitalModel.ts";
import { accept, engineProcess, newFunction, open, type, until, watchedSuite } from "./extension.ts";

const [firstLine] = recital;
const whole = recital.join("").trimEnd();

/** The prompt is full and takes many forwards to read. */
const long = "value = unknown(first, second)\n".repeat(400);

describe("a request that nobody wants any more", () => {
  afterEach(() => goOn());
  const suite = watchedSuite();
  let processId: number;
  let warm: EngineAccess["warm"];
  before(async () => {
    const { ctx } = suite;
    ({ processId } = await engineProcess(ctx));
    // What is read ahead of the user would keep the engine busy too.
    ({ warm } = ctx.engine);
    ctx.engine.warm = async () => undefined;
  });
  after(() => {
    suite.ctx.engine.warm = warm;
  });

  const isBusy = () => suite.ctx.engine.state.kind === "ready" && suite.ctx.engine.state.busy;
  const typedForwards = async () => (await engineProcess(suite.ctx)).turns.typed;

  /** Types a character and holds the engine's process once it is at work on it, until `goOn`. */
  async function beginLongRequest(): Promise<vscode.TextEditor> {
    const editor = await open(`${newFunction()}${long}¦`);
    await until("the engine is idle", () => !isBusy());
    let isHeld = false;
    const listener = suite.ctx.engine.onState(() => {
      if (!isBusy() || isHeld) return;
      process.kill(processId, "SIGSTOP");
      isHeld = true;
    });
    try {
      await type("q");
      await until("the engine is asked", () => suite.watch.requests.length > 0);
      await until("it is at work", () => isHeld);
    } finally {
      listener.dispose();
    }
    return editor;
  }

  const goOn = () => process.kill(processId, "SIGCONT");

  it("ends within one forward", async () => {
    const editor = await beginLongRequest();
    // A second cursor: the request is given up, and no other one takes its place.
    const top = new vscode.Position(0, 0);
    editor.selections = [editor.selection, new vscode.Selection(top, top)];
    assert.equal(await suite.watch.results[0], undefined, "it was cancelled before it was done");
    const atCancellation = typedForwards();
    goOn();
    const before = await atCancellation;
    await until("the engine is idle", () => !isBusy());
    assert.ok((await typedForwards()) - before <= 1);
    assert.equal(suite.watch.requests.length, 1, "nothing was asked for instead");
  });

  it("leaves no suggestion behind: what is shown fits what was typed since", async () => {
    const editor = await beginLongRequest();
    await type(" const ans");
    goOn();
    const text = editor.document.getText();
    await until("a suggestion is inserted", async () => {
      await accept();
      return editor.document.getText() !== text;
    });
    const suggested = editor.document.getText().slice(text.length - " const ans".length);
    // On a slow machine the later lines come later.
    assert.ok(suggested.startsWith(firstLine!.trimEnd()) && whole.startsWith(suggested), suggested);
  });
});

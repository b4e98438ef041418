import assert from "node:assert/strict";
import { FirstLoad } from "../../../src/extension/firstLoad.ts";
import type { WarmParams } from "../../../src/protocol/messages.ts";
import { readyState, ScriptedEngine } from "./scriptedEngine.ts";

describe("FirstLoad", () => {
  const looked: WarmParams = { prefix: "x = ", suffix: "\n", snippets: [] };
  let engine: ScriptedEngine;
  let document: WarmParams | undefined;
  let load: FirstLoad;
  beforeEach(() => {
    engine = new ScriptedEngine();
    engine.state = { kind: "released", name: "tiny" };
    document = looked;
    load = new FirstLoad({ engine, document: () => document });
  });

  it("reads the document that is looked at, for which the model is loaded", () => {
    load.check();
    assert.deepEqual(engine.warmed, [looked]);
  });

  it("waits for a document", () => {
    document = undefined;
    load.check();
    assert.deepEqual(engine.warmed, []);
    document = looked;
    load.check();
    assert.deepEqual(engine.warmed, [looked]);
  });

  it("waits for a model", () => {
    engine.state = { kind: "noModel" };
    load.check();
    assert.deepEqual(engine.warmed, []);
    engine.state = { kind: "released", name: "tiny" };
    load.check();
    assert.deepEqual(engine.warmed, [looked]);
  });

  it("loads nothing that was released later", () => {
    load.check();
    load.check();
    assert.equal(engine.warmed.length, 1);
  });

  it("leaves an engine alone that was asked for something before", () => {
    engine.state = readyState;
    load.check();
    engine.state = { kind: "released", name: "tiny" };
    load.check();
    assert.deepEqual(engine.warmed, []);
  });

  it("leaves failures to the engine's state", async () => {
    engine.warmth = Promise.reject(new Error("no such model"));
    load.check();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(engine.warmed.length, 1);
  });
});

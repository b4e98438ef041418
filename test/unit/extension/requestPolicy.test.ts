import assert from "node:assert/strict";
import { refusalByEngine } from "../../../src/extension/requestPolicy.ts";

describe("refusalByEngine", () => {
  const failed = { kind: "failed", name: "new", message: "It is damaged." } as const;

  it("asks no engine that cannot answer, and says why", () => {
    assert.deepEqual(refusalByEngine({ kind: "noModel" }), { stage: "noModel" });
    assert.deepEqual(refusalByEngine(failed), { stage: "engine", detail: "It is damaged." });
    assert.deepEqual(refusalByEngine({ kind: "stopped", message: "Gone.", remedy: "report" }), {
      stage: "engine",
      detail: "Gone.",
      remedy: "report",
    });
  });

  it("asks one that loads, and one whose former model goes on answering", () => {
    assert.equal(refusalByEngine({ kind: "released", name: "m" }), undefined);
    assert.equal(refusalByEngine({ kind: "loading", name: "m", stage: "loading" }), undefined);
    assert.equal(refusalByEngine({ ...failed, serving: "old" }), undefined);
  });
});

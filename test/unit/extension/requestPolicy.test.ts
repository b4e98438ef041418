import assert from "node:assert/strict";
import { editorKind, refusalByEngine } from "../../../src/extension/requestPolicy.ts";

describe("editorKind", () => {
  const facts = { scheme: "file", path: "/a.ts", languageId: "typescript", readOnly: false, cursors: 1 };
  const kind = (changes: object) => editorKind({ ...facts, hasSelection: false, ...changes });

  it("tells what holds code, and whether it can be written", () => {
    assert.equal(kind({}), "writable");
    assert.equal(kind({ scheme: "untitled" }), "writable");
    assert.equal(kind({ readOnly: true }), "readOnly");
    for (const changes of [{ scheme: "output" }, { scheme: "git" }, { languageId: "log", readOnly: true }])
      assert.equal(kind(changes), "foreign");
  });
});

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

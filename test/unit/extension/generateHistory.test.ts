import assert from "node:assert/strict";
import { instructionsFor, readHistory, remember } from "../../../src/extension/generateHistory.ts";
import { longestAnswer, placeIn } from "../../../src/extension/generateRequest.ts";

describe("instruction history", () => {
  it("keeps the last twenty, each once, newest first", () => {
    let history: readonly string[] = [];
    for (let index = 0; index < 30; index++) history = remember(history, `instruction ${index}`);
    history = remember(history, "instruction 25");
    assert.equal(history.length, 20);
    assert.deepEqual(history.slice(0, 2), ["instruction 25", "instruction 29"]);
    assert.equal(history.filter((entry) => entry === "instruction 25").length, 1);
  });

  it("takes what is stored for what it is", () => {
    assert.deepEqual(readHistory(undefined), []);
    assert.deepEqual(readHistory({ 0: "a" }), []);
    assert.deepEqual(readHistory(["a", 1, "", "b"]), ["a", "b"]);
  });

  it("offers what was typed first, then what holds all its words", () => {
    const history = ["add types", "add a docstring", "write tests"];
    assert.deepEqual(instructionsFor("  ", history), history);
    assert.deepEqual(instructionsFor(" ADD doc ", history), ["ADD doc", "add a docstring"]);
    assert.deepEqual(instructionsFor("write tests", history), ["write tests"]);
  });
});

describe("placeIn", () => {
  it("has what stood there in place of what stands there now", () =>
    assert.deepEqual(placeIn("above\nnew\nbelow", { start: 6, end: 9 }, "old"), {
      prefix: "above\n",
      selection: "old",
      suffix: "\nbelow",
    }));

  it("sends no more of a long document than a prompt can hold, from a line's beginning", () => {
    const lines = "0123456789\n".repeat(20_000);
    const { prefix, suffix } = placeIn(lines + lines, { start: lines.length, end: lines.length }, "");
    assert.ok(prefix.startsWith("0123456789\n") && prefix.endsWith("0123456789\n"));
    assert.ok(prefix.length <= 40_000 && prefix.length > 39_000);
    assert.equal(suffix.length, 40_000);
  });

  it("gives one long line a part of it", () =>
    assert.equal(placeIn("x".repeat(100_000), { start: 90_000, end: 90_000 }, "").prefix.length, 40_000));
});

describe("longestAnswer", () => {
  it("has room for the selection and more, within reason", () => {
    assert.equal(longestAnswer(""), 512);
    assert.ok(longestAnswer("x".repeat(900)) >= 512 + 300);
    assert.equal(longestAnswer("x".repeat(1_000_000)), 1536);
  });
});

import assert from "node:assert/strict";
import { cursorFacts } from "../../../src/engine/completion/facts.ts";
import { type StopRuleName, StopTracker } from "../../../src/engine/completion/stopRules.ts";
import { factsAt } from "./cursor.ts";
import { samples } from "./samples.ts";

const cases: readonly (readonly [
  rule: StopRuleName | undefined,
  languageId: string,
  document: string,
  generated: string,
  kept: string,
])[] = [
  ["lineEnd", "python", "x = ¦ + 1\n", "y\nz = 2\n", "y"],
  ["closingBracket", "python", "print(¦)\n", "total)\n", "total"],
  ["filledHole", "python", "def f(x):\n    ¦\n    return y\n", "y = x\n    y += 1\n", "y = x"],
  ["blockEnd", "python", "def f(x):\n    ¦\n", "y = x\n\ndef g():\n", "y = x"],
  ["blankLines", "python", "import os\n¦\n", "import sys\n\nx = 1\n", "import sys"],
  ["repetition", "python", "def f(x):\n    ¦\n", "g(x)\n    g(x)\n    g(x)\n", "g(x)"],
  [
    "repeatedSuffix",
    "python",
    "def f(x):\n    ¦\n\n    finish(x)\n    return x\n",
    "start(x)\n    go(x)\n\n    finish(x)\n    return x\n",
    "start(x)\n    go(x)",
  ],
  [undefined, "python", "def f(x):\n    ¦\n", "y = x\n    y += 1\n", "y = x\n    y += 1\n"],
];

describe("StopTracker", () => {
  for (const [rule, languageId, document, generated, kept] of cases)
    it(`${rule ?? "no rule"} ends ${JSON.stringify(generated)}`, () => {
      const state = new StopTracker(factsAt(document, languageId)).push(generated);
      assert.deepEqual(state, rule === undefined ? { done: false, keep: kept } : { done: true, keep: kept, rule });
    });

  it("ends at the same place however the text is cut into pieces", () => {
    for (const { languageId, text } of samples) {
      const middle = text.indexOf("\n", text.length >> 1) + 1;
      const facts = cursorFacts(text.slice(0, middle), `\n${text.slice(middle)}`, languageId);
      const generated = text.slice(middle >> 1);
      const whole = new StopTracker(facts).push(generated);
      for (const size of [1, 2, 3, 7, 20]) {
        const tracker = new StopTracker(facts);
        for (let at = 0; at < generated.length; at += size) tracker.push(generated.slice(at, at + size));
        assert.deepEqual(tracker.push(""), whole, `${languageId} in pieces of ${size}`);
      }
    }
  });

  it("stays ended", () => {
    const tracker = new StopTracker(factsAt("x = ¦ + 1\n", "python"));
    const ended = tracker.push("y\n");
    assert.deepEqual(tracker.push("more"), ended);
  });

  it("ignores carriage returns", () => {
    const state = new StopTracker(factsAt("def f(x):\r\n    ¦\r\n", "python")).push("y = x\r\n\r\ndef");
    assert.deepEqual(state, { done: true, keep: "y = x", rule: "blockEnd" });
  });

  it("keeps up with long texts", () => {
    const facts = factsAt("function f() {\n  ¦\n", "javascript");
    const lines = Array.from({ length: 80 }, (_, index) => `  const value${index} = compute(${index}, "some text");\n`);
    const started = performance.now();
    const state = new StopTracker(facts).push(lines.join("").trimStart());
    assert.equal(state.done, false);
    assert.ok(performance.now() - started < 5000);
  });
});

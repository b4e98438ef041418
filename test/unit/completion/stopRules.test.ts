import assert from "node:assert/strict";
import { type CursorFacts, cursorFacts } from "../../../src/engine/completion/facts.ts";
import { generatedLines, type StopRule } from "../../../src/engine/completion/generated.ts";
import { repairBeginning } from "../../../src/engine/completion/repairBeginning.ts";
import { stopAtBlankLines } from "../../../src/engine/completion/stopAtBlankLines.ts";
import { stopAtBlockEnd } from "../../../src/engine/completion/stopAtBlockEnd.ts";
import { stopAtClosingBracket } from "../../../src/engine/completion/stopAtClosingBracket.ts";
import { stopAtFilledHole } from "../../../src/engine/completion/stopAtFilledHole.ts";
import { stopAtJumpAhead } from "../../../src/engine/completion/stopAtJumpAhead.ts";
import { stopAtLineEnd } from "../../../src/engine/completion/stopAtLineEnd.ts";
import { stopAtRepeatedSuffix } from "../../../src/engine/completion/stopAtRepeatedSuffix.ts";
import { stopAtRepetition } from "../../../src/engine/completion/stopAtRepetition.ts";
import { type StopRuleName, type StopState, StopTracker } from "../../../src/engine/completion/stopRules.ts";
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

  it("finds what every rule finds that is asked after every character", () => {
    const rules = {
      ...{ lineEnd: stopAtLineEnd, closingBracket: stopAtClosingBracket, jumpAhead: stopAtJumpAhead },
      ...{ repeatedSuffix: stopAtRepeatedSuffix, filledHole: stopAtFilledHole, blockEnd: stopAtBlockEnd },
      ...{ blankLines: stopAtBlankLines, repetition: stopAtRepetition },
    } satisfies Record<StopRuleName, StopRule>;
    const expected = (text: string, facts: CursorFacts): StopState => {
      for (let length = 1; length <= text.length; length++) {
        const repaired = repairBeginning(text.slice(0, length), facts);
        const ends = (Object.keys(rules) as StopRuleName[]).flatMap((rule) => {
          const end = rules[rule](generatedLines(repaired, facts), facts);
          return end === undefined ? [] : [{ rule, end }];
        });
        const [first] = ends.sort((a, b) => a.end - b.end);
        if (first !== undefined) return { done: true, keep: repaired.slice(0, first.end), rule: first.rule };
      }
      return { done: false, keep: repairBeginning(text, facts) };
    };
    for (const { languageId, text } of samples) {
      for (let at = 0; at < text.length; at += 13) {
        // What follows the cursor is a little further on: the model writes the hole, then lines that are there already.
        const below = text.indexOf("\n", Math.min(text.length - 1, at + 120));
        const facts = cursorFacts(text.slice(0, at), below < 0 ? "" : text.slice(below), languageId);
        const generated = text.slice(at, at + 500);
        const state = new StopTracker(facts).push(generated);
        assert.deepEqual(state, expected(generated, facts), `${languageId} at ${at}`);
      }
    }
  });

  it("keeps up with long texts, inside a statement that does not end too", () => {
    const lines = Array.from({ length: 160 }, (_, index) => `  const value${index} = compute(${index}, "text");\n`);
    for (const document of ["function f() {\n  ¦\n", "function f() {\n  ¦\n  return x;\n}\n"]) {
      const started = performance.now();
      const state = new StopTracker(factsAt(document, "javascript")).push(`if (a) {\n${lines.join("")}`);
      assert.equal(state.done, false);
      assert.ok(performance.now() - started < 15_000);
    }
  });
});

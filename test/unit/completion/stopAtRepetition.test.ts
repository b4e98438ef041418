import assert from "node:assert/strict";
import { stopAtRepetition } from "../../../src/engine/completion/stopAtRepetition.ts";
import { factsAt, keptBy } from "./cursor.ts";

const cases: readonly (readonly [name: string, generated: string, kept: string | undefined])[] = [
  ["the same line three times", "step(1)\n    step(2)\n    step(2)\n    step(2)\n", "step(1)\n    step(2)"],
  ["the same line twice", "step(1)\n    step(2)\n    step(2)\n    step(3)\n", undefined],
  [
    "a block twice, blank lines aside",
    "first_call()\n    second_call()\n\n    first_call()\n    second_call()\n",
    "first_call()\n    second_call()",
  ],
  ["a block that changes", "first_call(1)\n    second_call()\n    first_call(2)\n    second_call()\n", undefined],
  ["a block of short lines twice", "<tr>\n    <td>\n    <tr>\n    <td>\n", undefined],
  ["a block of short lines three times", "<tr>\n    <td>\n    <tr>\n    <td>\n    <tr>\n    <td>\n", "<tr>\n    <td>"],
  ["closing brackets of several levels", "a([\n      [\n        1\n      ]\n    ]\n  )\n", undefined],
  ["words going round within a later line", `x = 1\n    y = ${"very ".repeat(40)}`, "x = 1"],
  ["words going round on the first line", `x = ${"a + b + ".repeat(20)}`, ""],
  ["a few zeros", `x = [${"0, ".repeat(12)}0]\n`, undefined],
  ["a line of one sign", `# ${"=".repeat(60)}\n`, undefined],
  ["a table of different numbers", `x = [${Array.from({ length: 40 }, (_, i) => i * 7).join(", ")}]\n`, undefined],
];

describe("stopAtRepetition", () => {
  for (const [name, generated, kept] of cases)
    it(name, () => assert.equal(keptBy(stopAtRepetition, generated, factsAt("def f():\n    ¦\n", "python")), kept));
});

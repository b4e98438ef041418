import assert from "node:assert/strict";
import { stopAtClosingBracket } from "../../../src/engine/completion/stopAtClosingBracket.ts";
import { factsAt, keptBy } from "./cursor.ts";

const cases: readonly (readonly [
  name: string,
  languageId: string,
  document: string,
  generated: string,
  kept: string | undefined,
])[] = [
  ["the bracket right of the cursor", "python", "print(¦)\n", "total)\nx = 1", "total"],
  ["brackets of the text's own", "python", "print(¦)\n", "len(rows), max(rows)", undefined],
  ["its own, then the one of the suffix", "python", "print(¦)\n", "len(rows))\n", "len(rows)"],
  ["one that the suffix does not have", "python", "print(len(¦)\n", "rows))\n", "rows)"],
  ["a block whose brace the editor typed", "typescript", "if (x) {¦}\n", "\n  a();\n}\nb();", "\n  a();\n"],
  ["a bracket inside a string", "javascript", "log(¦);\n", '"a)", b);', '"a)", b'],
  ["the quote right of the cursor", "javascript", 'log("¦");\n', 'hello"); x', "hello"],
  ["an escaped quote", "javascript", 'log("¦");\n', 'say \\"hi\\"', undefined],
  ["nothing right of the cursor", "javascript", "log(¦\n", "a);\n", undefined],
  ["a bracket of another kind", "rust", "let v = vec![¦];\n", "f(1)];\n", "f(1)"],
];

describe("stopAtClosingBracket", () => {
  for (const [name, languageId, document, generated, kept] of cases)
    it(name, () => assert.equal(keptBy(stopAtClosingBracket, generated, factsAt(document, languageId)), kept));
});

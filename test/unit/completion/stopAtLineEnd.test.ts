import assert from "node:assert/strict";
import { stopAtLineEnd } from "../../../src/engine/completion/stopAtLineEnd.ts";
import { factsAt, keptBy } from "./cursor.ts";

const cases: readonly (readonly [
  name: string,
  languageId: string,
  document: string,
  generated: string,
  kept: string | undefined,
])[] = [
  ["code after the cursor", "python", "x = ¦ + 1\n", "y\nz = 2\n", "y"],
  ["an argument after the cursor", "go", "\tcall(¦, timeout)\n", "ctx\n", "ctx"],
  ["until the line is complete nothing happens", "python", "x = ¦ + 1\n", "some_long_name", undefined],
  ["closing brackets after the cursor", "typescript", "call(¦);\n", "{\n  a: 1,\n}", undefined],
  ["a closing tag after the cursor", "html", "<ul>¦</ul>\n", "\n  <li>\n", undefined],
  ["nothing after the cursor", "rust", "let x = ¦\n", "1;\nlet y = 2;\n", undefined],
  ["a comment stays one", "javascript", "// the first ¦\n", "line\ncode();\n", "line"],
  ["whole lines above the cursor's line", "python", "¦x = 1\n", "y = 2\nz = 3\n", undefined],
];

describe("stopAtLineEnd", () => {
  for (const [name, languageId, document, generated, kept] of cases)
    it(name, () => assert.equal(keptBy(stopAtLineEnd, generated, factsAt(document, languageId)), kept));
});

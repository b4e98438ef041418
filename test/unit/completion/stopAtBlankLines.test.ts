import assert from "node:assert/strict";
import { stopAtBlankLines } from "../../../src/engine/completion/stopAtBlankLines.ts";
import { factsAt, keptBy } from "./cursor.ts";

const cases: readonly (readonly [
  name: string,
  languageId: string,
  document: string,
  generated: string,
  kept: string | undefined,
])[] = [
  ["two in a row", "python", "def f():\n    ¦\n", "a = 1\n\n\n    b = 2\n", "a = 1"],
  ["two in a row with white space in them", "go", "func f() {\n\t¦\n}\n", "a := 1\n\t\n \n\tb := 2\n", "a := 1"],
  ["one inside an empty block that is being filled", "python", "def f():\n    ¦\n", "a = 1\n\n    b = 2\n", undefined],
  [
    "one after a loop inside an empty block that is being filled",
    "python",
    "def f(rows):\n    ¦\n",
    "for row in rows:\n        use(row)\n\n    return rows\n",
    undefined,
  ],
  [
    "one after a whole block among other statements",
    "python",
    "def f(rows):\n    n = 0\n    ¦\n",
    "for row in rows:\n        n += 1\n\n    print(n)\n",
    "for row in rows:\n        n += 1",
  ],
  [
    "one inside a block",
    "python",
    "def f(rows):\n    n = 0\n    ¦\n",
    "for row in rows:\n        n += 1\n\n        print(n)\n",
    undefined,
  ],
  ["one between simple statements", "typescript", "function f() {\n  a();\n  ¦\n}\n", "b();\n\n  c();\n", undefined],
  [
    "one after a closing brace",
    "typescript",
    "function f() {\n  a();\n  ¦\n}\n",
    "if (b) {\n    c();\n  }\n\n  d();\n",
    "if (b) {\n    c();\n  }",
  ],
  ["one at the top level", "python", "import os\n¦\n", "import sys\n\nmain()\n", "import sys"],
  ["one in an open bracket", "python", "a = 1\n¦\n", "b = [\n    1,\n\n    2,\n]\n", undefined],
  ["two in a string", "python", "a = 1\n¦\n", 'b = """\none\n\n\ntwo\n"""\n', undefined],
  ["before the first line of the text", "python", "import os\n¦\n", "\n\ndef f():\n    pass\n", undefined],
  ["the end of a paragraph", "markdown", "# Title\n\n¦\n", "Some words\nand more.\n\nNext.\n", "Some words\nand more."],
];

describe("stopAtBlankLines", () => {
  for (const [name, languageId, document, generated, kept] of cases)
    it(name, () => assert.equal(keptBy(stopAtBlankLines, generated, factsAt(document, languageId)), kept));
});

import assert from "node:assert/strict";
import { stopAtFilledHole } from "../../../src/engine/completion/stopAtFilledHole.ts";
import { factsAt, keptBy } from "./cursor.ts";

const cases: readonly (readonly [
  name: string,
  languageId: string,
  document: string,
  generated: string,
  kept: string | undefined,
])[] = [
  [
    "one statement above a line of the same level",
    "python",
    "def f(x):\n    ¦\n    return y\n",
    "y = x + 1\n    y *= 2\n",
    "y = x + 1",
  ],
  [
    "one statement, when the cursor stands before the next line",
    "python",
    "def f(x):\n¦    return y\n",
    "    y = x + 1\n    y *= 2\n",
    "    y = x + 1",
  ],
  [
    "a compound statement is one",
    "python",
    "def f(x):\n    y = 0\n    ¦\n    return y\n",
    "if x:\n        y = 1\n    else:\n        y = 2\n    y += 1\n",
    "if x:\n        y = 1\n    else:\n        y = 2",
  ],
  [
    "a statement over several lines is one",
    "typescript",
    "function f(x) {\n  ¦\n  return y;\n}\n",
    "const y = g(\n    x,\n    1,\n  );\n  h(y);\n",
    "const y = g(\n    x,\n    1,\n  );",
  ],
  [
    "a comment belongs to the statement below it",
    "python",
    "def f(x):\n    ¦\n    return y\n",
    "# twice\n    y = x * 2\n    y += 1\n",
    "# twice\n    y = x * 2",
  ],
  [
    "if and else in braces",
    "javascript",
    "function f(x) {\n  ¦\n  return y;\n}\n",
    "if (x) {\n    a();\n  } else {\n    b();\n  }\n  c();\n",
    "if (x) {\n    a();\n  } else {\n    b();\n  }",
  ],
  [
    "a blank line below the cursor leaves room for more",
    "python",
    "def f(x):\n    ¦\n\n    return y\n",
    "y = x + 1\n    y *= 2\n",
    undefined,
  ],
  [
    "the end of a block leaves room for more",
    "python",
    "def f(x):\n    if x:\n        ¦\n    return y\n",
    "y = x + 1\n        y *= 2\n",
    undefined,
  ],
  [
    "the header of the block below",
    "python",
    "def f(rows):\n    ¦\n        use(row)\n    return rows\n",
    "for row in rows:\n        print(row)\n",
    "for row in rows:",
  ],
  [
    "two headers where the block below is two levels deeper",
    "python",
    "def f(rows):\n    ¦\n            use(cell)\n    return rows\n",
    "for row in rows:\n        for cell in row:\n            print(cell)\n",
    "for row in rows:\n        for cell in row:",
  ],
  [
    "a header over several lines",
    "python",
    "¦\n    return a\n",
    "def f(\n    a,\n    b,\n):\n    print(a)\n",
    "def f(\n    a,\n    b,\n):",
  ],
  [
    "a bracket whose content stands below",
    "python",
    "def f(rows):\n    ¦\n        rows,\n        key=len,\n    )\n",
    "return sorted(\n        rows)\n",
    "return sorted(",
  ],
  [
    "the receiver of a chain of calls",
    "rust",
    "fn f(&self) -> usize {\n    ¦\n        .iter()\n        .count()\n}\n",
    "self.rows\n        .iter()\n",
    "self.rows",
  ],
  [
    "the line below written first: the repetition rule must see the next one",
    "python",
    "def f(x):\n    ¦\n    total = x + 1\n    return total\n",
    "total = x + 1\n    return",
    undefined,
  ],
  [
    "the brace that opens the block below",
    "go",
    "func f(rows []int) {\n\t¦\n\t\tuse(row)\n\t}\n}\n",
    "for _, row := range rows {\n\t\tprint(row)\n",
    "for _, row := range rows {",
  ],
];

describe("stopAtFilledHole", () => {
  for (const [name, languageId, document, generated, kept] of cases)
    it(name, () => assert.equal(keptBy(stopAtFilledHole, generated, factsAt(document, languageId)), kept));
});

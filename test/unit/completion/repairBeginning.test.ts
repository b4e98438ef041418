import assert from "node:assert/strict";
import { repairBeginning, repairFinished } from "../../../src/engine/completion/repairBeginning.ts";
import { factsAt } from "./cursor.ts";

const cases: readonly (readonly [name: string, document: string, generated: string, repaired: string])[] = [
  [
    "a block's first line is deeper than its header, and its other lines go with it",
    "def f(rows):\n    for row in rows:\n¦    return rows\n",
    "    if row:\n        use(row)\n",
    "        if row:\n            use(row)\n",
  ],
  [
    "any deeper level will do",
    "def f(rows):\n    for row in rows:\n¦\n    return rows\n",
    "            use(row)\n",
    "            use(row)\n",
  ],
  [
    "but a line that the editor has indented already is not indented once more",
    "def f(rows):\n    ¦\n",
    "    if rows:\n            use(rows)\n",
    "if rows:\n        use(rows)\n",
  ],
  [
    "without a block above, no line is deeper than the one above",
    "def f(rows):\n    n = 0\n¦\n",
    "        n += 1\n    return n\n",
    "    n += 1\nreturn n\n",
  ],
  [
    "a line above a deeper one that opens no block",
    "def f(rows):\n    n = 0\n¦    return n\n",
    "n += len(rows)\n",
    "    n += len(rows)\n",
  ],
  [
    "the header of a deeper block stands one level above it",
    "def f(rows):\n    for row in rows:\n        use(row)\n¦            drop(row)\n",
    "    if row:\n",
    "        if row:\n",
  ],
  ["an open bracket says nothing of the level", "n = 1\n¦         2,\n    ]\n", "rows = [1,\n", "rows = [1,\n"],
  [
    "else belongs to its own if",
    "def f(x):\n    if x:\n        g(x)\n¦            h(x)\n",
    "    else:\n",
    "    else:\n",
  ],
  ["a lower level may be meant", "def f(x):\n    if x:\n        g(x)\n¦\n", "    return x\n", "    return x\n"],
  [
    "the indentation left of the cursor counts",
    "def f(rows):\n    n = 0\n    ¦\n",
    "    n += 1\n    return n\n",
    "n += 1\nreturn n\n",
  ],
  ["two spaces", "def f(x):\n  if x:\n¦\n", "  g(x)\n", "    g(x)\n"],
  ["tabs", "def f(x):\n\tif x:\n¦\n", "\tg(x)\n", "\t\tg(x)\n"],
  [
    "a header that was written once more",
    "def f(x):\n    if x:\n        return 1\n    else:\n¦    y = 2\n",
    "    else:\n        return 0\n",
    "        return 0\n",
  ],
  ["not before the first line is complete", "def f(x):\n    if x:\n¦\n", "    g(x)", "    g(x)"],
  ["not inside brackets", "x = [\n    1,\n¦]\n", "        2,\n", "        2,\n"],
  ["not inside a string", 'def f():\n    """Doc\n¦\n', "        more\n", "        more\n"],
  ["not after code on the cursor's line", "if x:\n    return ¦\n", "1\n", "1\n"],
  ["not where nothing stands above", "¦\n", "  x = 1\n", "  x = 1\n"],
];

describe("repairBeginning", () => {
  for (const [name, document, generated, repaired] of cases)
    it(name, () => {
      const facts = factsAt(document, "python");
      assert.equal(repairBeginning(generated, facts), repaired);
      assert.equal(repairBeginning(repaired, facts), repaired);
    });

  it("leaves languages alone in which indentation is style", () => {
    const facts = factsAt("function f(x) {\n  if (x) {\n¦\n", "javascript");
    assert.equal(repairBeginning("  g(x);\n", facts), "  g(x);\n");
  });

  it("judges the only line of a finished text", () => {
    assert.equal(repairFinished("    g(x)", factsAt("def f(x):\n    if x:\n¦\n", "python")), "        g(x)");
  });
});

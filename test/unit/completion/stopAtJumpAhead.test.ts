import assert from "node:assert/strict";
import { stopAtJumpAhead } from "../../../src/engine/completion/stopAtJumpAhead.ts";
import { factsAt, keptBy } from "./cursor.ts";

const cases: readonly (readonly [name: string, document: string, generated: string, kept: string | undefined])[] = [
  [
    "the function's last line where a header is missing",
    "def f(rows):\n    n = 0\n¦        n += 1\n    return n\n",
    "    return n\n",
    "",
  ],
  [
    "a line from below where a block has to begin",
    "def f(rows):\n    for row in rows:\n¦\n    return rows\n",
    "    return rows\n",
    "",
  ],
  [
    "a line that stands below but may stand here as well",
    "def f(x):\n    if x:\n¦        log(x)\n        return 1\n    return 0\n",
    "        return 1\n",
    undefined,
  ],
  [
    "a line at the wrong level that stands nowhere else",
    "def f(rows):\n    for row in rows:\n¦\n    return rows\n",
    "    use(row)\n",
    undefined,
  ],
  [
    "not before the line is complete",
    "def f(rows):\n    for row in rows:\n¦\n    return rows\n",
    "    return rows",
    undefined,
  ],
];

describe("stopAtJumpAhead", () => {
  for (const [name, document, generated, kept] of cases)
    it(name, () => assert.equal(keptBy(stopAtJumpAhead, generated, factsAt(document, "python")), kept));
});

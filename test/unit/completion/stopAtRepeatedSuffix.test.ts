import assert from "node:assert/strict";
import { stopAtRepeatedSuffix } from "../../../src/engine/completion/stopAtRepeatedSuffix.ts";
import { factsAt, keptBy } from "./cursor.ts";

const cases: readonly (readonly [
  name: string,
  languageId: string,
  document: string,
  generated: string,
  kept: string | undefined,
])[] = [
  [
    "one telling line is enough",
    "python",
    "def f(rows):\n    for row in rows:\n        ¦\n    return summary(rows)\n\ndef g():\n    pass\n",
    "use(row)\n    return summary(rows)\n",
    "use(row)",
  ],
  [
    "only when the line is complete",
    "python",
    "def f(rows):\n    ¦\n\n    return summary(rows)\n",
    "use(rows)\n    return summary(rows)",
    undefined,
  ],
  [
    "in the middle of the text, after several lines and a blank one",
    "typescript",
    "function f() {\n  ¦\n\n  const result = compute();\n  return result;\n}\n",
    "a();\n  b();\n\n  const result = compute();\n  return",
    "a();\n  b();",
  ],
  [
    "short lines need the next one",
    "python",
    "def f(x):\n    if x:\n        ¦\n    else:\n        give_up(x)\n",
    "a = 1\n    else:\n        a = 2\n",
    undefined,
  ],
  [
    "short lines with the next one",
    "python",
    "def f(x):\n    if x:\n        ¦\n    else:\n        give_up(x)\n",
    "a = 1\n    else:\n        give_up(x)\n",
    "a = 1",
  ],
  ["a closing brace where nothing else remains", "javascript", "function f() {\n  ¦\n}\n", "a();\n}\n", "a();"],
  [
    "a closing brace of another level is another one",
    "javascript",
    "function f() {\n  ¦\n}\n",
    "if (a) {\n    b();\n  }\n",
    undefined,
  ],
  [
    "rewritten a little, both of two lines",
    "python",
    "def f(rows):\n    ¦\n\n    totals = collect(rows)\n    return report(totals)\n",
    "check(rows)\n    totals = collects(rows)\n    return reports(totals)\n",
    "check(rows)",
  ],
  [
    "one alike line proves nothing",
    "python",
    "def f(self, a, b):\n    ¦\n\n    self.second_value = b\n    self.ready = True\n",
    "self.zero = 0\n    self.first_value = a\n    self.other = 1\n",
    undefined,
  ],
  [
    "members of a series are alike but not the same",
    "typescript",
    "class A {\n  ¦\n\n  value3 = read(3);\n  value4 = read(4);\n}\n",
    "value1 = read(1);\n  value2 = read(2);\n  value3 = read(3);\n  value4 = read(4);\n",
    "value1 = read(1);\n  value2 = read(2);",
  ],
  [
    "a line left out: three of the lines after it",
    "go",
    "func f() {\n\t¦\n\n\tdefer file.Close()\n\tscanner := bufio.NewScanner(file)\n\tscanner.Split(bufio.ScanWords)\n\tcountWords(scanner)\n}\n",
    "open()\n\tscanner := bufio.NewScanner(file)\n\tscanner.Split(bufio.ScanWords)\n\tcountWords(scanner)\n",
    "open()",
  ],
  [
    "a line left out: an idiom is not enough",
    "go",
    "func f() error {\n\ta, err := first()\n\t¦\n\tb, err := second(a)\n\tif err != nil {\n\t\treturn err\n\t}\n\tuse(b)\n}\n",
    "if err != nil {\n\t\treturn err\n\t}\n\tb, err",
    undefined,
  ],
  [
    "a first line that equals the next one may be meant",
    "python",
    "def f():\n    ¦\n\n    connection.commit()\n    close()\n",
    "connection.commit()\n    insert()\n",
    undefined,
  ],
  [
    "a text that begins by repeating has nothing to add",
    "python",
    "def f():\n    ¦\n\n    connection.commit()\n    connection.close()\n",
    "connection.commit()\n    connection.close()\n",
    "",
  ],
  [
    "where the cursor stands before the next line, that line is below",
    "python",
    "def f(rows):\n¦    return summary(rows)\n",
    "    use(rows)\n    return summary(rows)\n",
    "    use(rows)",
  ],
  [
    "the same words at another level are not a repetition",
    "python",
    "def f(rows):\n    ¦\n\n    return summary(rows)\n\ndef g():\n    pass\n",
    "if not rows:\n        return summary(rows)\n",
    undefined,
  ],
  [
    "markup",
    "html",
    "<ul>\n  ¦\n\n  <li>the last of them</li>\n</ul>\n",
    "<li>the first</li>\n  <li>the last of them</li>\n</ul>\n",
    "<li>the first</li>",
  ],
];

describe("stopAtRepeatedSuffix", () => {
  for (const [name, languageId, document, generated, kept] of cases)
    it(name, () => assert.equal(keptBy(stopAtRepeatedSuffix, generated, factsAt(document, languageId)), kept));
});

import assert from "node:assert/strict";
import { stopAtBlockEnd } from "../../../src/engine/completion/stopAtBlockEnd.ts";
import { factsAt, keptBy } from "./cursor.ts";

interface Case {
  readonly name: string;
  readonly languageId: string;
  readonly document: string;
  readonly generated: string;
  /** What the rule keeps; undefined where it never ends the text. */
  readonly kept: string | undefined;
}

const cases: readonly Case[] = [
  {
    name: "python: a line indented less than the first one is outside the block",
    languageId: "python",
    document: "def area(w, h):\n    ¦\n",
    generated: "size = w * h\n    print(size)\n\ndef other():\n    pass\n",
    kept: "size = w * h\n    print(size)",
  },
  {
    name: "python: deeper lines belong to the block",
    languageId: "python",
    document: "def area(w, h):\n    ¦\n",
    generated: "if w < 0:\n        w = 0\n    size = w * h\n",
    kept: undefined,
  },
  {
    name: "python: nothing follows a return in its block",
    languageId: "python",
    document: "def area(w, h):\n    ¦\n",
    generated: "return w * h\n    print('never')\n",
    kept: "return w * h",
  },
  {
    name: "python: a return deeper inside does not end the outer block",
    languageId: "python",
    document: "def area(w, h):\n    ¦\n",
    generated: "if w < 0:\n        return 0\n    size = w * h\n",
    kept: undefined,
  },
  {
    name: "python: a return goes on over open brackets",
    languageId: "python",
    document: "def area(w, h):\n    ¦\n",
    generated: "return max(\n        w,\n        h,\n    )\n    print('never')\n",
    kept: "return max(\n        w,\n        h,\n    )",
  },
  {
    name: "python: the return may have been typed already",
    languageId: "python",
    document: "def area(w, h):\n    return ¦\n",
    generated: "w * h\n    x = 1\n",
    kept: "w * h",
  },
  {
    name: "python: else belongs to another block than the one being written",
    languageId: "python",
    document: "def sign(x):\n    if x < 0:\n        ¦\n",
    generated: "x = -x\n    else:\n        x = 0\n",
    kept: "x = -x",
  },
  {
    name: "python: else at the starting level carries on",
    languageId: "python",
    document: "def sign(x):\n    ¦\n",
    generated: "if x < 0:\n        x = -x\n    else:\n        x = 0\n",
    kept: undefined,
  },
  {
    name: "python: a try without a handler gets the one that is generated",
    languageId: "python",
    document: "def load(path):\n    try:\n        ¦\n",
    generated: "text = read(path)\n    except OSError:\n        text = ''\n    parse(text)\n",
    kept: "text = read(path)\n    except OSError:\n        text = ''",
  },
  {
    name: "python: a try that has its handler below gets no second one",
    languageId: "python",
    document: "def load(path):\n    try:\n        ¦\n    except OSError:\n        text = ''\n",
    generated: "text = read(path)\n    except OSError:\n        text = ''\n",
    kept: "text = read(path)",
  },
  {
    name: "python: a bracket opened above and closed nowhere is closed",
    languageId: "python",
    document: "items = sorted(\n    ¦\n",
    generated: "rows,\n    key=len,\n)\nprint(items)\n",
    kept: "rows,\n    key=len,\n)",
  },
  {
    name: "python: lines of a string do not count",
    languageId: "python",
    document: "def usage():\n    ¦\n",
    generated: 'text = """\nfirst\nsecond\n"""\n    print(text)\n',
    kept: undefined,
  },
  {
    name: "typescript: the closing brace that the editor typed is there already",
    languageId: "typescript",
    document: "function area(w: number) {\n  ¦\n}\n",
    generated: "const h = 2;\n  log(w * h);\n}\n\nfunction other() {\n",
    kept: "const h = 2;\n  log(w * h);",
  },
  {
    name: "typescript: a brace that nothing below closes is closed, and that is the end",
    languageId: "typescript",
    document: "function area(w: number) {\n  ¦\n",
    generated: "const h = 2;\n  log(w * h);\n}\n\nfunction other() {\n",
    kept: "const h = 2;\n  log(w * h);\n}",
  },
  {
    name: "typescript: nothing is waited for after a brace at the top level",
    languageId: "typescript",
    document: "function area(w: number) {\n  ¦\n",
    generated: "log(w);\n}\n",
    kept: "log(w);\n}",
  },
  {
    name: "typescript: an inner brace is closed although the outer one is closed below",
    languageId: "typescript",
    document: "class A {\n  area(w: number) {\n    ¦\n}\n",
    generated: "log(w);\n  }\n\n  other() {\n",
    kept: "log(w);\n  }",
  },
  {
    name: "typescript: else after a brace that has to be closed goes on to its own end",
    languageId: "typescript",
    document: "function sign(x: number) {\n  if (x < 0) {\n    ¦\n}\n",
    generated: "log('-');\n  } else {\n    log('+');\n  }\n  done();\n}\n",
    kept: "log('-');\n  } else {\n    log('+');\n  }",
  },
  {
    name: "typescript: braces opened and closed in the text are its own",
    languageId: "typescript",
    document: "function area(w: number) {\n  ¦\n}\n",
    generated: "if (w < 0) {\n    w = 0;\n  }\n  log(w);\n",
    kept: undefined,
  },
  {
    name: "javascript: nothing follows a throw",
    languageId: "javascript",
    document: "function fail(reason) {\n  ¦\n",
    generated: "throw new Error(reason);\n  log(reason);\n",
    kept: "throw new Error(reason);",
  },
  {
    name: "javascript: a return without semicolon ends when the next line cannot belong to it",
    languageId: "javascript",
    document: "function pick(rows) {\n  ¦\n",
    generated: "return rows\n    .filter(Boolean)\n    .map(String)\n  log(rows)\n",
    kept: "return rows\n    .filter(Boolean)\n    .map(String)",
  },
  {
    name: "go: tabs",
    languageId: "go",
    document: "func area(w int) int {\n\t¦\n}\n",
    generated: "if w < 0 {\n\t\treturn 0\n\t}\n\treturn w\n}\n",
    kept: "if w < 0 {\n\t\treturn 0\n\t}\n\treturn w",
  },
  {
    name: "rust: lifetimes are no strings",
    languageId: "rust",
    document: "impl<'a> View<'a> {\n    ¦\n}\n",
    generated: "fn name(&self) -> &'a str {\n        self.name\n    }\n}\n",
    kept: "fn name(&self) -> &'a str {\n        self.name\n    }",
  },
  {
    name: "html: a closing tag that stands below",
    languageId: "html",
    document: "<ul>\n  ¦\n</ul>\n",
    generated: "<li>one</li>\n  <li>two</li>\n</ul>\n<p>",
    kept: "<li>one</li>\n  <li>two</li>",
  },
  {
    name: "html: a closing tag that is missing",
    languageId: "html",
    document: "<body>\n  <ul>\n    ¦\n</body>\n",
    generated: "<li>one</li>\n  </ul>\n  <p>\n",
    kept: "<li>one</li>\n  </ul>",
  },
  {
    name: "ruby: end that stands below",
    languageId: "ruby",
    document: "def area(w)\n  ¦\nend\n",
    generated: "h = 2\n  w * h\nend\n",
    kept: "h = 2\n  w * h",
  },
  {
    name: "plain text has no blocks",
    languageId: "plaintext",
    document: "  ¦\n",
    generated: "indented\nnot indented\n",
    kept: undefined,
  },
];

describe("stopAtBlockEnd", () => {
  for (const { name, languageId, document, generated, kept } of cases)
    it(name, () => assert.equal(keptBy(stopAtBlockEnd, generated, factsAt(document, languageId)), kept));
});

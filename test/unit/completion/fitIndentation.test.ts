import assert from "node:assert/strict";
import { fitIndentation } from "../../../src/engine/completion/fitIndentation.ts";
import type { EditorIndentation } from "../../../src/engine/completion/indentation.ts";
import { insertionAt } from "../../../src/engine/completion/insertion.ts";

interface Case {
  readonly name: string;
  readonly languageId?: string;
  readonly indentation?: EditorIndentation;
  /** «selection», or ¦ for a cursor. */
  readonly document: string;
  readonly code: string;
  /** What the document becomes. */
  readonly result: string;
}

const tabs: EditorIndentation = { insertSpaces: false, tabSize: 4 };
const spaces = (tabSize: number): EditorIndentation => ({ insertSpaces: true, tabSize });

const cases: readonly Case[] = [
  {
    name: "moves a function to the level of the selection",
    document: "class A:\n«    def f(self):\n        return 1\n»\n",
    code: "def f(self) -> int:\n    return 1",
    result: "class A:\n    def f(self) -> int:\n        return 1\n\n",
  },
  {
    name: "leaves it there where it was written at that level",
    document: "class A:\n«    def f(self):\n        return 1»\n",
    code: "    def f(self) -> int:\n        return 1\n",
    result: "class A:\n    def f(self) -> int:\n        return 1\n",
  },
  {
    name: "knows what the document has of the first line's indentation",
    document: "class A:\n    «def f(self):\n        return 1»\n",
    code: "def f(self):\n    return 2",
    result: "class A:\n    def f(self):\n        return 2\n",
  },
  {
    name: "puts back the first line's indentation that a model left out",
    document: "class A:\n    «def f(self):\n        return 1\n\n    x = 1»\n",
    code: "def f(self):\n        return 2\n\n    x = 2",
    result: "class A:\n    def f(self):\n        return 2\n\n    x = 2\n",
  },
  {
    name: "the same with brackets",
    document: "class A {\n  «f() {\n    return 1;\n  }»\n}\n",
    code: "f() {\n    return 2;\n  }",
    result: "class A {\n  f() {\n    return 2;\n  }\n}\n",
  },
  {
    name: "the same with plain statements",
    document: "def f():\n    «a = 1\n    b = 2»\n",
    code: "a = 3\n    b = 4",
    result: "def f():\n    a = 3\n    b = 4\n",
  },
  {
    name: "leaves a chain of calls alone",
    document: "  «x»;\n",
    code: "a\n  .b()\n  .c()",
    result: "  a\n    .b()\n    .c();\n",
  },
  {
    name: "writes tabs where the document does",
    document: "function f() {\n\ta();\n\t¦\n}\n",
    code: "if (x) {\n  b();\n}",
    result: "function f() {\n\ta();\n\tif (x) {\n\t\tb();\n\t}\n}\n",
  },
  {
    name: "writes levels of two spaces where the document does",
    document: "function f() {\n  a();\n  ¦\n}\n",
    code: "if (x) {\n    while (y) {\n        b();\n    }\n}",
    result: "function f() {\n  a();\n  if (x) {\n    while (y) {\n      b();\n    }\n  }\n}\n",
  },
  {
    name: "keeps the code's own levels where the document has none",
    document: "¦",
    code: "if (x) {\n  b();\n}",
    result: "if (x) {\n  b();\n}",
  },
  {
    name: "goes by the editor where the document has no levels: tabs",
    indentation: tabs,
    document: "¦",
    code: "if (x) {\n  while (y) {\n    b();\n  }\n}",
    result: "if (x) {\n\twhile (y) {\n\t\tb();\n\t}\n}",
  },
  {
    name: "two spaces, in the block that the line above opens",
    languageId: "python",
    indentation: spaces(2),
    document: "def f():\n¦\n",
    code: "if x:\n    while y:\n        b()",
    result: "def f():\n  if x:\n    while y:\n      b()\n",
  },
  {
    name: "four spaces, for a model that writes tabs",
    languageId: "go",
    indentation: spaces(4),
    document: "«f()»\n",
    code: "if x {\n\tfor y {\n\t\tb()\n\t}\n}",
    result: "if x {\n    for y {\n        b()\n    }\n}\n",
  },
  {
    name: "a tab wider than the model's levels, and what aligns a line is kept",
    indentation: { insertSpaces: false, tabSize: 8 },
    document: "¦",
    code: "f(\n  a,\n     b,\n);",
    result: "f(\n\ta,\n\t\t b,\n);",
  },
  {
    name: "the document counts more: a nested selection in two spaces, though the editor writes tabs",
    indentation: tabs,
    document: "class A {\n  f() {\n    «if (x) {\n      a();\n    }»\n  }\n}\n",
    code: "if (x) {\n    while (y) {\n        a();\n    }\n}",
    result: "class A {\n  f() {\n    if (x) {\n      while (y) {\n        a();\n      }\n    }\n  }\n}\n",
  },
  {
    name: "a nested selection in tabs, though the editor writes four spaces",
    indentation: spaces(4),
    document: "class A {\n\tf() {\n«\t\tif (x) {\n\t\t\ta();\n\t\t}\n»\t}\n}\n",
    code: "if (x) {\n  while (y) {\n    a();\n  }\n}",
    result: "class A {\n\tf() {\n\t\tif (x) {\n\t\t\twhile (y) {\n\t\t\t\ta();\n\t\t\t}\n\t\t}\n\t}\n}\n",
  },
  {
    name: "the lines of a comment are no levels",
    indentation: spaces(4),
    document: "/**\n * Adds up.\n */\n¦\n",
    code: "function f() {\n  a();\n}",
    result: "/**\n * Adds up.\n */\nfunction f() {\n    a();\n}\n",
  },
  {
    name: "a makefile's tabs are left alone",
    languageId: "makefile",
    indentation: spaces(4),
    document: "¦",
    code: "all:\n\tmake b",
    result: "all:\n\tmake b",
  },
  {
    name: "keeps the document's line ends",
    document: "a();\r\n¦\r\n",
    code: "b();\n\nc();",
    result: "a();\r\nb();\r\n\r\nc();\r\n",
  },
  {
    name: "replaces a part of a line within it",
    document: "  const a = «1»;\n",
    code: "{\n  x: 1,\n}",
    result: "  const a = {\n    x: 1,\n  };\n",
  },
  {
    name: "keeps white space around the selection",
    document: "a\n«\n\n  b\n\n»c\n",
    code: "d\n",
    result: "a\n\n\n  d\n\nc\n",
  },
  {
    name: "goes into the block that the line above opens",
    languageId: "python",
    document: "def f():\n¦\n",
    code: "return 1",
    result: "def f():\n    return 1\n",
  },
  {
    name: "goes before a closing bracket",
    document: "class A {\n  f() {}\n¦\n}\n",
    code: "g() {\n  h();\n}",
    result: "class A {\n  f() {}\n  g() {\n    h();\n  }\n}\n",
  },
  {
    name: "goes to the level of the method below, before it",
    languageId: "python",
    document: "class A:\n    def f(self):\n        return 1\n\n¦    def g(self):\n        return 2\n",
    code: "def h(self):\n    return 3",
    result:
      "class A:\n    def f(self):\n        return 1\n\n    def h(self):\n        return 3\n\n    def g(self):\n        return 2\n",
  },
  {
    name: "puts a method among the methods at the end of a file",
    languageId: "python",
    document: "class A:\n    def f(self):\n        return 1\n\n¦",
    code: "def g(self):\n    return 2",
    result: "class A:\n    def f(self):\n        return 1\n\n    def g(self):\n        return 2",
  },
  {
    name: "and a function beside the class",
    languageId: "python",
    document: "class A:\n    def f(self):\n        return 1\n\n¦",
    code: "def g(a):\n    return 2",
    result: "class A:\n    def f(self):\n        return 1\n\ndef g(a):\n    return 2",
  },
  {
    name: "begins a line of its own behind a comment",
    languageId: "python",
    document: "class A:\n    # add two numbers¦\n",
    code: "def add(self, a, b):\n    return a + b",
    result: "class A:\n    # add two numbers\n    def add(self, a, b):\n        return a + b\n",
  },
  {
    name: "goes on with an expression that is not finished",
    document: "  const a = ¦\n",
    code: "f(\n  1,\n);",
    result: "  const a = f(\n    1,\n  );\n",
  },
];

describe("fitIndentation", () => {
  for (const { name, languageId, indentation, document, code, result } of cases) {
    it(name, () => {
      const marked = document.replace("¦", "«»");
      const [prefix = "", rest = ""] = marked.split("«");
      const [selection = "", suffix = ""] = rest.split("»");
      const text = fitIndentation(code, insertionAt({ prefix, selection, suffix, languageId, indentation }));
      assert.equal(prefix + text + suffix, result);
    });
  }

  it("makes nothing of blank code", () =>
    assert.equal(fitIndentation("\n  \n", insertionAt({ prefix: "a\n", selection: "  b\n", suffix: "" })), ""));
});

import assert from "node:assert/strict";
import { CompletionText } from "../../../src/engine/completion/completionText.ts";
import { cursorFacts } from "../../../src/engine/completion/facts.ts";
import type { EditorIndentation } from "../../../src/engine/completion/indentation.ts";
import { splitAtCursor } from "./cursor.ts";

interface Case {
  readonly name: string;
  /** The cursor stands at "¦". */
  readonly document: string;
  readonly languageId?: string;
  readonly editor?: EditorIndentation;
  readonly generated: string;
  /** What is inserted. */
  readonly text: string;
}

const byteTokens = { bytes: (id: number) => Uint8Array.of(id) };
const tabs = { insertSpaces: false, tabSize: 4 };
const twoSpaces = { insertSpaces: true, tabSize: 2 };

const cases: readonly Case[] = [
  {
    name: "spaces become the document's tabs, levels kept",
    document: "function f() {\n\ta();\n\tif (b) {¦\n",
    generated: "\n        c();\n          d();\n    }",
    text: "\n\t\tc();\n\t\t  d();\n\t}",
  },
  {
    name: "tabs become the document's spaces",
    document: "function f() {\n  a();\n  if (b) {¦\n",
    generated: "\n\t\tc();\n\t}",
    text: "\n    c();\n  }",
  },
  {
    name: "the document counts more than the editor",
    document: "def f():\n  if a:\n    b()\n  if c:¦\n",
    languageId: "python",
    editor: tabs,
    generated: "\n\t\td()",
    text: "\n    d()",
  },
  {
    name: "a tab is as wide as the editor shows it",
    document: "int f() {\n\ta();¦\n}\n",
    editor: { insertSpaces: true, tabSize: 8 },
    generated: "\n        b();\n    c();",
    text: "\n\tb();\n    c();",
  },
  {
    name: "the editor tells where the document does not: spaces",
    document: "function f() {¦",
    editor: twoSpaces,
    generated: "\n\ta();\n}",
    text: "\n  a();\n}",
  },
  {
    name: "the editor tells where the document does not: tabs",
    document: "function f() {¦",
    editor: tabs,
    generated: "\n    a();\n}",
    text: "\n\ta();\n}",
  },
  {
    name: "a level is a tab, however many spaces the model gives it",
    document: "function f() {¦",
    editor: tabs,
    generated: "\n  if (a) {\n\n    b();\n  }\n}",
    text: "\n\tif (a) {\n\n\t\tb();\n\t}\n}",
  },
  {
    name: "where a tab is narrower than the model's level, too",
    document: "function f() {¦",
    editor: { insertSpaces: false, tabSize: 2 },
    generated: "\n    a();\n        b();\n}",
    text: "\n\ta();\n\t\tb();\n}",
  },
  {
    name: "the white space left of the cursor tells as well",
    document: "function f() {\n\t¦\n}\n",
    generated: "a();\n    b();",
    text: "a();\n\tb();",
  },
  {
    name: "where nobody knows, the text stays as it is",
    document: "function f() {¦",
    generated: "\n\ta();\n    b();\n}",
    text: "\n\ta();\n    b();\n}",
  },
  {
    name: "the first line's white space where the cursor stands within it",
    document: "function f() {\n\tif (a) {\n\t¦\n",
    generated: "    b();\n    }",
    text: "\tb();\n\t}",
  },
  {
    name: "and up to the tab stop where the cursor stands between two",
    document: "function f() {\n\tif (a) {\n  ¦\n",
    generated: "      b();",
    text: "\t\tb();",
  },
  {
    name: "not the white space behind code",
    document: "function f() {\n\ta();\n\tb =¦\n",
    generated: "    c();",
    text: "    c();",
  },
  {
    name: "what aligns something behind tabs stays",
    document: "function f() {\n\ta();\n\tb(c,¦\n",
    generated: "\n\t    d);",
    text: "\n\t    d);",
  },
  {
    name: "a comment's lines stay aligned",
    document: "/**\n * A.\n */\nfunction f() {\n\ta();\n}\n\n/**¦\n",
    generated: "\n * B.\n */",
    text: "\n * B.\n */",
  },
  {
    name: "few lines with spaces are exceptions among tabs",
    document: "/* A\n   b. */\nf() {\n\ta();\n\ta();\n\ta();\n\ta();\n\ta();¦\n}\n",
    generated: "\n    b();",
    text: "\n\tb();",
  },
  {
    name: "where both have a meaning, the model decides",
    document: "f ()\n{\n  if (a)\n    {\n      b ();\n\tc ();¦\n",
    generated: "\n\td ();\n\te ();",
    text: "\n\td ();\n\te ();",
  },
  {
    name: "a makefile's recipes keep their tabs",
    document: "A = \\\n    b \\\n    c\n\nall:¦\n",
    languageId: "makefile",
    editor: { insertSpaces: true, tabSize: 4 },
    generated: "\n\tcc",
    text: "\n\tcc",
  },
  {
    name: "line ends stay the document's",
    document: "f() {\r\n\ta();¦\r\n}\r\n",
    generated: "\n    b();\r\n    c();",
    text: "\r\n\tb();\r\n\tc();",
  },
  {
    name: "what keeps the text apart from the rest of the line is converted too",
    document: "f() {\n\ta(¦)\n}\n",
    generated: "b,\n    c\n    ",
    text: "b,\n\tc\n\t",
  },
];

describe("the document's tabs or spaces", () => {
  for (const { name, document, languageId, editor, generated, text } of cases) {
    it(name, () => {
      const [prefix, suffix] = splitAtCursor(document);
      const completion = new CompletionText(byteTokens, cursorFacts(prefix, suffix, languageId, editor));
      const grown = [...Buffer.from(generated)].map((byte) => {
        completion.push([byte]);
        return completion.current;
      });
      const finished = completion.finish("end");
      assert.equal(finished, text);
      assert.equal(completion.finish("end"), text, "the same when it is asked again");
      const stays = (earlier: string) => finished.startsWith(earlier.trimEnd());
      assert.deepEqual(
        grown.filter((earlier) => !stays(earlier)),
        [],
      );
    });
  }

  it("decide whether a line repeats the document's", () => {
    const facts = cursorFacts("f() {\n\ta();", "\n\tlast();\n\tof();\n\tall();\n}\n", "javascript");
    const completion = new CompletionText(byteTokens, facts);
    completion.push([...Buffer.from("\n    b();\n    last();\n    of();\n    all();\n}\n")]);
    assert.equal(completion.finish("end"), "\n\tb();");
  });

  it("leave raw text alone", () => {
    const completion = new CompletionText(byteTokens, cursorFacts("f() {\n\ta();", "\n}\n"), true);
    completion.push([...Buffer.from("\n    b();")]);
    assert.equal(completion.finish("end"), "\n    b();");
  });
});

import assert from "node:assert/strict";
import { type EndReason, type TrimName, trimCompletion } from "../../../src/engine/completion/trim.ts";
import { trimClosingBrackets } from "../../../src/engine/completion/trimClosingBrackets.ts";
import { trimFollowingLines } from "../../../src/engine/completion/trimFollowingLines.ts";
import { trimPartialLine } from "../../../src/engine/completion/trimPartialLine.ts";
import { trimSuffixOverlap } from "../../../src/engine/completion/trimSuffixOverlap.ts";
import { trimWhitespace } from "../../../src/engine/completion/trimWhitespace.ts";
import { factsAt } from "./cursor.ts";

interface Case {
  readonly name: string;
  readonly languageId: string;
  readonly document: string;
  readonly text: string;
  readonly trimmed: string;
}

const closingBrackets: readonly Case[] = [
  { name: "the closing bracket", languageId: "python", document: "f(¦)\n", text: "a, b)", trimmed: "a, b" },
  { name: "and all that follows it", languageId: "python", document: "f(¦)\n", text: "a).g()", trimmed: "a" },
  { name: "none of its own", languageId: "python", document: "f(¦)\n", text: "g(a)", trimmed: "g(a)" },
  { name: "a semicolon inside the bracket", languageId: "go", document: "f(¦);\n", text: "g(a);", trimmed: "g(a)" },
  { name: "a semicolon outside", languageId: "c", document: "x = ¦\n", text: "g(a);", trimmed: "g(a);" },
  { name: "a quote", languageId: "rust", document: 'f("¦")\n', text: 'name")', trimmed: "name" },
  {
    name: "a brace on its own line, not the line break before it",
    languageId: "javascript",
    document: "  if (x) {¦}\n",
    text: "\n    f();\n  }",
    trimmed: "\n    f();\n  ",
  },
];

const suffixOverlap: readonly Case[] = [
  {
    name: "the whole rest of the line",
    languageId: "python",
    document: "f(¦, timeout=5)\n",
    text: "url, timeout=5)",
    trimmed: "url",
  },
  {
    name: "a part that ends with a word",
    languageId: "python",
    document: "f(¦, timeout=5)\n",
    text: "url, timeout",
    trimmed: "url",
  },
  {
    name: "no part of a word",
    languageId: "python",
    document: "f(¦, timeout=5)\n",
    text: "url, time",
    trimmed: "url, time",
  },
  { name: "a sign", languageId: "python", document: "f(¦, timeout=5)\n", text: "url,", trimmed: "url" },
  {
    name: "a word that only ends alike",
    languageId: "go",
    document: "x := ¦age\n",
    text: "aver_age",
    trimmed: "aver_age",
  },
  {
    name: "a bracket that the text itself opened",
    languageId: "go",
    document: "f(¦);\n",
    text: "g();",
    trimmed: "g();",
  },
  { name: "nothing where nothing follows", languageId: "go", document: "x := ¦\n", text: "a + b", trimmed: "a + b" },
  { name: "a template's end", languageId: "html", document: "<p>¦</p>\n", text: "Hello</p>", trimmed: "Hello" },
];

const followingLines: readonly Case[] = [
  {
    name: "a last line without line break that stands below",
    languageId: "python",
    document: "def f():\n    ¦\n\n    return result(1)\n",
    text: "a = 1\n    return result(1)",
    trimmed: "a = 1",
  },
  {
    name: "a text that stands below as it is",
    languageId: "javascript",
    document: "function f() {\n  ¦\n  a();\n  b();\n}\n",
    text: "a();",
    trimmed: "",
  },
  {
    name: "nothing that is not there",
    languageId: "javascript",
    document: "function f() {\n  ¦\n  a();\n}\n",
    text: "b();",
    trimmed: "b();",
  },
];

const whitespace: readonly Case[] = [
  { name: "at the end", languageId: "python", document: "x = ¦\n", text: "1  \n\n  ", trimmed: "1" },
  { name: "when there is nothing else", languageId: "python", document: "x = ¦\n", text: " \n  ", trimmed: "" },
  { name: "not between text and suffix", languageId: "python", document: "x = ¦+ 1\n", text: "a ", trimmed: "a " },
  {
    name: "blank lines before a bracket",
    languageId: "go",
    document: "f(¦)\n",
    text: "\n\ta,\n\n",
    trimmed: "\n\ta,\n",
  },
  {
    name: "whole lines end with a line break",
    languageId: "python",
    document: "¦    b = 2\n",
    text: "    a = 1",
    trimmed: "    a = 1\n",
  },
  {
    name: "and with the indentation they took from the next line",
    languageId: "python",
    document: "    ¦b = 2\n",
    text: "a = 1\n\n",
    trimmed: "a = 1\n    ",
  },
  { name: "a word before a word of the line", languageId: "go", document: "¦x = 1\n", text: "var ", trimmed: "var " },
];

const tables: readonly (readonly [TrimName, typeof trimClosingBrackets, readonly Case[]])[] = [
  ["closingBrackets", trimClosingBrackets, closingBrackets],
  ["suffixOverlap", trimSuffixOverlap, suffixOverlap],
  ["followingLines", trimFollowingLines, followingLines],
  ["whitespace", trimWhitespace, whitespace],
];

for (const [rule, trim, cases] of tables)
  describe(`trim ${rule}`, () => {
    for (const { name, languageId, document, text, trimmed } of cases)
      it(name, () => assert.equal(trim(text, factsAt(document, languageId)), trimmed));
  });

describe("trim partialLine", () => {
  for (const [text, trimmed] of [
    ["a = 1\nb = fu", "a = 1"],
    ["a = 1\n", "a = 1"],
    ["a = fu", "a = fu"],
    ["\na = fu", "\na = fu"],
    ["a = 1\nb = 2\nc", "a = 1\nb = 2"],
  ] as const)
    it(JSON.stringify(text), () => assert.equal(trimPartialLine(text), trimmed));
});

describe("trimCompletion", () => {
  const cases: readonly (readonly [
    name: string,
    document: string,
    generated: string,
    reason: EndReason,
    text: string,
    applied: readonly TrimName[],
  ])[] = [
    ["leaves alone what is right", "x = ¦\n", "1", "end", "1", []],
    ["names what it did", "print(¦)\n", "a)\n", "end", "a", ["closingBrackets"]],
    ["drops a line cut off by the limit", "def f():\n    ¦\n", "a = 1\n    b = fu", "length", "a = 1", ["partialLine"]],
    ["keeps it where the model ended", "def f():\n    ¦\n", "a = 1\n    b = fu", "end", "a = 1\n    b = fu", []],
    [
      "reads carriage returns as line ends",
      "def f():\n    ¦\n",
      "a = 1\r\n    b = 2\r\n",
      "end",
      "a = 1\n    b = 2",
      ["whitespace"],
    ],
    [
      "adds the line break of whole lines",
      "def f():\n¦    b = 2\n",
      "    a = 1",
      "rule",
      "    a = 1\n",
      ["whitespace"],
    ],
    ["leaves nothing of nothing", "def f():\n    ¦\n", "", "end", "", []],
  ];
  for (const [name, document, generated, reason, text, applied] of cases)
    it(name, () => assert.deepEqual(trimCompletion(generated, factsAt(document, "python"), reason), { text, applied }));
});

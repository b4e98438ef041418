import assert from "node:assert/strict";
import { commentInstruction } from "../../../src/extension/generateComment.ts";

interface Case {
  readonly name: string;
  readonly languageId: string;
  /** ¦ stands on the cursor's line. */
  readonly document: string;
  readonly instruction: string | undefined;
  readonly lastLine?: number;
}

const cases: readonly Case[] = [
  {
    name: "the cursor's line",
    languageId: "python",
    document: "x = 1\n# add them¦\n",
    instruction: "add them",
    lastLine: 1,
  },
  {
    name: "the line above",
    languageId: "python",
    document: "  # add them\n¦x = 1\n",
    instruction: "add them",
    lastLine: 0,
  },
  {
    name: "above blank lines",
    languageId: "typescript",
    document: "// add them\n\n  ¦\n",
    instruction: "add them",
    lastLine: 0,
  },
  {
    name: "several lines as one",
    languageId: "rust",
    document: "f();\n/// add¦\n/// them\ng();\n",
    instruction: "add them",
    lastLine: 2,
  },
  {
    name: "a block",
    languageId: "javascript",
    document: "/**\n * add\n * them\n */\n¦\n",
    instruction: "add them",
    lastLine: 3,
  },
  { name: "a block on one line", languageId: "c", document: "/* add them */¦", instruction: "add them", lastLine: 0 },
  {
    name: "a block from inside",
    languageId: "java",
    document: "/*\n add ¦\n them\n*/\nint x;\n",
    instruction: "add them",
    lastLine: 3,
  },
  {
    name: "markup",
    languageId: "html",
    document: "<p>\n<!-- add a list -->¦\n",
    instruction: "add a list",
    lastLine: 1,
  },
  { name: "SQL", languageId: "sql", document: "-- all users¦", instruction: "all users", lastLine: 0 },
  {
    name: "no mark of what is to do",
    languageId: "go",
    document: "// TODO(me): add them¦",
    instruction: "add them",
    lastLine: 0,
  },
  { name: "nothing behind code", languageId: "python", document: "x = 1  # one¦\n", instruction: undefined },
  {
    name: "nothing from far above code",
    languageId: "python",
    document: "# add\ny = 1\nx = 1¦\n",
    instruction: undefined,
  },
  { name: "no preprocessor line", languageId: "c", document: "#include <stdio.h>¦\n", instruction: undefined },
  { name: "no pointer", languageId: "c", document: "f();\n*p = 1;¦\n", instruction: undefined },
  {
    name: "nothing of a closed block above code",
    languageId: "c",
    document: "/* a */\nint x;\nint y;¦\n",
    instruction: undefined,
  },
  { name: "no empty comment", languageId: "python", document: "#¦\n", instruction: undefined },
  { name: "nothing in an empty document", languageId: "python", document: "¦", instruction: undefined },
];

describe("commentInstruction", () => {
  for (const { name, languageId, document, instruction, lastLine } of cases) {
    it(`reads ${name}`, () => {
      const lines = document.replace("¦", "").split("\n");
      const cursor = document.slice(0, document.indexOf("¦")).split("\n").length - 1;
      const source = { lineCount: lines.length, lineAt: (line: number) => lines[line]! };
      const found = commentInstruction(source, cursor, languageId);
      assert.deepEqual([found?.instruction, found?.lastLine], [instruction, lastLine]);
    });
  }
});

import assert from "node:assert/strict";
import { extractCode } from "../../../src/engine/completion/codeBlocks.ts";

interface Case {
  readonly name: string;
  readonly answer: string;
  readonly code: string;
  readonly languageId?: string;
}

const cases: readonly Case[] = [
  { name: "a fenced block", answer: "```python\nx = 1\n```", code: "x = 1" },
  { name: "an answer without fences", answer: "x = 1\ny = 2\n", code: "x = 1\ny = 2" },
  { name: "the first of two blocks", answer: "```\na\n```\nor\n```\nb\n```\n", code: "a" },
  {
    name: "what stands between sentences",
    answer: "Sure! Here it is:\n\n```js\nf();\n```\n\nThis calls f.",
    code: "f();",
  },
  { name: "a block that was cut", answer: "```ts\nconst a = 1;\nconst b", code: "const a = 1;\nconst b" },
  { name: "a block whose end was cut", answer: "```ts\nconst a = 1;\n``", code: "const a = 1;" },
  { name: "tildes", answer: "~~~python\nx\n~~~\n", code: "x" },
  { name: "a longer fence around shorter ones", answer: "````md\n```\na\n```\n````\n", code: "```\na\n```" },
  { name: "fences of equal length inside", answer: "```md\n```js\na\n```\nb\n```\n", code: "```js\na\n```\nb" },
  {
    name: "a docstring with a fence",
    answer: '```python\ndef f():\n    """Adds:\n\n    ```\n    f()\n    ```\n    """\n```\n',
    code: 'def f():\n    """Adds:\n\n    ```\n    f()\n    ```\n    """',
  },
  { name: "CRLF", answer: "```\r\na\r\nb\r\n```\r\n", code: "a\nb" },
  { name: "indentation of the first line", answer: "```\n\n    a\n  b\n\n```", code: "    a\n  b" },
  { name: "nothing while the fence is being opened", answer: "```pyth", code: "" },
  { name: "nothing while it may be a fence", answer: "``", code: "" },
  { name: "an empty block", answer: "```\n```\n", code: "" },
  { name: "sentences around bare code", answer: "Here is the code:\n\nf();\n\nThis calls f.", code: "f();" },
  { name: "nothing of a first sentence", answer: "Certainly! Here is the", code: "" },
  { name: "code that begins with a word of chatter", answer: "this.x = 1;\nto(y);", code: "this.x = 1;\nto(y);" },
  {
    name: "Markdown as it is",
    answer: "Here is how:\n\n```js\nf();\n```\n\nDone.",
    languageId: "markdown",
    code: "Here is how:\n\n```js\nf();\n```\n\nDone.",
  },
  { name: "Markdown in a block", answer: "```markdown\n# A\n```\n", languageId: "markdown", code: "# A" },
];

describe("extractCode", () => {
  for (const { name, answer, code, languageId } of cases)
    it(`keeps ${name}`, () => assert.equal(extractCode(answer, languageId).code, code));

  it("says when the block is closed, not before its last line is whole", () => {
    assert.equal(extractCode("```\na\n```").closed, false);
    assert.equal(extractCode("```\na\n```\n").closed, true);
    assert.equal(extractCode("```\na\n```py\n").closed, false);
    assert.equal(extractCode("a\nb\n").closed, false);
  });

  it("only ever adds to the code of a block that grows", () => {
    const answer = "```python\ndef f():\n    return '`'\n\n\nprint(`f`)\n```\n";
    let previous = "";
    for (let length = 1; length <= answer.length; length++) {
      const { code } = extractCode(answer.slice(0, length));
      assert.ok(code.startsWith(previous), JSON.stringify([previous, code]));
      previous = code;
    }
    assert.equal(previous, "def f():\n    return '`'\n\n\nprint(`f`)");
  });
});

import assert from "node:assert/strict";
import { headWindow, tailWindow } from "../../../src/engine/completion/textWindow.ts";
import { samples } from "./samples.ts";
import { ToyTokenizer } from "./toyTokenizer.ts";

const tokenizer = new ToyTokenizer();
const code = samples
  .map((sample) => sample.text)
  .join("\n")
  .repeat(3);
/** With the part of its budget by which the window's start must move on; long lines stand between it and a quarter. */
const texts: readonly (readonly [name: string, text: string, step: number])[] = [
  ["code", code, 1 / 4],
  ["code with CRLF", code.replaceAll("\n", "\r\n"), 1 / 4],
  ["one line", code.replaceAll("\n", " "), 1 / 4],
  ["long lines", code.replaceAll("\n  ", " "), 1 / 8],
  ["other scripts", "变量名称 = 计算(输入) # 😀\n".repeat(700), 1 / 4],
];

describe("tailWindow", () => {
  for (const [name, text, leastStep] of texts)
    for (const budget of [200, 700])
      it(`${name}, ${budget} tokens: moves on in long steps and never back`, () => {
        let last: number | undefined;
        let moves = 0;
        for (let cursor = 0; cursor < text.length; cursor += 13) {
          const window = tailWindow(text.slice(0, cursor), budget, tokenizer);
          assert.ok(window.tokens.length <= budget);
          if (last !== undefined && window.edge !== last) {
            moves += 1;
            const step = tokenizer.encode(text.slice(last, window.edge)).length;
            assert.ok(window.edge > last && step >= leastStep * budget, `moved by ${step} tokens at ${cursor}`);
          }
          last = window.edge;
        }
        assert.ok(moves > 3);
      });

  it("does not move back while a word is typed whose tokens come and go", () => {
    for (let budget = 200; budget < 300; budget += 10) {
      let last = 0;
      for (let cursor = 800; cursor < 3000; cursor++) {
        const { edge } = tailWindow(code.slice(0, cursor), budget, tokenizer);
        assert.ok(edge >= last, `back from ${last} to ${edge} with ${budget} tokens`);
        last = edge;
      }
    }
  });

  it("begins with a whole line", () => {
    for (let cursor = 3000; cursor < 4000; cursor++) {
      const { edge } = tailWindow(code.slice(0, cursor), 200, tokenizer);
      assert.equal(code[edge - 1], "\n");
    }
  });

  it("keeps a fair part of its budget", () => {
    for (let cursor = 3000; cursor < 5000; cursor += 7)
      assert.ok(tailWindow(code.slice(0, cursor), 300, tokenizer).tokens.length >= 50);
  });

  it("takes all of a text that fits", () => {
    assert.deepEqual(tailWindow("a = 1\nb = ", 100, tokenizer), { tokens: tokenizer.encode("a = 1\nb = "), edge: 0 });
    assert.deepEqual(tailWindow("", 100, tokenizer), { tokens: [], edge: 0 });
  });

  it("does not cut a character in two", () => {
    const emoji = "😀".repeat(3000);
    for (let cursor = 2000; cursor < 2100; cursor += 2)
      assert.equal(tailWindow(emoji.slice(0, cursor), 100, tokenizer).edge % 2, 0);
  });
});

describe("headWindow", () => {
  it("ends with a whole line", () => {
    for (let budget = 20; budget < 200; budget += 3) {
      const { tokens, edge } = headWindow(code, budget, tokenizer);
      assert.ok(tokens.length <= budget);
      assert.equal(code[edge - 1], "\n");
    }
  });

  it("ends within a line that is too long", () => {
    const line = "call(argument);".repeat(1000);
    const { tokens } = headWindow(line, 50, tokenizer);
    assert.ok(tokens.length <= 50 && tokens.length > 30);
  });

  it("does not cut a character in two", () => {
    for (let budget = 1; budget < 40; budget++)
      assert.equal(headWindow("😀".repeat(99), budget, tokenizer).edge % 2, 0);
  });

  it("is empty without a budget", () => assert.deepEqual(headWindow("a", 0, tokenizer), { tokens: [], edge: 0 }));
});

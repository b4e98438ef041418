import assert from "node:assert/strict";
import { CompletionText } from "../../../src/engine/completion/completionText.ts";
import { cursorFacts } from "../../../src/engine/completion/facts.ts";

/** One token per byte: every character of more than one byte arrives in pieces. */
const byteTokens = { bytes: (id: number) => Uint8Array.of(id) };

function tokensOf(text: string): number[] {
  return [...Buffer.from(text)];
}

const python = cursorFacts(
  "def area(w, h):\n    return ",
  "\n\n\ndef perimeter(w, h):\n    return 2 * (w + h)\n",
  "python",
);
const rambling = "w * h\n\n\ndef perimeter(w, h):\n    return 2 * (w + h)\n";

describe("CompletionText", () => {
  it("ends at the token at which a stop rule decides, however the tokens arrive", () => {
    const tokens = tokensOf(rambling);
    const whole = new CompletionText(byteTokens, python);
    const end = whole.push(tokens);
    assert.ok(end !== undefined && end < tokens.length);
    assert.equal(new CompletionText(byteTokens, python).push(tokens.slice(0, end - 1)), undefined);
    assert.equal(new CompletionText(byteTokens, python).push(tokens.slice(0, end)), end);
    for (const step of [1, 2, 3, 7]) {
      const pieces = new CompletionText(byteTokens, python);
      let taken = 0;
      for (let at = 0; taken === 0 || at < end; at += step) {
        const stop = pieces.push(tokens.slice(at, at + step));
        if (stop === undefined) continue;
        taken = at + stop;
        break;
      }
      assert.equal(taken, end);
      assert.equal(pieces.finish("length"), whole.finish("length"));
    }
    assert.equal(whole.finish("length"), "w * h");
  });

  it("leaves raw text alone and never ends it", () => {
    const raw = new CompletionText(byteTokens, python, true);
    assert.equal(raw.push(tokensOf(rambling)), undefined);
    assert.equal(raw.finish("end"), rambling);
  });

  it("trims a line that the token limit cut, but not one that the model ended", () => {
    const facts = cursorFacts("def area(w, h):\n    ", "", "python");
    const generated = "area = w * h\n    retur";
    const finish = (reason: "end" | "length") => {
      const text = new CompletionText(byteTokens, facts);
      text.push(tokensOf(generated));
      return text.finish(reason);
    };
    assert.equal(finish("length"), "area = w * h");
    assert.equal(finish("end"), generated);
  });

  it("drops a character that was cut off", () => {
    const text = new CompletionText(byteTokens, cursorFacts("x = '", "'\n", "python"));
    text.push(tokensOf("日本").slice(0, 5));
    assert.equal(text.current, "日");
    assert.equal(text.finish("length"), "日");
  });

  for (const raw of [false, true]) {
    it(`writes the document's line ends${raw ? ", raw text included" : ""}`, () => {
      const facts = cursorFacts("if a:\r\n    ", "", "python");
      const text = new CompletionText(byteTokens, facts, raw);
      text.push(tokensOf("b()\n    c()"));
      assert.equal(text.current, "b()\r\n    c()");
      assert.equal(text.finish("end"), "b()\r\n    c()");
    });
  }
});

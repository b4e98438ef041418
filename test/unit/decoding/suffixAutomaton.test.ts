import assert from "node:assert/strict";
import { uniform } from "../../../src/engine/decoding/random.ts";
import { SuffixAutomaton } from "../../../src/engine/decoding/suffixAutomaton.ts";

/** Longest suffix that also ends earlier, and its most recent earlier end, by trying everything. */
function bruteForce(text: readonly number[]): { length: number; end: number } {
  let best = { length: 0, end: 0 };
  for (let end = text.length - 1; end > 0; end--) {
    let length = 0;
    while (length < end && text[end - 1 - length] === text[text.length - 1 - length]) length++;
    if (length > best.length) best = { length, end };
  }
  return best;
}

describe("suffixAutomaton", () => {
  for (const alphabet of [2, 3, 8, 1000]) {
    it(`finds the longest repeated suffix and its latest occurrence over ${alphabet} tokens`, () => {
      for (let salt = 0; salt < 60; salt++) {
        const automaton = new SuffixAutomaton(16);
        const text: number[] = [];
        for (let i = 0; i < 60; i++) {
          const token = Math.floor(uniform(salt, i) * alphabet) * 151;
          text.push(token);
          automaton.append(token);
          const expected = bruteForce(text);
          assert.equal(automaton.matchLength, expected.length, text.join());
          if (expected.length > 0) assert.equal(automaton.matchEnd, expected.end, text.join());
        }
        assert.deepEqual(
          Array.from({ length: automaton.size }, (_, i) => automaton.token(i)),
          text,
        );
      }
    });
  }

  it("points at true occurrences in long repetitions, where old suffixes are not refreshed", () => {
    const automaton = new SuffixAutomaton();
    const text: number[] = [];
    for (let i = 0; i < 3000; i++) {
      const token = i % 500 === 499 ? i : 7;
      text.push(token);
      automaton.append(token);
      const { matchLength, matchEnd } = automaton;
      assert.ok(matchEnd < text.length);
      assert.deepEqual(text.slice(matchEnd - matchLength, matchEnd), text.slice(text.length - matchLength));
    }
    assert.equal(automaton.matchLength, 0);
  });

  it("starts over when cleared", () => {
    const automaton = new SuffixAutomaton();
    for (const token of [1, 2, 1, 2]) automaton.append(token);
    assert.equal(automaton.matchLength, 2);
    automaton.clear();
    automaton.append(2);
    assert.deepEqual([automaton.size, automaton.matchLength], [1, 0]);
  });

  it("is linear in the text", () => {
    const time = (tokens: number, tokenAt: (i: number) => number) => {
      const automaton = new SuffixAutomaton();
      const start = performance.now();
      for (let i = 0; i < tokens; i++) automaton.append(tokenAt(i));
      return performance.now() - start;
    };
    for (const tokenAt of [() => 7, (i: number) => i, (i: number) => Math.floor(uniform(1, i) * 50)]) {
      time(4000, tokenAt);
      assert.ok(time(64_000, tokenAt) < 2000, "a quadratic construction takes far longer");
    }
  });
});

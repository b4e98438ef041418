import assert from "node:assert/strict";
import { philox2x32, uniform } from "../../../src/engine/decoding/random.ts";

const draws = 1 << 16;

/** Chi-square statistic of `counts` against equal expectations, as standard deviations from its mean. */
function deviation(counts: ArrayLike<number>, total: number): number {
  const expected = total / counts.length;
  const chiSquare = Array.from(counts, (count) => (count - expected) ** 2 / expected).reduce((a, b) => a + b, 0);
  const freedom = counts.length - 1;
  return (chiSquare - freedom) / Math.sqrt(2 * freedom);
}

describe("random", () => {
  // Known-answer tests of the Random123 library.
  const vectors = [
    { counter: [0, 0], key: 0, words: [0xff1dae59, 0x6cd10df2] },
    { counter: [0xffffffff, 0xffffffff], key: 0xffffffff, words: [0x2c3f628b, 0xab4fd7ad] },
    { counter: [0x243f6a88, 0x85a308d3], key: 0x13198a2e, words: [0xdd7ce038, 0xf62a4c12] },
  ] as const;
  for (const { counter, key, words } of vectors) {
    it(`is Philox2x32-10 at counter ${counter}`, () => {
      assert.deepEqual(philox2x32(counter[0], counter[1], key), words);
    });
  }

  for (const seed of [0, 1, 2, 42, 2 ** 31, 2 ** 32, 2 ** 53 - 1]) {
    it(`is uniform over positions with seed ${seed}`, () => {
      const coarse = new Uint32Array(256);
      const fine = new Uint32Array(256);
      const pairs = new Uint32Array(256);
      let sum = 0;
      let previous = uniform(seed, draws);
      for (let position = 0; position < draws; position++) {
        const value = uniform(seed, position);
        assert.ok(value >= 0 && value < 1);
        sum += value;
        coarse[Math.floor(value * 256)]!++;
        fine[Math.floor(value * 2 ** 53) % 256]!++;
        pairs[Math.floor(previous * 16) * 16 + Math.floor(value * 16)]!++;
        previous = value;
      }
      assert.ok(Math.abs(sum / draws - 0.5) < 4 / Math.sqrt(12 * draws));
      for (const counts of [coarse, fine, pairs]) assert.ok(Math.abs(deviation(counts, draws)) < 4.5);
    });
  }

  it("is uniform over seeds at one position", () => {
    const counts = new Uint32Array(256);
    for (let seed = 0; seed < draws; seed++) counts[Math.floor(uniform(seed, 7) * 256)]!++;
    assert.ok(Math.abs(deviation(counts, draws)) < 4.5);
  });

  it("tells seeds apart that share their low 32 bits", () => {
    assert.notEqual(uniform(5, 3), uniform(5 + 2 ** 32, 3));
  });

  it("flips half of the bits when one bit of seed or position flips", () => {
    let flipped = 0;
    let total = 0;
    const words = (seed: number, position: number) => philox2x32(position, Math.floor(seed / 2 ** 32), seed);
    const bits = (word: number) => word.toString(2).replaceAll("0", "").length;
    for (let base = 0; base < 200; base++) {
      for (let bit = 0; bit < 32; bit++) {
        const [low, high] = words(base, base);
        for (const [otherLow, otherHigh] of [words(base + 2 ** bit, base), words(base, (base ^ (1 << bit)) >>> 0)]) {
          flipped += bits((low ^ otherLow) >>> 0) + bits((high ^ otherHigh) >>> 0);
          total += 64;
        }
      }
    }
    assert.ok(Math.abs(flipped / total - 0.5) < 0.005);
  });
});

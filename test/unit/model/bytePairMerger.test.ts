import assert from "node:assert/strict";
import { BytePairMerger, type Merge } from "../../../src/engine/model/bytePairMerger.ts";
import { integers } from "./fixtures.ts";

/** The definition itself: again and again the lowest rank, leftmost first. */
function mergeByDefinition(merges: readonly Merge[], symbols: readonly number[]): number[] {
  const ids = [...symbols];
  for (;;) {
    let best: { merge: Merge; at: number } | undefined;
    for (let at = 0; at + 1 < ids.length; at++) {
      const merge = merges.findLast(({ left, right }) => left === ids[at] && right === ids[at + 1]);
      if (merge !== undefined && (best === undefined || merge.rank < best.merge.rank)) best = { merge, at };
    }
    if (best === undefined) return ids;
    ids.splice(best.at, 2, best.merge.result);
  }
}

describe("byte-pair merger", () => {
  it("leaves alone what nothing merges", () => {
    assert.deepEqual(new BytePairMerger([]).merge([]), []);
    assert.deepEqual(new BytePairMerger([]).merge([5, 5, 5]), [5, 5, 5]);
    assert.deepEqual(new BytePairMerger([{ left: 1, right: 2, result: 3, rank: 0 }]).merge([2, 1]), [2, 1]);
  });

  it("takes the leftmost of equal pairs", () => {
    const merger = new BytePairMerger([{ left: 1, right: 1, result: 2, rank: 0 }]);
    assert.deepEqual(merger.merge([1, 1, 1]), [2, 1]);
    assert.deepEqual(merger.merge([1, 1, 1, 1, 1]), [2, 2, 1]);
  });

  it("does what the definition says for random merges and words", () => {
    const next = integers(42);
    for (let round = 0; round < 300; round++) {
      const merges: Merge[] = [];
      const seen = new Set<string>();
      for (let rank = 0; rank < 25; rank++) {
        const tokens = 3 + rank;
        const [left, right] = [next(tokens), next(tokens)];
        if (!seen.has(`${left} ${right}`)) merges.push({ left, right, result: tokens, rank });
        seen.add(`${left} ${right}`);
      }
      const merger = new BytePairMerger(merges);
      const word = Array.from({ length: 1 + next(60) }, () => next(3));
      assert.deepEqual(merger.merge(word), mergeByDefinition(merges, word));
    }
  });
});

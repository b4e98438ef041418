import assert from "node:assert/strict";
import { CostModel } from "../../../src/engine/decoding/costModel.ts";
import { expectFromHead, expectFromLookup } from "../../../src/engine/expectations.ts";

/** Rows are free up to eight and cost as much as plain decoding from there on. */
const verify = [
  { rows: 1, ms: 20 },
  { rows: 8, ms: 20 },
  { rows: 16, ms: 180 },
];
const cost = (draft: readonly number[]) => new CostModel({ verify, draft, overheadMs: 0 });

describe("expectations", () => {
  it("take the rows that are free and no more, where drafting is free", () => {
    const expected = expectFromLookup(0.5, cost([]));
    assert.equal(expected.nodes, 8);
    assert.equal(expected.tokensPerRound, 2 - 2 ** -7);
    assert.equal(expected.speedup, expected.tokensPerRound);
  });

  it("prefer plain decoding to a head that costs more than it brings", () => {
    const { nodes, draftForwards, speedup } = expectFromHead(0.5, cost([200, 200]));
    assert.deepEqual([nodes, draftForwards, speedup], [1, 0, 1]);
  });

  it("draft deeper the cheaper a draft forward is", () => {
    const depths = [0.1, 4, 60].map((ms) => expectFromHead(0.7, cost([ms])).draftForwards);
    assert.deepEqual(
      depths,
      depths.toSorted((a, b) => b - a),
    );
    assert.ok(depths[0]! > depths[2]!);
  });
});

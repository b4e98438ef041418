import assert from "node:assert/strict";
import { splitRound } from "../../../src/engine/decoding/roundTimes.ts";

describe("splitRound", () => {
  const times = { draft: 2, tree: 1, verify: 8, accept: 1 };

  it("splits what the caller saw as the device's clock splits it", () => {
    assert.deepEqual(splitRound(24, { draftForwards: 3, times }), { draftMs: 6, verifyMs: 18 });
  });

  it("counts all as verifying where nothing is drafted, or where the device tells no times", () => {
    for (const round of [{ draftForwards: 0, times }, { draftForwards: 3 }]) {
      assert.deepEqual(splitRound(24, round), { draftMs: 0, verifyMs: 24 });
    }
    const nothing = { draft: 0, tree: 0, verify: 0, accept: 0 };
    assert.deepEqual(splitRound(24, { draftForwards: 3, times: nothing }), { draftMs: 0, verifyMs: 24 });
  });
});

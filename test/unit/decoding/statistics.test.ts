import assert from "node:assert/strict";
import {
  acceptanceByDepth,
  addCounts,
  DecodingStatistics,
  emptyCounts,
  tau,
  tokensPerSecond,
} from "../../../src/engine/decoding/statistics.ts";

/** A request of two rounds by a clock that the test moves. */
function example(): DecodingStatistics {
  let now = 1000;
  const statistics = new DecodingStatistics(() => now);
  now += 250;
  statistics.recordPrefill(200);
  statistics.recordDraft(3, 6);
  // root 9 -> {1 -> {2}, 5}: 1 and 2 accepted, 8 is the bonus token.
  const rows = { tokens: [9, 1, 5, 2], parents: [-1, 0, 0, 1] };
  statistics.recordRound(rows, { path: [0, 1, 3], tokens: [1, 2, 8], ended: false }, 20);
  statistics.recordDraft(3, 4);
  // 5 is accepted as an end token, without a row being visited.
  statistics.recordRound(rows, { path: [0], tokens: [5], ended: true }, 30);
  now += 100;
  statistics.finish();
  return statistics;
}

describe("statistics", () => {
  it("counts tokens and forwards", () => {
    const { counts } = example();
    assert.deepEqual(counts, {
      completionTokens: 5,
      decodedTokens: 4,
      targetForwards: 2,
      draftForwards: 6,
      draftedTokens: 6,
      offeredByDepth: [2, 1],
      acceptedByDepth: [2, 1],
    });
    assert.equal(tau(counts), 2);
  });

  it("takes times from the clock", () => {
    const { timings, counts } = example();
    assert.deepEqual(timings, { promptMs: 200, firstTokenMs: 250, draftMs: 10, verifyMs: 50, totalMs: 350 });
    assert.equal(tokensPerSecond(counts, timings), 40);
  });

  it("measures diversity", () => {
    assert.deepEqual(example().diversity, { uniqueDrafted: 3, uniqueAccepted: 3, generated: 5 });
  });

  it("counts a rejected level as offered and not accepted", () => {
    const statistics = new DecodingStatistics(() => 0);
    const rows = { tokens: [9, 1, 2], parents: [-1, 0, 1] };
    statistics.recordRound(rows, { path: [0, 1], tokens: [1, 7], ended: false }, 1);
    statistics.recordRound(rows, { path: [0], tokens: [3], ended: false }, 1);
    assert.deepEqual(acceptanceByDepth(statistics.counts), [0.5, 0]);
    assert.equal(statistics.diversity.uniqueAccepted, 1);
  });

  it("has tau 1 for plain decoding and no acceptance to report", () => {
    const statistics = new DecodingStatistics(() => 0);
    statistics.recordPrefill(1);
    for (let i = 0; i < 4; i++) {
      statistics.recordRound({ tokens: [i], parents: [-1] }, { path: [0], tokens: [i + 1], ended: false }, 1);
    }
    assert.equal(tau(statistics.counts), 1);
    assert.deepEqual(acceptanceByDepth(statistics.counts), []);
    assert.equal(statistics.counts.draftedTokens, 0);
  });

  it("adds up over requests, so that tau is pooled", () => {
    const sum = emptyCounts();
    const plain = new DecodingStatistics(() => 0);
    plain.recordRound({ tokens: [1], parents: [-1] }, { path: [0], tokens: [1], ended: false }, 1);
    addCounts(sum, plain.counts);
    addCounts(sum, example().counts);
    assert.equal(tau(sum), 5 / 3);
    assert.deepEqual(sum.offeredByDepth, [2, 1]);
  });

  it("reports no rate for a single token", () => {
    const statistics = new DecodingStatistics(() => 0);
    statistics.recordPrefill(1);
    statistics.finish();
    assert.equal(tokensPerSecond(statistics.counts, statistics.timings), 0);
    assert.equal(tau(statistics.counts), 1);
  });
});

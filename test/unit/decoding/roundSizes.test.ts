import assert from "node:assert/strict";
import type { Rung } from "../../../src/engine/decoding/ladder.ts";
import { plainRung } from "../../../src/engine/decoding/ladder.ts";
import { RoundSizes, type SizeCosts } from "../../../src/engine/decoding/roundSizes.ts";

interface Rounds {
  readonly rung: Rung;
  measure(): Promise<SizeCosts>;
}

const tree = (rows: number): Rung => ({ rows, levels: 3, draftForwards: 2 });

function roundsOf(rung: Rung, verifyMs: number, draftMs: readonly number[] = []): Rounds {
  return { rung, measure: async () => ({ verifyMs, draftMs }) };
}

/** A chain of three drafted tokens, of which a text took so many. */
function outcome(rows: number, taken: number) {
  const count = Math.min(rows, 4);
  return {
    rows: { tokens: [9, 1, 2, 3].slice(0, count), parents: [-1, 0, 1, 2].slice(0, count) },
    accepted: {
      tokens: [1, 2, 3, 4].slice(0, taken + 1).map((token, i) => (i === taken ? 100 : token)),
      path: [0, 1, 2, 3].slice(0, taken + 1),
      ended: false,
    },
  };
}

/** Runs rounds of the chosen sizes, each text of which takes so many drafted tokens; returns the rows of those that were run. */
function run(sizes: RoundSizes<Rounds>, count: number, taken: (rows: number) => number, ms: (rows: number) => number) {
  return Array.from({ length: count }, () => {
    const { rung } = sizes.current;
    const text = outcome(rung.rows, rung.levels === 0 ? 0 : taken(rung.rows));
    sizes.settle({ rung, texts: [text, text], milliseconds: ms(rung.rows), wasIdle: false });
    return rung.rows;
  });
}

const memoryBound = (rows: number) => 10 + 0.1 * rows;

describe("RoundSizes", () => {
  it("drafts for several texts while that pays, and leaves it where nothing is ever accepted", async () => {
    const sizes = () =>
      RoundSizes.among([
        roundsOf(plainRung, 10),
        roundsOf(tree(4), 10.4, [0.5, 0.5]),
        roundsOf(tree(16), 11.6, [0.5, 0.5]),
      ]);
    const good = run(await sizes(), 200, (rows) => Math.min(2, rows - 1), memoryBound);
    assert.ok(good.slice(20).every((rows) => rows > 1));
    const bad = run(await sizes(), 400, () => 0, memoryBound);
    assert.equal(bad[0]! > 1, true, "the head is tried");
    const drafted = bad.slice(100).filter((rows) => rows > 1).length;
    assert.ok(drafted <= 30, `${drafted} of 300 rounds draft in vain`);
  });

  it("decodes plainly where rows are dear, however good the head", async () => {
    const sizes = await RoundSizes.among([
      roundsOf(plainRung, 10),
      roundsOf(tree(4), 40, [5, 5]),
      roundsOf(tree(16), 160, [5, 5]),
    ]);
    const rows = run(
      sizes,
      400,
      () => 2,
      (rows) => 10 * rows + (rows > 1 ? 10 : 0),
    );
    assert.ok(rows.filter((count) => count > 1).length <= 40);
    assert.equal(rows.includes(16), false);
  });

  it("takes the size that pays by what rounds really take", async () => {
    // Measured without text, 16 rows looked as cheap as 4.
    const sizes = await RoundSizes.among([roundsOf(tree(4), 10, [1, 1]), roundsOf(tree(16), 10.1, [1, 1])]);
    const rows = run(
      sizes,
      200,
      () => 2,
      (rows) => (rows === 16 ? 60 : 12),
    );
    assert.equal(rows[0], 16);
    assert.ok(rows.slice(100).every((count) => count === 4));
  });

  it("measures nothing where there is one size", async () => {
    const only = { rung: plainRung, measure: () => assert.fail("measured") };
    const sizes = await RoundSizes.among([only]);
    sizes.settle({ rung: plainRung, texts: [outcome(1, 0)], milliseconds: 1, wasIdle: true });
    assert.equal(sizes.current, only);
  });
});

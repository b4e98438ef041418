import assert from "node:assert/strict";
import type { AcceptedPath } from "../../../src/engine/decoding/acceptance.ts";
import { CostModel } from "../../../src/engine/decoding/costModel.ts";
import { ladderOf, type Rung } from "../../../src/engine/decoding/ladder.ts";
import { uniform } from "../../../src/engine/decoding/random.ts";
import { RungChooser } from "../../../src/engine/decoding/rungChooser.ts";
import type { TokenRows } from "../../../src/engine/decoding/target.ts";

const { rungs } = ladderOf("auto", "jakiro", {});

/** A device that reads its weights once for all rows, up to so many of them. */
function costsOf(freeRows: number, draftMs: number, waitMs = 0.5): CostModel {
  const verify = [1, 2, 4, 8, 16, 32, 64].map((rows) => ({ rows, ms: 10 * Math.max(1, rows / freeRows) }));
  return new CostModel({ verify, draft: [draftMs], overheadMs: waitMs });
}

function millisecondsOf(cost: CostModel, { rows, draftForwards }: Rung): number {
  return cost.verifyMs(rows) + draftForwards * cost.draftMs(0);
}

/** A round in which the best proposal is right with this probability at every depth, and no other ever is. */
function roundOf(
  { rows, levels }: Rung,
  acceptance: number,
  salt: number,
): { rows: TokenRows; accepted: AcceptedPath } {
  const depth = Math.min(levels, rows - 1);
  const tokens = Array.from({ length: rows }, (_, row) => (row <= depth ? 7 : 8));
  const parents = tokens.map((_, row) => (row <= depth ? row - 1 : 0));
  let right = 0;
  while (right < depth && uniform(salt, right) < acceptance) right++;
  const path = Array.from({ length: right + 1 }, (_, i) => i);
  return { rows: { tokens, parents }, accepted: { path, tokens: path.map((i) => (i < right ? 7 : 9)), ended: false } };
}

/** Runs rounds without known text, of which one is always under way; returns the rungs that were run and what they brought. */
function simulate(cost: CostModel, truth: CostModel, acceptanceAt: (round: number) => number, rounds: number) {
  const chooser = new RungChooser(rungs, cost);
  const run: Rung[] = [];
  let underWay = chooser.choose([], undefined)!;
  let tokens = 0;
  let milliseconds = 0;
  for (let round = 0; round < rounds; round++) {
    const next = chooser.choose([], underWay)!;
    const took = millisecondsOf(truth, underWay);
    const done = roundOf(underWay, acceptanceAt(round), round);
    chooser.settle({ rung: underWay, ...done, milliseconds: took, wasIdle: round === 0 });
    run.push(underWay);
    tokens += done.accepted.tokens.length;
    milliseconds += took;
    underWay = next;
  }
  return { run, speedup: (tokens / milliseconds) * truth.plainMs };
}

/** Of the last half of the rounds, the mean rows of those that drafted. */
function meanRows(run: readonly Rung[]): number {
  const trees = run.slice(run.length / 2).filter(({ levels }) => levels > 0);
  return trees.reduce((sum, { rows }) => sum + rows, 0) / trees.length;
}

describe("rungChooser", () => {
  it("is never much slower than plain decoding, however bad the head", () => {
    for (const [acceptance, draftMs] of [
      [0, 1],
      [0.05, 5],
      [0.3, 20],
    ] as const) {
      const { run, speedup } = simulate(costsOf(4, draftMs), costsOf(4, draftMs), () => acceptance, 1000);
      assert.ok(speedup > 0.97, `${speedup} at acceptance ${acceptance}`);
      assert.ok(
        run.slice(500).some(({ levels }) => levels > 0),
        "it is tried again now and then",
      );
    }
  });

  it("comes near the best single rung, whatever the device and the head", () => {
    for (const acceptance of [0.5, 0.7, 0.85]) {
      for (const freeRows of [2, 8, 32]) {
        const cost = () => costsOf(freeRows, 0.7);
        const { speedup } = simulate(cost(), cost(), () => acceptance, 1500);
        const best = Math.max(
          ...rungs.map((rung) => {
            let tokens = 0;
            for (let round = 0; round < 1500; round++)
              tokens += roundOf(rung, acceptance, round).accepted.tokens.length;
            return (tokens / 1500 / millisecondsOf(cost(), rung)) * cost().plainMs;
          }),
        );
        assert.ok(speedup > 0.93 * best, `${speedup} of ${best} at acceptance ${acceptance}, ${freeRows} free rows`);
      }
    }
  });

  it("verifies more rows where they cost less", () => {
    const rows = [2, 32].map((freeRows) => {
      const cost = () => costsOf(freeRows, 0.5);
      return meanRows(simulate(cost(), cost(), () => 0.6, 600).run);
    });
    assert.ok(rows[0]! < 8 && rows[1]! > 20, `${rows}`);
  });

  it("learns what rounds really take where the measurement was wrong", () => {
    const { run } = simulate(costsOf(32, 0.5), costsOf(2, 0.5), () => 0.6, 1500);
    assert.ok(meanRows(run) < 12, `${meanRows(run)} rows`);
  });

  it("takes a head up again that has become good", () => {
    const cost = () => costsOf(8, 0.7);
    const { run } = simulate(cost(), cost(), (round) => (round < 300 ? 0 : 0.85), 1200);
    assert.ok(run.slice(200, 300).filter(({ levels }) => levels > 0).length < 20);
    assert.ok(run.slice(-200).filter(({ levels }) => levels > 0).length > 190);
  });

  it("leaves a head of one's own choosing in, however bad it is", () => {
    const own = ladderOf("jakiro", "jakiro", { nodes: 12, depth: 3 });
    assert.deepEqual(own.rungs, [{ rows: 12, levels: 3, draftForwards: 2 }]);
    const chooser = new RungChooser(own.rungs, costsOf(2, 30));
    for (let round = 0; round < 50; round++) {
      const rung = chooser.choose([], undefined)!;
      assert.equal(rung, own.rungs[0]);
      chooser.settle({ rung, ...roundOf(rung, 0, round), milliseconds: 100, wasIdle: false });
    }
  });

  describe("with known text", () => {
    /** Probabilities of a chain whose every token is right with this one. */
    const chainOf = (probability: number, length: number) => Array.from({ length }, (_, i) => probability ** (i + 1));
    const plain = rungs.find(({ rows }) => rows === 1)!;
    const isChain = ({ rows, levels }: Rung) => rows > 1 && levels === 0;

    it("verifies a sure chain, as far as rows are cheap", () => {
      const chosen = [2, 16].map((freeRows) => {
        const chooser = new RungChooser(rungs, costsOf(freeRows, 0.7));
        return chooser.choose(chainOf(0.98, 40), undefined)!;
      });
      assert.ok(chosen.every(isChain));
      assert.ok(chosen[0]!.rows < chosen[1]!.rows);
    });

    it("prefers the head to a chain that promises less", () => {
      const chooser = new RungChooser(rungs, costsOf(16, 0.3));
      assert.ok(!isChain(chooser.choose(chainOf(0.3, 40), undefined)!));
    });

    it("waits for the round under way where the text is sure to go on behind it", () => {
      const chooser = new RungChooser(rungs, costsOf(16, 0.7));
      const chain = rungs.find(({ rows, levels }) => rows === 16 && levels === 0)!;
      assert.equal(chooser.choose(chainOf(0.98, 60), plain), undefined);
      assert.equal(chooser.choose(chainOf(0.98, 60), chain), undefined);
      assert.ok(chooser.choose(chainOf(0.98, 16), chain) !== undefined, "the known text ends with the round under way");
      assert.ok(chooser.choose(chainOf(0.5, 60), plain) !== undefined, "it is too uncertain");
      assert.ok(chooser.choose([], plain) !== undefined);
    });

    it("does not wait where the device would be idle for longer than a chain saves", () => {
      const patient = new RungChooser(rungs, costsOf(16, 0.7, 1));
      const hasty = new RungChooser(rungs, costsOf(16, 0.7, 400));
      assert.equal(patient.choose(chainOf(0.95, 60), plain), undefined);
      assert.ok(hasty.choose(chainOf(0.95, 60), plain) !== undefined);
    });

    it("learns how long the device is idle", () => {
      const cost = costsOf(16, 0.7, 1);
      const chooser = new RungChooser(rungs, cost);
      const chain = rungs.find(isChain)!;
      const done = { rows: { tokens: [1], parents: [-1] }, accepted: { path: [0], tokens: [2], ended: false } };
      for (let round = 0; round < 200; round++) {
        chooser.settle({ rung: chain, ...done, milliseconds: cost.verifyMs(chain.rows) + 60, wasIdle: true });
      }
      assert.ok(Math.abs(cost.overheadMs - 60) < 3);
      assert.equal(cost.plainMs, 10);
    });
  });
});

describe("ladder", () => {
  it("has a plain round wherever the head may be left out, and known text where the method looks there", () => {
    const shapes = (rungs: readonly Rung[]) => rungs.map(({ rows, levels }) => `${rows}/${levels}`);
    assert.deepEqual(shapes(ladderOf("plain", undefined, {}).rungs), ["1/0"]);
    assert.deepEqual(shapes(ladderOf("lookup", undefined, {}).rungs), ["1/0", "4/0", "8/0", "16/0", "32/0"]);
    assert.deepEqual(shapes(ladderOf("lookup", undefined, { nodes: 5 }).rungs), ["1/0", "5/0"]);
    assert.deepEqual(shapes(ladderOf("lookup", undefined, { depth: 5 }).rungs), ["1/0", "4/0", "6/0"]);
    assert.equal(ladderOf("lookup", undefined, { depth: 5 }).chain, 5);
    assert.deepEqual(shapes(ladderOf("auto", "eagle", { nodes: 12, depth: 2 }).rungs), ["1/0", "3/0", "12/2"]);
    const own = shapes(ladderOf("jakiro", "jakiro", { depth: 3 }).rungs);
    assert.deepEqual(own, ["4/3", "8/3", "16/3", "32/3", "60/3"]);
    assert.equal(ladderOf("auto", "jakiro", { branching: 5 }).branching, 5);
  });
});

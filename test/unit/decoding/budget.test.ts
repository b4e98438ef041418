import assert from "node:assert/strict";
import {
  chooseNodeCount,
  LevelAcceptance,
  leastParent,
  planTree,
  shouldDeepen,
  treeProbabilities,
} from "../../../src/engine/decoding/budget.ts";
import { CostModel, type MeasuredCosts } from "../../../src/engine/decoding/costModel.ts";
import { HeadGate } from "../../../src/engine/decoding/headGate.ts";
import { uniform } from "../../../src/engine/decoding/random.ts";

/** Int8 on two AVX2 cores: the first rows are nearly free. */
const measured: MeasuredCosts = {
  verify: [
    { rows: 1, ms: 22 },
    { rows: 2, ms: 24.5 },
    { rows: 4, ms: 26 },
    { rows: 8, ms: 39 },
    { rows: 16, ms: 70 },
    { rows: 32, ms: 117 },
  ],
  draft: [3, 2],
  overheadMs: 0.3,
};

describe("costModel", () => {
  const cost = new CostModel(measured);
  const table: [number, number][] = [
    [1, 22],
    [3, 25.25],
    [4, 26],
    [12, 54.5],
    [32, 117],
    [48, 164],
  ];
  for (const [rows, ms] of table) it(`interpolates ${rows} rows`, () => assert.equal(cost.verifyMs(rows), ms));

  it("adds what every further token of the text costs, more for more rows", () => {
    const perKey = new CostModel({
      ...measured,
      verify: measured.verify.map(({ rows, ms }) => ({ rows, ms, msPerKey: 0.005 + 0.002 * rows })),
    });
    assert.equal(perKey.verifyMs(8), 39, "behind the text of the measurement");
    perKey.keys = 10;
    assert.equal(perKey.verifyMs(8), 39, "behind a shorter one");
    perKey.keys = 1064;
    const near = (actual: number, expected: number) => assert.ok(Math.abs(actual - expected) < 1e-9, `${actual}`);
    near(perKey.verifyMs(1), 22 + 7);
    near(perKey.verifyMs(8), 39 + 21);
    near(perKey.verifyMs(12), 54.5 + 29);
    near(perKey.verifyMs(48), 164 + 101);
    for (let i = 0; i < 200; i++) perKey.observeVerify(8, 90);
    assert.ok(Math.abs(perKey.verifyMs(8) - 90) < 0.5, "what is observed counts, whatever was measured");
    // A text for which eight rows are worth their time is not worth them behind a long one.
    const behind = (keys: number) => {
      const cost = new CostModel({
        ...measured,
        verify: measured.verify.map(({ rows, ms }) => ({ rows, ms, msPerKey: 0.01 * rows })),
      });
      cost.keys = keys;
      return chooseNodeCount([0.5, 0.35, 0.3, 0.25, 0.25, 0.2, 0.2], cost, 0);
    };
    assert.ok(behind(64) > behind(1500), `${behind(64)} and ${behind(1500)} rows`);
  });

  it("knows each draft level, and none without a head", () => {
    assert.deepEqual([cost.draftMs(0), cost.draftMs(1), cost.draftMs(7)], [3, 2, 2]);
    assert.equal(new CostModel({ ...measured, draft: [] }).draftMs(0), 0);
  });

  it("takes a single measurement for every size", () => {
    const flat = new CostModel({ ...measured, verify: [{ rows: 1, ms: 10 }] });
    assert.equal(flat.verifyMs(20), 10);
    for (let i = 0; i < 100; i++) flat.observeVerify(4, 15);
    assert.ok(Math.abs(flat.verifyMs(1) - 15) < 0.1);
  });

  it("never lets more rows look cheaper", () => {
    const noisy = new CostModel({ ...measured, verify: [1, 2, 4, 8].map((rows) => ({ rows, ms: 30 - rows })) });
    for (let i = 0; i < 300; i++) {
      noisy.observeVerify(1 + Math.floor(uniform(1, i) * 12), 10 + 60 * uniform(2, i));
      for (let rows = 2; rows < 20; rows++) assert.ok(noisy.verifyMs(rows) >= noisy.verifyMs(rows - 1));
    }
  });

  it("follows a machine that has become slower, most of all where it was seen", () => {
    const slower = new CostModel(measured);
    for (let i = 0; i < 200; i++) slower.observeVerify(8, 60);
    assert.ok(Math.abs(slower.verifyMs(8) - 60) < 0.5);
    assert.ok(slower.verifyMs(1) > 22 && slower.verifyMs(1) / 22 < 60 / 39);
    for (let i = 0; i < 200; i++) slower.observeDraft(4, 5);
    assert.ok(Math.abs(slower.draftMs(1) - 5) < 0.1);
    assert.equal(slower.draftMs(0), 3);
  });

  it("is hardly moved by one interruption", () => {
    const interrupted = new CostModel(measured);
    interrupted.observeVerify(4, 60_000);
    interrupted.observeDraft(0, 60_000);
    interrupted.observeOverhead(60_000);
    assert.ok(interrupted.verifyMs(4) < 26 * 1.11);
    assert.ok(interrupted.draftMs(0) < 3 * 1.11);
    assert.ok(interrupted.overheadMs < 0.5);
  });
});

describe("budget", () => {
  const cost = new CostModel(measured);

  it("finds the best of all sizes", () => {
    for (let salt = 0; salt < 300; salt++) {
      const values = Array.from({ length: 40 }, (_, i) => uniform(salt, i) ** (1 + (salt % 5))).sort((a, b) => b - a);
      const spent = (salt % 7) * 3;
      const plan = planTree(values, cost, spent);
      const rate = (rows: number) =>
        values.slice(0, rows - 1).reduce((a, b) => a + b, 1) / (spent + cost.verifyMs(rows) + (rows > 1 ? 0.3 : 0));
      const best = Math.max(...Array.from({ length: 41 }, (_, i) => rate(i + 1)));
      assert.ok(Math.abs(plan.tokens / plan.milliseconds - rate(plan.rows)) < 1e-12);
      assert.ok(rate(plan.rows) > best * 0.99, `${plan.rows} rows`);
      assert.equal(chooseNodeCount(values, cost, spent), plan.rows);
    }
  });

  it("looks beyond a step in the costs", () => {
    const steps = new CostModel({
      verify: [
        { rows: 1, ms: 10 },
        { rows: 2, ms: 19 },
        { rows: 16, ms: 20 },
      ],
      draft: [],
      overheadMs: 0,
    });
    assert.equal(chooseNodeCount(new Array(15).fill(0.5), steps, 0), 16);
  });

  const offCases: [string, number[], number][] = [
    ["nothing was drafted", [], 1],
    ["the draft is hopeless", [0.01, 0.005], 1],
    ["the gain is within the noise", [0.135], 1],
    ["the draft is nearly certain", [0.99, 0.98, 0.97], 4],
  ];
  for (const [name, values, rows] of offCases) {
    it(`verifies ${rows} rows where ${name}`, () => assert.equal(chooseNodeCount(values, cost, 0), rows));
  }

  it("deepens while the frontier is worth more than a draft forward and a row", () => {
    const current = planTree([0.8, 0.6], cost, 5);
    assert.ok(shouldDeepen(0.7, 0.7, 2, cost, current));
    assert.ok(!shouldDeepen(0.1, 0.7, 2, cost, current));
    assert.ok(!shouldDeepen(0.7, 0.05, 2, cost, current));
  });

  it("expands nodes whose children may be worth a row, more of them where rows are cheap", () => {
    const current = planTree([0.8, 0.6], cost, 5);
    const ahead = (cost.verifyMs(current.rows + 4) - cost.verifyMs(current.rows)) / 4;
    assert.equal(leastParent(cost, current), ((current.tokens / current.milliseconds) * ahead) / 2);
    const cheap = new CostModel({
      ...measured,
      verify: measured.verify.map(({ rows }) => ({ rows, ms: 22 + 0.1 * rows })),
    });
    assert.ok(leastParent(cheap, planTree([0.8, 0.6], cheap, 5)) < 0.02);
    const dear = new CostModel({ ...measured, verify: measured.verify.map(({ rows }) => ({ rows, ms: 22 * rows })) });
    assert.ok(leastParent(dear, planTree([0.8, 0.6], dear, 0)) > 0.45);
  });

  it("knows the best nodes of a tree whose children share what their parent has", () => {
    assert.deepEqual(
      treeProbabilities(() => 0.5, 2, 4),
      [0.5, 0.25, 0.25, 0.125],
    );
    const single = treeProbabilities(() => 0.5, 1, 99);
    assert.ok(Math.abs(single.reduce((sum, p) => sum + p, 0) - (1 - 0.5 ** 8)) < 1e-12);
    const acceptances = [0.7, 0.4, 0.9];
    const children = (depth: number) =>
      Array.from({ length: 8 }, (_, i) => acceptances[depth]! * (1 - acceptances[depth]!) ** i);
    const levels = [children(0)];
    for (const depth of [1, 2])
      levels.push(levels.at(-1)!.flatMap((parent) => children(depth).map((child) => parent * child)));
    const all = levels.flat().toSorted((a, b) => b - a);
    const found = treeProbabilities((depth) => acceptances[depth - 1]!, 3, 40);
    assert.ok(found.every((value, i) => Math.abs(value - all[i]!) < 1e-12));
  });

  it("learns how often each depth is accepted", () => {
    const acceptance = new LevelAcceptance(0.5);
    assert.equal(acceptance.at(3), 0.5);
    for (let i = 0; i < 200; i++) acceptance.observe(1, i % 10 < 9);
    assert.ok(Math.abs(acceptance.at(1) - 0.88) < 0.05);
    assert.equal(acceptance.at(2), 0.5);
    acceptance.reset();
    assert.equal(acceptance.at(1), 0.5);
  });
});

describe("headGate", () => {
  const plainMs = 22;
  const expected = { tokens: 2, milliseconds: 32 };

  /** Tokens per millisecond over `rounds` rounds of a head with this acceptance, relative to plain decoding. */
  function simulate(
    tokensAt: (round: number) => number,
    headMs: number,
    rounds: number,
  ): { gain: number; used: number } {
    const gate = new HeadGate(expected);
    let tokens = 0;
    let milliseconds = 0;
    let used = 0;
    for (let round = 0; round < rounds; round++) {
      if (gate.wantsHead(1 / plainMs, 1 / plainMs)) {
        gate.record(tokensAt(round), headMs);
        tokens += tokensAt(round);
        milliseconds += headMs;
        used++;
      } else {
        tokens++;
        milliseconds += plainMs;
      }
    }
    return { gain: (tokens * plainMs) / milliseconds, used };
  }

  it("stays with a head that pays", () => {
    const { gain, used } = simulate((round) => 1 + (round % 4), 32, 64);
    assert.equal(used, 64);
    assert.ok(gain > 1.6);
  });

  it("loses less than 3 % with a head that does not, in a short text", () => {
    assert.ok(simulate(() => 1.1, 30, 64).gain > 0.97);
  });

  it("loses hardly anything in a long text", () => {
    const { gain, used } = simulate(() => 1, 40, 4000);
    assert.ok(gain > 0.99);
    assert.ok(used > 8, "it is tried again now and then");
  });

  it("comes back to a head that has begun to pay", () => {
    const { used } = simulate((round) => (round < 100 ? 1 : 4), 32, 600);
    assert.ok(used > 350, `${used} of 500`);
  });

  it("leaves the round to retrieval that promises more, and returns afterwards", () => {
    const gate = new HeadGate(expected);
    for (let i = 0; i < 100; i++) assert.ok(!gate.wantsHead(6 / 40, 1 / plainMs));
    assert.ok(gate.wantsHead(1 / plainMs, 1 / plainMs));
  });

  it("expects another round where none has run, and only there", () => {
    const gate = new HeadGate(expected);
    gate.expect({ tokens: 1, milliseconds: 2 * plainMs });
    assert.equal(gate.rate, 1 / (2 * plainMs));
    gate.record(2, plainMs);
    const known = gate.rate;
    gate.expect(expected);
    assert.equal(gate.rate, known);
  });

  it("forgets on reset", () => {
    const gate = new HeadGate(expected);
    for (let i = 0; i < 20; i++) gate.record(1, 60);
    assert.ok(!gate.wantsHead(1 / plainMs, 1 / plainMs));
    gate.reset();
    assert.ok(gate.wantsHead(1 / plainMs, 1 / plainMs));
  });
});

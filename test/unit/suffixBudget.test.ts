import assert from "node:assert/strict";
import { affordableSuffix, SuffixBudget, suffixMs } from "../../src/engine/suffixBudget.ts";

describe("affordableSuffix", () => {
  const linear = [
    { rows: 1, ms: 10 },
    { rows: 32, ms: 100 },
    { rows: 64, ms: 200 },
  ];
  const cases: readonly (readonly [ms: number, tokens: number])[] = [
    [1, 16],
    [99, 16],
    [101, 32],
    [399, 64],
    [401, 128],
    [1e9, 512],
  ];
  for (const [ms, tokens] of cases) {
    it(`is ${tokens} tokens in ${ms} ms`, () => assert.equal(affordableSuffix(linear, ms), tokens));
  }

  it("reads twice where a large forward was disturbed when it was measured", () => {
    const disturbed = [
      { rows: 16, ms: 20 },
      { rows: 32, ms: 900 },
    ];
    assert.equal(affordableSuffix(disturbed, 100), 64);
  });
});

describe("SuffixBudget", () => {
  const idle = [1, 2, 4, 8, 16, 32].map((rows) => ({ rows, ms: 5 + rows }));
  const timesSlower = (factor: number) => idle.map(({ rows, ms }) => ({ rows, ms: factor * ms }));

  /** Requests that read as much as the budget allows, `factor` times as slowly as an idle machine; the budgets they had. */
  function budgets(budget: SuffixBudget, requests: number, factor = 1): number[] {
    return Array.from({ length: requests }, () => {
      const rows = budget.tokens;
      budget.observe(rows, factor * (5 + rows));
      return rows;
    });
  }

  const steps = (budgets: readonly number[]) =>
    budgets.filter((tokens, i) => i > 0 && tokens !== budgets[i - 1]).length;

  it("begins with what the measured costs allow", () => {
    assert.equal(new SuffixBudget(idle).tokens, 64);
    assert.equal(new SuffixBudget(timesSlower(8)).tokens, 16);
  });

  it("recovers in few steps from costs that were measured while the machine was busy", () => {
    const had = budgets(new SuffixBudget(timesSlower(8)), 400);
    assert.equal(had[0], 16);
    assert.equal(had.at(-1), 64);
    assert.ok(steps(had) <= 2, had.join(" "));
  });

  it("shrinks where the machine has become slow for long, not for a disturbance", () => {
    const budget = new SuffixBudget(idle);
    budget.observe(64, 10_000);
    assert.deepEqual(new Set(budgets(budget, 200)), new Set([64]));
    assert.equal(budgets(budget, 200, 4).at(-1), 16);
  });

  it("stays where costs are near the limit, since a change would move the window of a long document's prompt", () => {
    const budget = new SuffixBudget(idle);
    const limit = suffixMs / (5 + 64);
    const had = [limit * 0.95, limit * 1.1, limit * 0.9, limit * 1.15].flatMap((factor) =>
      budgets(budget, 100, factor),
    );
    assert.equal(steps(had), 0);
  });
});

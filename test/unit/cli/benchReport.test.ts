import assert from "node:assert/strict";
import { rotated } from "../../../src/cli/bench.ts";
import { median, type RecordRun, reportMethod, reportTable } from "../../../src/cli/benchReport.ts";

/** A run with `tokens`, of which the first took `firstMs` and the others `restMs` together. */
function runOf(tokens: readonly number[], firstMs: number, restMs: number, forwards: number): RecordRun {
  return {
    tokens,
    promptTokens: 10,
    cachedTokens: 0,
    statistics: {
      counts: {
        completionTokens: tokens.length,
        decodedTokens: tokens.length - 1,
        targetForwards: forwards,
        draftForwards: 2 * forwards,
        draftedTokens: 3 * forwards,
        offeredByDepth: forwards > 0 ? [forwards] : [],
        acceptedByDepth: forwards > 0 ? [tokens.length - 1 - forwards] : [],
      },
      timings: { promptMs: firstMs, firstTokenMs: firstMs, draftMs: 1, verifyMs: restMs, totalMs: firstMs + restMs },
      diversity: { uniqueDrafted: 4, uniqueAccepted: 2, generated: tokens.length },
    },
  };
}

describe("median", () => {
  const cases: readonly (readonly [readonly number[], number | null])[] = [
    [[], null],
    [[3], 3],
    [[3, 1], 2],
    [[9, 1, 10], 9],
    [[4, 1, 3, 2], 2.5],
  ];
  for (const [values, expected] of cases) {
    it(`of ${JSON.stringify(values)}`, () => assert.equal(median(values), expected));
  }
});

describe("reportMethod", () => {
  const plain = [
    runOf([1, 2, 3, 4, 5], 100, 400, 4),
    runOf([1, 2, 3], 100, 200, 2),
    runOf([7, 8, 9, 10, 11], 50, 400, 4),
  ];
  const drafted = [
    runOf([1, 2, 3, 4, 5], 100, 200, 2),
    runOf([1, 2, 3], 100, 50, 1),
    runOf([7, 8, 9, 10, 99], 50, 400, 2),
  ];

  it("pools tau and acceptance, takes medians of ratios, sums counts", () => {
    const report = reportMethod(drafted, plain, 1234);
    assert.equal(report.tau, 10 / 5);
    assert.deepEqual(report.acceptanceByDepth, [(2 + 1 + 2) / 5]);
    assert.equal(report.tokensPerSecond, 20);
    assert.equal(report.speedup, 2);
    assert.ok(Math.abs(report.speedupEndToEnd! - 500 / 300) < 1e-12);
    assert.deepEqual([report.identical, report.total], [2, 3]);
    assert.deepEqual(report.counts, {
      promptTokens: 30,
      cachedTokens: 0,
      completionTokens: 13,
      targetForwards: 5,
      draftForwards: 10,
      draftedTokens: 15,
    });
    assert.deepEqual(report.timings, {
      loadMs: 1234,
      promptMs: 100,
      firstTokenMs: 100,
      draftMs: 1,
      verifyMs: 200,
      totalMs: 300,
    });
    assert.equal(report.diversity.generated, 13 / 3);
  });

  it("finds plain decoding as fast as itself", () => {
    const report = reportMethod(plain, plain, 0);
    assert.deepEqual([report.speedup, report.speedupEndToEnd, report.identical], [1, 1, 3]);
    assert.equal(report.tau, 1);
  });

  it("compares outputs by length, too", () => {
    const shorter = [runOf([1, 2, 3, 4], 100, 300, 3), plain[1]!, plain[2]!];
    assert.equal(reportMethod(shorter, plain, 0).identical, 2);
  });

  it("leaves records of a single token out of the speed, and says so where there are no others", () => {
    const single = runOf([1], 100, 0, 0);
    const mixed = reportMethod([...drafted, single], [...plain, single], 0);
    assert.deepEqual([mixed.tokensPerSecond, mixed.speedup], [20, 2]);
    const alone = reportMethod([single], [single], 0);
    assert.deepEqual([alone.tokensPerSecond, alone.speedup, alone.speedupEndToEnd, alone.tau], [null, null, 1, 1]);
    assert.match(reportTable({ plain: alone }), /\| plain {2}\| 1\.00 \| +- \| +- \| +- \| +- \| +1\.00x \| +1\/1 \|/);
  });

  it("is shown as a Markdown table", () => {
    const table = reportTable({ plain: reportMethod(plain, plain, 0), jakiro: reportMethod(drafted, plain, 0) });
    assert.equal(
      table,
      [
        "| method |  tau | acceptance by depth | tok/s | speedup | speedup / tau | end to end | identical |",
        "| ------ | ---: | ------------------: | ----: | ------: | ------------: | ---------: | --------: |",
        "| plain  | 1.00 |                0.00 |  10.0 |   1.00x |          1.00 |      1.00x |       3/3 |",
        "| jakiro | 2.00 |                1.00 |  20.0 |   2.00x |          1.00 |      1.67x |       2/3 |",
        "",
      ].join("\n"),
    );
  });
});

describe("the order of methods", () => {
  it("rotates by record", () => {
    const orders = [0, 1, 2, 3].map((record) => rotated(["plain", "jakiro", "auto"], record).join(" "));
    assert.deepEqual(orders, ["plain jakiro auto", "jakiro auto plain", "auto plain jakiro", "plain jakiro auto"]);
  });
});

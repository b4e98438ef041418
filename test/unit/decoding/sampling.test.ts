import assert from "node:assert/strict";
import { negativeExp } from "../../../src/engine/decoding/exponential.ts";
import { uniform } from "../../../src/engine/decoding/random.ts";
import {
  checkSamplingOptions,
  chooseToken,
  drawToken,
  keepTokens,
  type SamplingOptions,
} from "../../../src/engine/decoding/sampling.ts";
import { argmax, largestLogProbabilities, selectLargest } from "../../../src/engine/decoding/selection.ts";
import { JakiroError } from "../../../src/engine/errors.ts";
import { nameOf, referenceDistribution, samplers } from "./toyModel.ts";

const { NEGATIVE_INFINITY: low, POSITIVE_INFINITY: high, NaN: nan } = Number;

/** A row of logits with a bell-shaped bulk, a few favourites and many ties. */
function randomRow(length: number, salt: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => {
    const spread = [0, 1, 2, 3].reduce((sum, j) => sum + uniform(salt, 4 * i + j), -2);
    return Math.round(spread * 40) / 10 + (i % 97 === salt % 97 ? 6 : 0);
  });
}

describe("negativeExp", () => {
  it("agrees with Math.exp", () => {
    for (let i = 0; i < 20_000; i++) {
      const x = -708 * uniform(1, i) ** 4;
      assert.ok(Math.abs(negativeExp(x) / Math.exp(x) - 1) < 1e-15, `exp(${x})`);
    }
    assert.equal(negativeExp(0), 1);
  });
  it("is 0 where nothing is left, and for NaN", () => {
    for (const x of [-746, low, nan]) assert.equal(negativeExp(x), 0);
    assert.ok(negativeExp(-744) > 0);
  });
});

describe("selection", () => {
  const rows: [string, number[], number, number[]][] = [
    ["best first", [1, 5, 3, 4], 2, [1, 3]],
    ["ties to the smaller index", [2, 7, 7, 2, 7], 2, [1, 2]],
    ["ties at the boundary", [1, 1, 1, 1, 9], 3, [4, 0, 1]],
    ["more than there are", [3, 4], 5, [1, 0]],
    ["none wanted", [3, 4], 0, []],
    ["NaN passed over", [nan, 1, nan, 2], 3, [3, 1]],
    ["infinities", [low, high, 0, high], 4, [1, 3, 2, 0]],
    ["an empty row", [], 3, []],
  ];
  for (const [name, values, count, expected] of rows) {
    it(`selects ${name}`, () => {
      const indices = new Int32Array(8).fill(-9);
      const found = selectLargest(Float32Array.from(values), count, indices);
      assert.deepEqual([...indices.subarray(0, found)], expected);
    });
  }

  it("agrees with a full sort", () => {
    for (let salt = 0; salt < 40; salt++) {
      const row = randomRow(500, salt);
      const sorted = [...row.keys()].sort((a, b) => row[b]! - row[a]! || a - b);
      const count = 1 + ((salt * 37) % 500);
      const indices = new Int32Array(500);
      assert.equal(selectLargest(row, count, indices), count);
      assert.deepEqual([...indices.subarray(0, count)], sorted.slice(0, count));
      assert.equal(argmax(row), sorted[0]);
    }
  });

  it("gives log-probabilities over the whole row", () => {
    const row = randomRow(300, 3);
    const indices = new Int32Array(5);
    const logs = new Float64Array(5);
    assert.equal(largestLogProbabilities(row, 5, indices, logs), 5);
    const reference = referenceDistribution(row, { temperature: 1, topK: 0, topP: 1, seed: 0 });
    indices.forEach((token, i) => {
      assert.ok(Math.abs(Math.exp(logs[i]!) - reference[token]!) < 1e-12);
    });
  });
});

describe("sampling", () => {
  const options: SamplingOptions[] = [
    ...samplers.filter(({ temperature }) => temperature > 0),
    { temperature: 1, topK: 1, topP: 1, seed: 0 },
    { temperature: 1, topK: 40, topP: 0.95, seed: 0 },
    { temperature: 5, topK: 0, topP: 0.95, seed: 0 },
    { temperature: 0.3, topK: 0, topP: 1e-9, seed: 0 },
    { temperature: 1, topK: 4000, topP: 0.999, seed: 0 },
  ];
  for (const option of options) {
    it(`keeps what a full sort keeps: ${nameOf(option)}`, () => {
      for (let salt = 0; salt < 30; salt++) {
        const row = randomRow(10 + salt * 50, salt);
        const { ids, weights, total } = keepTokens(row, option);
        const actual = new Array<number>(row.length).fill(0);
        ids.forEach((id, i) => {
          assert.ok(i === 0 || id > ids[i - 1]!, "ascending ids");
          actual[id] = weights[i]! / total;
        });
        referenceDistribution(row, option).forEach((probability, token) => {
          assert.ok(Math.abs(actual[token]! - probability) < 1e-12, `row ${salt}, token ${token}`);
        });
      }
    });
  }

  it("maps a draw through the cumulative distribution in id order", () => {
    const kept = { ids: Int32Array.of(2, 5, 7, 9), weights: Float64Array.of(1, 0, 2, 1), total: 4 };
    const table: [number, number][] = [
      [0, 2],
      [0.2499, 2],
      [0.25, 7],
      [0.7499, 7],
      [0.75, 9],
      [1 - 2 ** -53, 9],
    ];
    for (const [draw, token] of table) assert.equal(drawToken(kept, draw), token);
  });

  it("never runs off the end where rounding makes the target equal the total", () => {
    assert.equal(drawToken({ ids: Int32Array.of(1, 4, 6), weights: Float64Array.of(1, 1, 0), total: 2 }, 1), 4);
  });

  it("draws each token as often as its probability says", () => {
    const row = Float32Array.of(0.5, 2, 1, -1, 1.5);
    const option = { temperature: 0.9, topK: 4, topP: 1, seed: 11 };
    const counts = new Array<number>(5).fill(0);
    const total = 40_000;
    for (let position = 0; position < total; position++) counts[chooseToken(row, option, position)]!++;
    referenceDistribution(row, option).forEach((probability, token) => {
      const sigma = Math.sqrt(total * probability * (1 - probability));
      assert.ok(Math.abs(counts[token]! - total * probability) <= 4 * sigma);
    });
  });

  it("depends on seed and position only", () => {
    const row = randomRow(1000, 5);
    const option = { temperature: 1, topK: 0, topP: 1, seed: 8 };
    const tokens = Array.from({ length: 50 }, (_, position) => chooseToken(row, option, position));
    const again = Array.from({ length: 50 }, (_, i) => chooseToken(row, option, 49 - i)).reverse();
    assert.deepEqual(again, tokens);
    assert.ok(new Set(tokens).size > 10);
    assert.notDeepEqual(
      tokens,
      tokens.map((_, position) => chooseToken(row, { ...option, seed: 9 }, position)),
    );
  });

  const oddRows: [string, number[], number[]][] = [
    ["greedy ties", [1, 3, 3, 2], [1]],
    ["masked tokens", [low, 4, low, low], [1]],
    ["huge logits", [-3e38, 3e38, -3e38, 0], [1]],
    ["positive infinities", [0, high, 5, high], [1, 3]],
    ["NaN beside a number", [nan, nan, 2, nan], [2]],
    ["nothing but NaN", [nan, nan], [0]],
    ["nothing but -Infinity", [low, low], [0]],
    ["one token", [0], [0]],
    ["an empty row", [], [0]],
  ];
  for (const [name, logits, allowed] of oddRows) {
    it(`survives ${name}`, () => {
      const row = Float32Array.from(logits);
      assert.equal(chooseToken(row, { temperature: 0, topK: 0, topP: 1, seed: 0 }, 0), allowed[0]);
      if (name === "greedy ties") return;
      for (const temperature of [1e-320, 1e-3, 1, 100]) {
        if (name === "huge logits" && temperature === 100) continue;
        for (const [topK, topP] of [
          [0, 1],
          [2, 1],
          [0, 0.9],
          [2, 0.9],
        ] as const) {
          for (let position = 0; position < 20; position++) {
            const token = chooseToken(row, { temperature, topK, topP, seed: 3 }, position);
            assert.ok(allowed.includes(token), `${token} at temperature ${temperature}, ${topK}, ${topP}`);
          }
        }
      }
    });
  }

  const badOptions: [string, Partial<SamplingOptions>][] = [
    ["Temperature", { temperature: -1 }],
    ["Temperature", { temperature: nan }],
    ["Temperature", { temperature: high }],
    ["Top-k", { topK: -1 }],
    ["Top-k", { topK: 1.5 }],
    ["Top-p", { topP: 0 }],
    ["Top-p", { topP: 1.01 }],
    ["Seed", { seed: -1 }],
    ["Seed", { seed: 2 ** 53 }],
  ];
  for (const [name, option] of badOptions) {
    it(`refuses ${JSON.stringify(option)}`, () => {
      assert.throws(
        () => checkSamplingOptions({ temperature: 0, topK: 0, topP: 1, seed: 0, ...option }),
        (error) => error instanceof JakiroError && error.kind === "usage" && error.message.startsWith(name),
      );
    });
  }

  it("accepts options in range", () => {
    for (const option of samplers) checkSamplingOptions(option);
  });
});

import assert from "node:assert/strict";
import { uniform } from "../../src/engine/decoding/random.ts";
import { chooseToken as chooseOnCpu, greedy, type SamplingOptions } from "../../src/engine/decoding/sampling.ts";
import { argmax } from "../../src/engine/decoding/selection.ts";
import { logitRows, slicesOf } from "../../src/engine/gpu/forwardBuffers.ts";
import { encodeRow, noSlot, type RoundShape } from "../../src/engine/gpu/roundLayout.ts";
import { RoundTrial } from "../../src/engine/gpu/roundTrial.ts";
import { chooseToken, drawToken, keepTokens } from "../../src/engine/gpu/samplingReference.ts";
import { poison } from "../../src/engine/gpu/trial.ts";
import { nameOf, referenceDistribution } from "../unit/decoding/toyModel.ts";
import { randomSource } from "./freshRandom.ts";
import { Rig } from "./rig.ts";
import { planOf, startOf } from "./sequences.ts";

const { NEGATIVE_INFINITY: low, POSITIVE_INFINITY: high, NaN: nan } = Number;

const samplers: readonly SamplingOptions[] = [
  { temperature: 1, topK: 0, topP: 1, seed: 1 },
  { temperature: 0.8, topK: 20, topP: 0.95, seed: 2 ** 40 + 77 },
  { temperature: 0.3, topK: 0, topP: 0.9, seed: 3 },
  { temperature: 2.5, topK: 5, topP: 1, seed: 4 },
  { temperature: 1.5, topK: 3, topP: 0.4, seed: 5 },
  { temperature: 0.7, topK: 1, topP: 1, seed: 6 },
  { temperature: 1, topK: 0, topP: 1e-6, seed: 7 },
  { temperature: 1e-4, topK: 0, topP: 1, seed: 2 ** 53 - 1 },
  { temperature: 100, topK: 1_000_000, topP: 0.999, seed: 9 },
];

/** By which float32 logarithms and exponentials move the borders between tokens on [0, 1), and those of the nucleus. */
const slack = 2e-5;

describe("chooseTokens on the GPU", () => {
  let rig: Rig;
  before(async () => {
    rig = await Rig.open();
  });
  after(() => rig.close());

  interface Row {
    readonly logits: Float32Array;
    readonly position: number;
  }

  /** Chooses after each row; the token chosen is the one at `position`. */
  async function choose(rows: readonly Row[], options: SamplingOptions, shape: RoundShape): Promise<number[]> {
    const vocabulary = rows[0]!.logits.length;
    const round = await RoundTrial.create(rig.compiler, planOf(shape, { vocabulary }));
    for (let s = 0; s < shape.sequences; s++) round.start(s, startOf(s, { sampling: options }));
    for (const [row, { position }] of rows.entries()) {
      const sequence = Math.floor(row / shape.rows);
      const words = { token: 0, region: 0, contiguous: 0, path: 0, slot: row, sequence, parent: -1 };
      rig.write(round.buffers.verification.rows, encodeRow({ ...words, position: position - 1 }), row * 8);
    }
    for (const { first, count } of slicesOf(rows.length, logitRows)) {
      for (let i = 0; i < count; i++) rig.write(round.inputs.logits, rows[first + i]!.logits, i * vocabulary);
      round.run(...round.dispatches.choose(first, count));
    }
    return [...(await rig.read(round.buffers.chosen))];
  }

  /** As many draws after the same row as one dispatch makes, at consecutive positions. */
  async function draws(logits: Float32Array, options: SamplingOptions, count: number) {
    const rows = Array.from({ length: count }, (_, i) => ({ logits, position: 5 + 7 * i }));
    const tokens = await choose(rows, options, { sequences: 2, rows: count / 2, branching: 2, levels: 2, branches: 1 });
    return tokens.map((token, i) => ({ token, position: rows[i]!.position }));
  }

  /** Logits with many equal ones, so that ties meet top-k and top-p. */
  function someLogits(vocabulary: number, seed: number, spread: number): Float32Array {
    const random = randomSource(seed);
    return Float32Array.from({ length: vocabulary }, (_, id) =>
      id % 4 === 0 ? Math.round(random() * spread) - 2 : (random() - 0.3) * spread,
    );
  }

  for (const options of samplers) {
    it(`draws as the reference does and by the law of float64: ${nameOf(options)}`, async () => {
      for (const [vocabulary, spread, count] of [
        [37, 4, 64],
        [300, 12, 64],
        [4097, 9, 16],
      ] as const) {
        const logits = someLogits(vocabulary, vocabulary, spread);
        const probabilities = referenceDistribution(logits, options);
        const cumulative = new Float64Array(vocabulary + 1);
        probabilities.forEach((probability, id) => {
          cumulative[id + 1] = cumulative[id]! + probability;
        });
        const kept = keepTokens(logits, options);
        const found = await draws(logits, options, count);
        for (const { token, position } of found) {
          assert.equal(token, drawToken(kept, options.seed, position), `vocabulary ${vocabulary} at ${position}`);
          const draw = uniform(options.seed, position);
          const [from, to] = [cumulative[token]!, cumulative[token + 1]!];
          assert.ok(draw > from - slack && draw < to + slack, `${token} at ${draw}`);
          // Where no rounding can decide between two tokens, it is the CPU's.
          if (draw > from + slack && draw < to - slack) assert.equal(token, chooseOnCpu(logits, options, position));
        }
      }
    });
  }

  it("chooses among 151,936 tokens", async () => {
    const logits = someLogits(151_936, 8, 14);
    for (const options of [samplers[0]!, samplers[1]!, samplers[2]!]) {
      const kept = keepTokens(logits, options);
      for (const { token, position } of await draws(logits, options, 2)) {
        assert.equal(token, drawToken(kept, options.seed, position));
      }
    }
  });

  it("draws from equal logits evenly, and the smaller ids where only some are kept", async () => {
    const logits = new Float32Array(1000).fill(3.25);
    for (const [options, ids] of [
      [{ temperature: 1, topK: 0, topP: 1, seed: 1 }, 1000],
      [{ temperature: 1, topK: 7, topP: 1, seed: 1 }, 7],
      [{ temperature: 1, topK: 0, topP: 0.25, seed: 1 }, 250],
      [{ temperature: 1, topK: 100, topP: 0.5, seed: 1 }, 50],
    ] as const) {
      for (const { token, position } of await draws(logits, options, 32)) {
        assert.equal(token, Math.floor(uniform(options.seed, position) * ids));
      }
    }
  });

  it("ends the nucleus within thousands of equal small weights", async () => {
    const options = { temperature: 1, topK: 0, topP: 0.8, seed: 11 };
    for (const distance of [6.3, 7.8, 8.4]) {
      const logits = new Float32Array(4500).fill(2).fill(2 + distance, 4000, 4001);
      const kept = keepTokens(logits, options);
      assert.ok(kept.length > 300 && kept.length < 4400);
      for (const { token, position } of await draws(logits, options, 16)) {
        assert.equal(token, drawToken(kept, options.seed, position));
      }
    }
  });

  it("is greedy at temperature 0: the largest logit, ties to the smaller id, never NaN", async () => {
    const length = 9000;
    const plain = Array.from({ length: 8 }, (_, seed) => someLogits(length, seed, 30));
    const rows = [
      ...plain,
      new Float32Array(length).fill(1),
      new Float32Array(length).fill(nan),
      new Float32Array(length).fill(low),
      new Float32Array(length).fill(low).fill(nan, 0, 3),
      new Float32Array(length).fill(nan).fill(-8, 8999),
      new Float32Array(length).fill(-0).fill(0, 4500),
      new Float32Array(length).fill(2).fill(high, 8200, 8202),
    ].map((logits, position) => ({ logits, position }));
    const shape: RoundShape = { sequences: 1, rows: rows.length, branching: 2, levels: 2, branches: 1 };
    const expected = rows.map(({ logits }) => argmax(logits));
    assert.deepEqual(await choose(rows, greedy, shape), expected);
    const sampled = await choose(rows, { temperature: 1, topK: 1, topP: 0.5, seed: 1 }, shape);
    assert.deepEqual(sampled, expected);
  });

  it("is greedy over any number of tokens", async () => {
    for (const width of [1, 3, 255, 257, 4096, 4097]) {
      const rows = [
        someLogits(width, width, 9),
        new Float32Array(width).fill(-3.4028234663852886e38),
        new Float32Array(width).fill(nan).fill(-1e30, width - 1),
        new Float32Array(width).fill(low).fill(-5, width - 1),
      ].map((logits, position) => ({ logits, position }));
      const shape: RoundShape = { sequences: 1, rows: rows.length, branching: 2, levels: 2, branches: 1 };
      const expected = rows.map(({ logits }) => argmax(logits));
      assert.deepEqual(await choose(rows, greedy, shape), expected, `${width} tokens`);
    }
  });

  it("samples past NaN and infinities", async () => {
    const rows = [
      new Float32Array(600).fill(nan),
      new Float32Array(600).fill(low),
      new Float32Array(600).fill(nan).fill(0.5, 300, 310),
      new Float32Array(600).fill(1).fill(high, 500, 502),
      new Float32Array(600).fill(low).fill(-3, 77, 79).fill(nan, 200),
    ].map((logits, position) => ({ logits, position: position + 1 }));
    const shape: RoundShape = { sequences: 1, rows: 5, branching: 2, levels: 2, branches: 1 };
    for (const options of samplers) {
      const expected = rows.map(({ logits, position }) => chooseToken(logits, options, position));
      assert.deepEqual(await choose(rows, options, shape), expected);
    }
  });

  it("gives a row the same token in whatever company", async () => {
    const options = samplers[1]!;
    // Logits of so many have no room at a time.
    const most = 2 * logitRows + 22;
    const rows = Array.from({ length: most }, (_, i) => ({ logits: someLogits(1500, i, 10), position: 40 + i }));
    const together = await choose(rows, options, { sequences: 1, rows: most, branching: 2, levels: 2, branches: 1 });
    for (const count of [1, 7, 60]) {
      const alone = await choose(rows.slice(most - count), options, {
        sequences: 1,
        rows: count,
        branching: 2,
        levels: 2,
        branches: 1,
      });
      assert.deepEqual(alone, together.slice(most - count));
    }
  });

  it("gives padding rows token 0 and reads nothing of them", async () => {
    const shape: RoundShape = { sequences: 1, rows: 3, branching: 2, levels: 2, branches: 1 };
    const round = await RoundTrial.create(rig.compiler, planOf(shape));
    round.start(0, startOf(0));
    for (let row = 0; row < 3; row++) {
      const words = { token: 0, region: 0, contiguous: 0, path: 0, slot: noSlot, sequence: 0, parent: -1, position: 0 };
      rig.write(round.buffers.verification.rows, encodeRow(words), row * 8);
    }
    round.run(...round.dispatches.choose(0, 3));
    assert.deepEqual([...(await rig.read(round.buffers.chosen))], [0, 0, 0]);
    assert.ok((await rig.read(round.buffers.maxima)).every((word) => word === poison));
  });
});

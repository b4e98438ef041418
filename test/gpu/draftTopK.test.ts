import assert from "node:assert/strict";
import draftTopKSource from "../../kernels/draftTopK.wgsl";
import orderSource from "../../kernels/order.wgsl";
import { largestLogProbabilities } from "../../src/engine/decoding/selection.ts";
import { draftTopK, encodeTiles } from "../../src/engine/gpu/draftReference.ts";
import { bind } from "../../src/engine/gpu/kernels.ts";
import { noToken } from "../../src/engine/gpu/roundLayout.ts";
import { linearColumns } from "../../src/engine/gpu/targetKernels.ts";
import { randomSource } from "./freshRandom.ts";
import { Rig } from "./rig.ts";

const { NEGATIVE_INFINITY: low, NaN: nan } = Number;

describe("draftTopK on the GPU", () => {
  let rig: Rig;
  before(async () => {
    rig = await Rig.open();
  });
  after(() => rig.close());

  /** Merges what the tiles of rows of logits hold, as the draft LM head leaves it. */
  async function run(logits: Float32Array, vocabulary: number, branching: number, targets: Uint32Array) {
    const rows = logits.length / vocabulary;
    const constants = { VOCABULARY: vocabulary, BRANCHING: branching, TILE: linearColumns };
    const kernel = await rig.compiler.compile("draftTopK", `${orderSource}\n${draftTopKSource}`, constants);
    const { best, masses } = encodeTiles(logits, vocabulary, branching);
    const candidates = rig.poisoned(rows * branching * 2);
    const buffers = [rig.buffer(best), rig.buffer(masses), rig.buffer(targets), candidates];
    rig.submit([{ kernel, bindings: bind(rig.device, kernel, buffers), workgroups: [rows] }]);
    const words = await rig.read(candidates);
    const floats = new Float32Array(words.buffer);
    return Array.from({ length: rows }, (_, row) => {
      const places = Array.from({ length: branching }, (_, j) => 2 * (row * branching + j));
      return {
        words: [...words.subarray(2 * row * branching, 2 * (row + 1) * branching)],
        tokens: places.map((at) => words[at]!),
        logProbabilities: places.map((at) => floats[at + 1]!),
      };
    });
  }

  function targetsOf(vocabulary: number): Uint32Array {
    return Uint32Array.from({ length: vocabulary }, (_, id) => 3 * id + 7);
  }

  for (const [vocabulary, branching, rows] of [
    [8192, 10, 16],
    [4099, 16, 64],
    [2048, 1, 3],
    [2049, 7, 2],
    [33, 16, 5],
    [16, 16, 1],
    // More tiles than threads, in one case with all of the best in one thread's tiles.
    [16_449, 16, 2],
    [151_936, 8, 2],
  ] as const) {
    it(`finds the best ${branching} of ${vocabulary}, ${rows} rows`, async () => {
      const random = randomSource(vocabulary + branching);
      const targets = targetsOf(vocabulary);
      // Halves make ties: the smaller id must win.
      const logits = Float32Array.from({ length: rows * vocabulary }, (_, i) =>
        i % 3 === 0 ? Math.round(random() * 20) / 2 : random() * 12 - 3,
      );
      const found = await run(logits, vocabulary, branching, targets);
      const ids = new Int32Array(branching);
      const logs = new Float64Array(branching);
      for (const [row, { tokens, logProbabilities }] of found.entries()) {
        const own = logits.subarray(row * vocabulary, (row + 1) * vocabulary);
        const expected = draftTopK(own, branching, targets);
        assert.deepEqual(tokens, expected.tokens);
        largestLogProbabilities(own, branching, ids, logs);
        assert.deepEqual(
          tokens,
          Array.from(ids, (id) => targets[id]),
        );
        logProbabilities.forEach((value, j) => {
          assert.ok(Math.abs(value - expected.logProbabilities[j]!) < 1e-5, `${value} ${expected.logProbabilities[j]}`);
          assert.ok(Math.abs(value - logs[j]!) < 1e-5);
        });
      }
    });
  }

  it("gives a row the same bits whatever the other rows are", async () => {
    const vocabulary = 5000;
    const random = randomSource(5);
    const logits = Float32Array.from({ length: 7 * vocabulary }, () => random() * 30 - 15);
    const together = await run(logits, vocabulary, 6, targetsOf(vocabulary));
    for (let row = 0; row < 7; row++) {
      const own = logits.slice(row * vocabulary, (row + 1) * vocabulary);
      assert.deepEqual((await run(own, vocabulary, 6, targetsOf(vocabulary)))[0]!.words, together[row]!.words);
    }
  });

  it("orders equal logits, infinities and zeros by id, and passes over NaN", async () => {
    const vocabulary = 2100;
    const rows = [
      new Float32Array(vocabulary).fill(1.5),
      new Float32Array(vocabulary).fill(low).fill(2, 2090, 2093),
      new Float32Array(vocabulary).fill(nan).fill(-4, 600, 602),
      Float32Array.from({ length: vocabulary }, (_, i) => (i % 2 === 0 ? -0 : 0)),
      Float32Array.from({ length: vocabulary }, (_, i) => (i % 256 === 3 ? i : -i)),
    ];
    const found = await run(Float32Array.from(rows.flatMap((row) => [...row])), vocabulary, 5, targetsOf(vocabulary));
    const tokens = found.map((row) => row.tokens);
    const target = (id: number) => 3 * id + 7;
    assert.deepEqual(tokens[0], [0, 1, 2, 3, 4].map(target));
    assert.deepEqual(tokens[1], [2090, 2091, 2092, 0, 1].map(target));
    assert.deepEqual(tokens[2], [target(600), target(601), noToken, noToken, noToken]);
    assert.deepEqual(tokens[3], [0, 1, 2, 3, 4].map(target));
    assert.deepEqual(tokens[4], [2051, 1795, 1539, 1283, 1027].map(target));
    assert.ok(Math.abs(found[1]!.logProbabilities[0]! + Math.log(3)) < 1e-6);
    assert.ok(found[1]!.logProbabilities[3]! <= -1e30);
  });
});

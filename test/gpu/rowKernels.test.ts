import assert from "node:assert/strict";
import type { GpuDevice } from "../../src/engine/gpu/device.ts";
import { KernelCompiler } from "../../src/engine/gpu/kernels.ts";
import { KernelTrials } from "../../src/engine/gpu/kernelTrials.ts";
import { embed, norm, quantizationError, type Row } from "../../src/engine/gpu/reference.ts";
import { ForwardKernels } from "../../src/engine/gpu/targetKernels.ts";
import { poison } from "../../src/engine/gpu/trial.ts";
import { assertClose, assertSameBits } from "../unit/cpu/numbers.ts";
import { randomFloats, randomWords } from "./freshRandom.ts";
import { openTestDevice } from "./testDevice.ts";

describe("kernels of rows", function () {
  this.timeout(120_000);
  let gpu: GpuDevice;
  let quantized: KernelTrials;
  let plain: KernelTrials;
  before(async () => {
    gpu = await openTestDevice();
    const compiler = new KernelCompiler(gpu.device);
    const shape = { heads: 4, kvHeads: 3, headDim: 24, slots: 40, blocks: 1 };
    quantized = new KernelTrials(gpu.device, new ForwardKernels(compiler, shape, true));
    plain = new KernelTrials(gpu.device, new ForwardKernels(compiler, shape, false));
  });
  after(() => gpu.device.destroy());

  // Widths below a workgroup's 64 words, no multiple of 16, above it.
  for (const width of [4, 60, 576]) {
    const rows = 5;
    const epsilon = 1e-6;
    const gains = randomFloats(2 * width, width).map((value) => 1 + value / 2);

    function inputs(): Float32Array {
      const input = randomFloats(rows * width, width + 1, 3);
      // A row of zeros, and one that is nearly all in one channel.
      input.fill(0, 2 * width, 3 * width);
      input[3 * width + 1] = 1000;
      return input;
    }

    for (const [name, chosen] of [
      ["norm", epsilon],
      ["factors alone", -1],
    ] as const) {
      it(`${name}, width ${width}: features and next input, as float32 and in int8 steps`, async () => {
        const input = inputs();
        const exact = await plain.norm(input, gains, chosen, { keep: "values" });
        const steps = await quantized.norm(input, gains, chosen, { keep: "values" });
        assert.deepEqual(exact.features, steps.features);
        for (let row = 0; row < rows; row++) {
          const wanted = norm(input.subarray(row * width, (row + 1) * width), gains, chosen);
          const own = (words: Uint32Array<ArrayBuffer>) => floats(words).subarray(row * width, (row + 1) * width);
          assertRelative(own(exact.features), wanted.features, `features of row ${row}`);
          assertRelative(own(exact.output), wanted.next, `next input of row ${row}`);
          // Steps are those of the float32 input: only values within rounding of a tie may go the other way.
          const next = Float64Array.from(own(exact.output));
          const error = quantizationError("int8", steps.output, row, next);
          assert.ok(error <= 0.5 + 1e-4, `row ${row} is off by ${error} steps`);
        }
      });
    }

    it(`norm, width ${width}: picked rows have the bits of all rows, and nothing is kept unless asked for`, async () => {
      const input = inputs();
      const picks = [4, 0, 2, 4];
      for (const trials of [quantized, plain]) {
        const all = await trials.norm(input, gains, epsilon);
        const kept = await trials.norm(input, gains, epsilon, { keep: "values" });
        const picked = await trials.norm(input, gains, epsilon, { picks });
        assert.deepEqual(kept.output, all.output);
        assert.ok(all.features.every((word) => word === poison));
        const stride = all.output.length / rows;
        for (const [i, row] of picks.entries()) {
          const own = picked.output.subarray(i * stride, (i + 1) * stride);
          assert.deepEqual(written(own), written(all.output.subarray(row * stride, (row + 1) * stride)));
        }
      }
    });
  }

  for (const width of [32, 96, 576]) {
    it(`norm, width ${width}: features as a draft head reads them, beside the same next input`, async () => {
      const rows = 5;
      const input = randomFloats(rows * width, width, 3);
      input.fill(0, 2 * width, 3 * width);
      const gains = randomFloats(2 * width, width + 1).map((value) => 1 + value / 2);
      const { output, features } = await quantized.norm(input, gains, 1e-6, { keep: "head" });
      assert.deepEqual(output, (await quantized.norm(input, gains, 1e-6)).output);
      const exact = await plain.norm(input, gains, 1e-6, { keep: "head" });
      for (let row = 0; row < rows; row++) {
        const own = input.subarray(row * width, (row + 1) * width);
        const wanted = norm(own, gains, 1e-6);
        assert.ok(quantizationError("int8-blocks", features, row, wanted.next) <= 0.5 + 1e-3, `row ${row}`);
        assertRelative(floats(exact.features).subarray(row * width, (row + 1) * width), wanted.features, `row ${row}`);
      }
    });
  }

  it("norm: rows of zeros are zeros in any scale", async () => {
    const width = 36;
    const { output, features } = await quantized.norm(new Float32Array(width), randomFloats(2 * width, 1), 1e-6, {
      keep: "values",
    });
    assert.ok(floats(features).every((value) => value === 0));
    assert.deepEqual([...output.subarray(0, 12)], Array(12).fill(0));
    assert.equal(floats(output)[12], Math.fround(1e-20));
  });

  for (const width of [4, 36, 100]) {
    it(`embed, width ${width}: a token's row, moved or scaled`, async () => {
      const vocabulary = 23;
      const rows = [22, 0, 7, 7, 1].map((token) => rowOf(token));
      const table = randomWords((vocabulary * width) / 4, 3);
      const scales = randomFloats(vocabulary * Math.ceil(width / 32), 4);
      const scaled = floats(await quantized.embed(table, scales, width, rows));
      const values = randomFloats(vocabulary * width, 5);
      const moved = floats(await plain.embed(values, undefined, width, rows));
      for (const [i, { token }] of rows.entries()) {
        const own = (all: Float32Array) => all.subarray(i * width, (i + 1) * width);
        assertSameBits(own(scaled), embed(table, scales, width, token), `token ${token}, int8`);
        assertSameBits(own(moved), embed(new Uint32Array(values.buffer), undefined, width, token), `token ${token}`);
      }
    });
  }
});

function rowOf(token: number): Row {
  return { token, position: 0, region: 0, contiguous: 0, path: 0, slot: 0 };
}

function floats(words: Uint32Array<ArrayBuffer>): Float32Array {
  return new Float32Array(words.buffer);
}

/** Words that a kernel wrote: the last three of a quantized row hold nothing. */
function written(words: Uint32Array): number[] {
  return [...words].filter((word) => word !== poison);
}

/** A few roundings of float32 beside the row's largest value. */
function assertRelative(actual: Float32Array, expected: Float64Array, what: string): void {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  assertClose(actual, expected, 1e-6 * largest, what);
}

import assert from "node:assert/strict";
import { linear } from "../../../src/engine/cpu/linear.ts";
import { GraphBuilder } from "../../../src/engine/cpu/onnxWriter.ts";
import { packMatrix, type WeightFormat } from "../../../src/engine/cpu/packMatrix.ts";
import { floatTensor } from "../../../src/engine/cpu/session.ts";
import { MemorySink } from "../../../src/engine/cpu/weightSink.ts";
import { openGraph } from "./graphs.ts";
import { assertClose, assertSameBits, normal, product, randomMatrix } from "./numbers.ts";

const rowCounts = [1, 2, 3, 4, 5, 7, 8, 16, 31, 64];

/** Opens x @ W for a random matrix: the product of any number of rows. */
async function openLinear(format: WeightFormat, outputs: number, inputs: number) {
  const dense = randomMatrix(outputs, inputs, outputs + inputs);
  const sink = new MemorySink();
  const matrix = packMatrix(sink, "m", format, [{ ...dense, values: dense.values.slice() }]);
  const g = new GraphBuilder("linear");
  const x = g.input("x", "float32", ["rows", inputs]);
  g.output(g.rename(linear(g, x, matrix), "y"), "float32", ["rows", outputs]);
  const session = await openGraph(g, sink);
  return {
    dense,
    multiply: async (x: Float32Array): Promise<Float32Array> =>
      (await session.run({ x: floatTensor(x, [x.length / inputs, inputs]) }))["y"]!.data as Float32Array,
    release: () => session.release(),
  };
}

/** Rows of very different size, one of them zeros, one with a single large value. */
function awkwardRows(rows: number, inputs: number): Float32Array {
  const x = normal(rows * inputs, 11);
  for (let row = 0; row < rows; row++) {
    const size = 10 ** ((row % 9) - 4);
    for (let i = row * inputs; i < (row + 1) * inputs; i++) x[i]! *= size;
  }
  if (rows > 2) x.fill(0, inputs, 2 * inputs);
  if (rows > 3) x[2 * inputs + 5] = 1e4;
  return x;
}

describe("linear", () => {
  const shapes: readonly (readonly [outputs: number, inputs: number])[] = [
    [1152, 896],
    [896, 4864],
    [200, 80],
  ];
  for (const format of ["int8", "int4"] as const) {
    for (const [outputs, inputs] of shapes) {
      it(`gives a row the same bits whatever runs beside it: ${format}, ${inputs} to ${outputs}`, async () => {
        const { multiply, release } = await openLinear(format, outputs, inputs);
        try {
          const x = awkwardRows(64, inputs);
          const whole = await multiply(x);
          for (const rows of rowCounts) {
            for (const first of new Set([0, 64 - rows])) {
              const some = await multiply(x.slice(first * inputs, (first + rows) * inputs));
              const expected = whole.slice(first * outputs, (first + rows) * outputs);
              assertSameBits(some, expected, `${rows} rows from ${first}`);
            }
          }
        } finally {
          await release();
        }
      });
    }
  }

  // Halves keep 11 bits of each weight.
  for (const [format, tolerance] of [
    ["float32", 1e-5],
    ["float16", 2e-3],
  ] as const) {
    it(`multiplies ${format} weights as the book has it`, async () => {
      const { dense, multiply, release } = await openLinear(format, 96, 160);
      try {
        const x = normal(5 * 160, 12);
        assertClose(await multiply(x), product(x, dense), tolerance, format);
      } finally {
        await release();
      }
    });
  }

  it("stays within the rounding of weights and activations in int8", async () => {
    const [outputs, inputs] = [96, 896];
    const { dense, multiply, release } = await openLinear("int8", outputs, inputs);
    try {
      const x = awkwardRows(9, inputs);
      const exact = product(x, dense);
      const actual = await multiply(x);
      const largest = (values: Float32Array) => values.reduce((best, value) => Math.max(best, Math.abs(value)), 0);
      const size = (values: Float32Array) => values.reduce((sum, value) => sum + Math.abs(value), 0);
      for (let row = 0; row < 9; row++) {
        const activations = x.subarray(row * inputs, (row + 1) * inputs);
        const activationStep = largest(activations) / 127;
        for (let output = 0; output < outputs; output++) {
          const weights = dense.values.subarray(output * inputs, (output + 1) * inputs);
          const weightStep = largest(weights) / 127;
          const bound =
            (activationStep * size(weights) + weightStep * size(activations)) / 2 +
            (inputs * activationStep * weightStep) / 4;
          const error = Math.abs(actual[row * outputs + output]! - exact[row * outputs + output]!);
          assert.ok(error <= bound * 1.0001, `row ${row}, output ${output}: off by ${error}, allowed ${bound}`);
        }
      }
    } finally {
      await release();
    }
  });

  it("keeps int8 within 2 % and int4 within 15 % of ordinary products", async () => {
    for (const [format, share] of [
      ["int8", 0.02],
      ["int4", 0.15],
    ] as const) {
      const { dense, multiply, release } = await openLinear(format, 128, 896);
      try {
        const x = normal(16 * 896, 13);
        const exact = product(x, dense);
        const actual = await multiply(x);
        const error = Math.hypot(...exact.map((value, i) => value - actual[i]!)) / Math.hypot(...exact);
        assert.ok(error < share, `${format}: ${error}`);
        assert.ok(error > share / 100, `${format} is suspiciously exact: ${error}`);
      } finally {
        await release();
      }
    }
  });
});

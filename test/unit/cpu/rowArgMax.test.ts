import assert from "node:assert/strict";
import { GraphBuilder } from "../../../src/engine/cpu/onnxWriter.ts";
import { rowArgMax } from "../../../src/engine/cpu/rowArgMax.ts";
import { floatTensor } from "../../../src/engine/cpu/session.ts";
import { runGraph } from "./graphs.ts";
import { normal } from "./numbers.ts";

async function argMaxOf(x: Float32Array, width: number, scales?: Float32Array): Promise<number[]> {
  const g = new GraphBuilder("argmax");
  const rows = x.length / width;
  const values = g.input("x", "float32", ["rows", width]);
  const scale = scales === undefined ? undefined : g.input("scale", "float32", ["rows", 1]);
  g.output(g.rename(rowArgMax(g, values, width, scale), "y"), "int64", ["rows"]);
  const results = await runGraph(g, {
    x: floatTensor(x, [rows, width]),
    ...(scales === undefined ? {} : { scale: floatTensor(scales, [rows, 1]) }),
  });
  assert.deepEqual(results["y"]!.dims, [rows]);
  return Array.from(results["y"]!.data as BigInt64Array, Number);
}

describe("rowArgMax", () => {
  // A vocabulary of 2^7 * 1187, one of 2^14 * 3, one without a block, one of a single block, one that is hardly worth one.
  for (const width of [151_936, 49_152, 50_257, 256, 16 * 3]) {
    it(`finds the largest value of every row of ${width}`, async () => {
      const rows = 5;
      const x = normal(rows * width, width);
      const expected = Array.from({ length: rows }, (_, row) => {
        const own = x.subarray(row * width, (row + 1) * width);
        return own.indexOf(Math.max(...chunkMaxima(own)));
      });
      assert.deepEqual(await argMaxOf(x, width), expected);
    });
  }

  it("takes the first of equals, within a block, across blocks, and where all are equal", async () => {
    const width = 1024;
    const x = new Float32Array(4 * width).fill(-3);
    for (const index of [130, 131, 700]) x[index] = 5;
    for (const index of [255, 256]) x[width + index] = -1;
    x[2 * width + width - 1] = 0;
    assert.deepEqual(await argMaxOf(x, width), [130, 255, width - 1, 0]);
  });

  // With blocks, and without.
  for (const width of [2048, 2049]) {
    it(`takes the first of values that are equal only once they are scaled (rows of ${width})`, async () => {
      const [low, high] = [Math.fround(1.9), Math.fround(1.9 + 2 ** -23)];
      const scales = Float32Array.from({ length: 200 }, (_, row) => 1.053 + row / 1000);
      const x = new Float32Array(scales.length * width).fill(-1);
      for (let row = 0; row < scales.length; row++) {
        x[row * width + 100] = low;
        x[row * width + 101 + 7 * row] = high;
      }
      const expected = Array.from(scales, (scale, row) =>
        Math.fround(low * scale) === Math.fround(high * scale) ? 100 : 101 + 7 * row,
      );
      const ties = expected.filter((index) => index === 100).length;
      assert.ok(ties > 10 && ties < scales.length - 10, `${ties} ties`);
      assert.deepEqual(await argMaxOf(x, width, scales), expected);
    });
  }
});

/** Maxima of pieces that fit into a call's arguments. */
function chunkMaxima(values: Float32Array): number[] {
  const size = 10_000;
  return Array.from({ length: Math.ceil(values.length / size) }, (_, i) =>
    Math.max(...values.subarray(i * size, (i + 1) * size)),
  );
}

import assert from "node:assert/strict";
import { GraphBuilder } from "../../../src/engine/cpu/onnxWriter.ts";
import { rowArgMax } from "../../../src/engine/cpu/rowArgMax.ts";
import { floatTensor } from "../../../src/engine/cpu/session.ts";
import { runGraph } from "./graphs.ts";
import { normal } from "./numbers.ts";

async function argMaxOf(x: Float32Array, width: number): Promise<number[]> {
  const g = new GraphBuilder("argmax");
  const values = g.input("x", "float32", ["rows", width]);
  g.output(g.rename(rowArgMax(g, values, width), "y"), "int64", ["rows"]);
  const results = await runGraph(g, { x: floatTensor(x, [x.length / width, width]) });
  assert.deepEqual(results["y"]!.dims, [x.length / width]);
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
});

/** Maxima of pieces that fit into a call's arguments. */
function chunkMaxima(values: Float32Array): number[] {
  const size = 10_000;
  return Array.from({ length: Math.ceil(values.length / size) }, (_, i) =>
    Math.max(...values.subarray(i * size, (i + 1) * size)),
  );
}

import assert from "node:assert/strict";
import { linear } from "../../../src/engine/cpu/linear.ts";
import { GraphBuilder } from "../../../src/engine/cpu/onnxWriter.ts";
import { packingFor } from "../../../src/engine/cpu/packingFor.ts";
import { packMatrix } from "../../../src/engine/cpu/packMatrix.ts";
import { floatTensor } from "../../../src/engine/cpu/session.ts";
import { MemorySink } from "../../../src/engine/cpu/weightSink.ts";
import { describeMachine } from "../../../src/engine/machine.ts";
import { runGraph } from "./graphs.ts";

describe("packingFor", () => {
  const [inputs, outputs] = [896, 48];

  for (const rows of [1, 2, 3, 8, 16]) {
    it(`sums the largest products there are exactly on this processor, ${rows} rows`, async () => {
      const sink = new MemorySink();
      const ones = { outputs, inputs, values: new Float32Array(outputs * inputs).fill(1) };
      const matrix = packMatrix(sink, "ones", await packingFor("int8"), [ones]);
      const g = new GraphBuilder("ones");
      const x = g.input("x", "float32", ["rows", inputs]);
      g.output(g.rename(linear(g, x, matrix), "y"), "float32", ["rows", outputs]);
      const feeds = { x: floatTensor(new Float32Array(rows * inputs).fill(1), [rows, inputs]) };
      const sums = (await runGraph(g, feeds, sink))["y"]!.data as Float32Array;
      // Half a step of 64: what two weights of 63.5 steps are rounded by.
      for (const sum of sums) assert.ok(Math.abs(sum / inputs - 1) < 1 / 120, `${sum} of ${inputs}`);
    });
  }

  it("leaves all of int8's range to a processor that sums in 32 bits", async () => {
    const { features } = describeMachine();
    // Systems that do not tell what their processor can do: there the products above are all that counts.
    if (features === undefined) return;
    const sumsIn32Bits = !features.includes("AVX2") || features.some((feature) => feature.endsWith("VNNI"));
    assert.equal(await packingFor("int8"), sumsIn32Bits ? "int8" : "int8-paired");
  });

  it("leaves other formats as they are", async () => {
    for (const format of ["int4", "float16", "float32"] as const) assert.equal(await packingFor(format), format);
  });
});

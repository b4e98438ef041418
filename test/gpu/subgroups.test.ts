import assert from "node:assert/strict";
import { dawn } from "../../src/engine/gpu/dawn.ts";
import type { GpuDevice } from "../../src/engine/gpu/device.ts";
import { KernelCompiler } from "../../src/engine/gpu/kernels.ts";
import { KernelTrials } from "../../src/engine/gpu/kernelTrials.ts";
import { selfTest } from "../../src/engine/gpu/selfTest.ts";
import { ForwardKernels } from "../../src/engine/gpu/targetKernels.ts";
import { smallConfig } from "../unit/cpu/randomCheckpoint.ts";
import { randomFloats } from "./freshRandom.ts";
import { openTestDevice } from "./testDevice.ts";

const shape = { heads: 6, kvHeads: 2, headDim: 12, slots: 300, blocks: 3 };

describe("kernels with subgroups", function () {
  this.timeout(120_000);
  let gpu: GpuDevice;
  before(async () => {
    gpu = await openTestDevice();
  });
  after(() => gpu.device.destroy());

  const trialsWith = (lanes: number, quantize: boolean) =>
    new KernelTrials(gpu.device, new ForwardKernels(new KernelCompiler(gpu.device, lanes), shape, quantize));

  it("are what the software adapter runs", () => {
    assert.equal(gpu.lanes, 4);
  });

  for (const quantize of [true, false]) {
    it(`have the bits of those without (${quantize ? "int8" : "float32"})`, async () => {
      const rows = [0, 5, 127, 128, 299].map((position) => {
        return { token: 0, position, region: 0, contiguous: position + 1, path: 0, slot: position };
      });
      const operands = {
        ...shape,
        queries: randomFloats(rows.length * shape.heads * shape.headDim, 1, 2),
        cache: randomFloats(2 * shape.slots * shape.kvHeads * shape.headDim, 2),
        paths: new Uint32Array(1),
      };
      const run = async (lanes: number) => {
        const trials = trialsWith(lanes, quantize);
        const norms = [];
        for (const width of [4, 60, 576]) {
          // Sums of very different numbers: another order has other bits.
          const input = randomFloats(5 * width, width).map((value) => value ** 5);
          norms.push(await trials.norm(input, randomFloats(2 * width, 3), 1e-6, { keep: "values" }));
        }
        return { norms, mixed: await trials.attention(operands, rows) };
      };
      const without = await run(0);
      // Fewer lanes than a subgroup has are always there.
      for (const lanes of [2, gpu.lanes]) assert.deepEqual(await run(lanes), without, `${lanes} lanes`);
    });
  }

  it("compile for subgroups of every size and for none, with float16 and without, on a device that has them all", async () => {
    const adapter = (await (await dawn(undefined, "null")).requestAdapter())!;
    const device = await adapter.requestDevice({ requiredFeatures: ["subgroups"] });
    for (const lanes of [0, 8, 16, 32, 64, 128]) {
      const compiler = new KernelCompiler(device, lanes);
      for (const quantize of [true, false]) {
        for (const cacheFormat of ["float32", "float16"] as const) {
          const kernels = new ForwardKernels(compiler, { ...shape, cacheFormat }, quantize);
          for (const format of quantize ? (["int8", "int4"] as const) : (["float32", "float16"] as const)) {
            const product = { format, inputs: 128, outputs: 120 };
            await Promise.all([kernels.qkv(product, 8), kernels.gated(product, 8), kernels.linear(product, 8, true)]);
          }
          const attentions = kernels.attentionTiles.map((tile) => kernels.attention(tile));
          await Promise.all([kernels.norm(60, 1e-6), kernels.merge(), ...attentions]);
        }
      }
    }
    device.destroy();
  });

  it("are found out by the self-test where subgroups are not what the device says", async () => {
    const subject = { config: { ...smallConfig, intermediate: 160 }, format: "int8" } as const;
    assert.deepEqual((await selfTest(new KernelCompiler(gpu.device, gpu.lanes), subject)).failures, []);
    const { ok, failures } = await selfTest(new KernelCompiler(gpu.device, 2 * gpu.lanes), subject);
    assert.ok(!ok);
    assert.deepEqual([...new Set(failures.map(({ kernel }) => kernel))].sort(), ["attention", "norm"]);
  });
});

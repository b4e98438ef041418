import assert from "node:assert/strict";
import { join } from "node:path";
import { featureSmoothing } from "../../src/engine/cpu/packTarget.ts";
import { JakiroError } from "../../src/engine/errors.ts";
import type { GpuDevice } from "../../src/engine/gpu/device.ts";
import { GpuHead } from "../../src/engine/gpu/gpuHead.ts";
import { GpuTarget } from "../../src/engine/gpu/gpuTarget.ts";
import { HeadKernels, mixTile } from "../../src/engine/gpu/headKernels.ts";
import { KernelCompiler } from "../../src/engine/gpu/kernels.ts";
import { checkHeadShape, checkTargetShape } from "../../src/engine/gpu/shapeLimits.ts";
import { ForwardKernels } from "../../src/engine/gpu/targetKernels.ts";
import type { ModelConfig } from "../../src/engine/model/checkpoint.ts";
import { type HeadConfig, HeadFile } from "../../src/engine/model/headFile.ts";
import { chain } from "../engine/pathComparison.ts";
import { writeRandomHead } from "../engine/randomHead.ts";
import { packScratch, packTiny } from "../engine/scratchTarget.ts";
import { assertClose } from "../unit/cpu/numbers.ts";
import { randomCheckpoint, smallConfig } from "../unit/cpu/randomCheckpoint.ts";
import { randomTokens } from "./freshRandom.ts";
import { openTestDevice } from "./testDevice.ts";

function shaped(changes: Partial<ModelConfig>): ModelConfig {
  const config = { ...smallConfig, ...changes };
  const frequencyDivisors = new Float32Array(config.headDim / 2).fill(1);
  return { ...config, rope: { ...config.rope, frequencyDivisors } };
}

/** The device under other limits; counts the buffers that are made on it. */
function limited({ device, ...rest }: GpuDevice, limits: Partial<Record<keyof GPUSupportedLimits, number>>) {
  const made = { buffers: 0 };
  const proxy = new Proxy(device, {
    get(target, key) {
      if (key === "createBuffer") made.buffers++;
      if (key === "limits") {
        return new Proxy(target.limits, {
          get: (known, name) => limits[name as keyof GPUSupportedLimits] ?? Reflect.get(known, name, known),
        });
      }
      const value = Reflect.get(target, key) as unknown;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return { gpu: { ...rest, device: proxy }, made };
}

const refused = (message: RegExp) => (error: unknown) =>
  error instanceof JakiroError && error.kind === "model" && message.test(error.message);

describe("shapes that the GPU's kernels take", function () {
  this.timeout(120_000);

  for (const [name, changes] of [
    ["the smallest", { hidden: 4, heads: 1, kvHeads: 1, headDim: 4, intermediate: 4, vocabulary: 3 }],
    ["no multiple of a tile", { hidden: 36, heads: 5, kvHeads: 1, headDim: 12, intermediate: 68, vocabulary: 67 }],
  ] as const) {
    it(`are right at the edges: ${name}, float32`, async () => {
      const scratch = await packScratch(randomCheckpoint(shaped(changes)), "float32");
      const options = { capacity: 140, sequences: 1 };
      const gpu = await GpuTarget.load(await openTestDevice(), scratch.checkpoint, scratch.target.packed, options);
      const [there, here] = [gpu.sequence(), scratch.target.sequence(140)];
      const text = randomTokens(133, changes.vocabulary, 5);
      for (let first = 0; first < text.length; first += 60) {
        const part = text.slice(first, first + 60);
        const [actual, expected] = [
          await there.forward(chain(part), "logits"),
          await here.forward(chain(part), "logits"),
        ];
        assertClose(actual.features, expected.features, 1e-4, `features from ${first} on`);
        assertClose(actual.logits!, expected.logits!, 1e-4, `logits from ${first} on`);
        for (const sequence of [there, here]) sequence.commit([...part.keys()]);
      }
      await gpu.release();
      await scratch.release();
    });

    it(`are right at the edges: ${name}, int8 with ${changes.intermediate - 1} feed-forward channels`, async () => {
      const config = shaped({ ...changes, intermediate: changes.intermediate - 1 });
      const scratch = await packScratch(randomCheckpoint(config), "int8");
      const options = { capacity: 140, sequences: 2 };
      const gpu = await GpuTarget.load(await openTestDevice(), scratch.checkpoint, scratch.target.packed, options);
      const [whole, single, here] = [gpu.sequence(), gpu.sequence(), scratch.target.sequence(140)];
      const text = randomTokens(40, config.vocabulary, 6);
      const together = await whole.forward(chain(text), "logits");
      const expected = await here.forward(chain(text), "logits");
      const error = Math.hypot(...expected.logits!.map((value, i) => value - together.logits![i]!));
      assert.ok(error < 0.1 * Math.hypot(...expected.logits!), `off by ${error}`);
      for (const [i, token] of text.entries()) {
        const { features } = await single.forward(chain([token]), "none");
        assert.deepEqual(features, together.features.subarray(i * config.hidden, (i + 1) * config.hidden));
        single.commit([0]);
      }
      await gpu.release();
      await scratch.release();
    });
  }

  for (const [name, changes] of [
    ["query heads for a key head", (count: number) => ({ heads: count, kvHeads: 1, headDim: 64 })],
    ["heads", (count: number) => ({ heads: 2 * count, kvHeads: count, headDim: 64 })],
  ] as const) {
    it(`end where the device's workgroup memory does: ${name}`, async () => {
      const gpu = await openTestDevice();
      const compiler = new KernelCompiler(gpu.device);
      const compile = async (count: number) => {
        const shape = { ...changes(count), slots: 1, blocks: 1 };
        const kernels = new ForwardKernels(compiler, shape, true);
        await Promise.all([kernels.attention(1), kernels.merge()]);
      };
      const accepts = (count: number) => {
        try {
          checkTargetShape({ ...shaped(changes(count)), hidden: 64 }, "int8", gpu);
          return true;
        } catch {
          return false;
        }
      };
      let most = 1;
      while (accepts(most + 1)) most++;
      assert.ok(most > 1 && most < 200, `${most}`);
      await compile(most);
      await assert.rejects(compile(most + 1));
      gpu.device.destroy();
    });
  }

  for (const kind of ["jakiro", "jakiro-star"] as const) {
    it(`end where the device's workgroup memory does: experts of a ${kind} head`, async () => {
      const gpu = await openTestDevice();
      const attention = { heads: 2, kvHeads: 1, headDim: 16 };
      const forward = new ForwardKernels(new KernelCompiler(gpu.device), { ...attention, slots: 1, blocks: 1 }, true);
      const outputs = 16;
      const headOf = (experts: number): HeadConfig => ({
        ...{ kind, hidden: 64, intermediate: 32, experts, shape: attention },
        ...{ rmsEpsilon: 1e-6, ropeBase: 1e4, qkvBias: false },
      });
      const compile = (experts: number) => new HeadKernels(forward, headOf(experts)).mix(mixTile(outputs), outputs);
      const accepts = (experts: number) => {
        try {
          const file = { path: "head", config: headOf(experts), draftToTarget: new Int32Array(64) };
          checkHeadShape(file, true, { regionSlots: 1, sequences: 1, outputs }, gpu);
          return true;
        } catch {
          return false;
        }
      };
      let most = 2;
      while (accepts(most + 1)) most++;
      assert.ok(most > 2 && most < 500, `${most}`);
      await compile(most);
      await assert.rejects(compile(most + 1));
      gpu.device.destroy();
    });
  }

  it("decide before anything is uploaded", async () => {
    const scratch = await packTiny("tiny-qwen2", "int8");
    const { checkpoint, target } = scratch;
    const options = { capacity: 64, sequences: 1 };
    const gpu = await openTestDevice();
    const small = limited(gpu, { maxComputeWorkgroupStorageSize: 8192 });
    const message = /need 16384 bytes of workgroup memory, and .* has 8192\.$/;
    await assert.rejects(GpuTarget.load(small.gpu, checkpoint, target.packed, options), refused(message));
    assert.equal(small.made.buffers, 0);

    const loaded = await GpuTarget.load(gpu, checkpoint, target.packed, options);
    const path = writeRandomHead(join(scratch.folder, "head"), checkpoint.config, { kind: "jakiro" });
    const file = HeadFile.open(path, checkpoint.config);
    const narrow = limited(gpu, { maxBufferSize: 1000 });
    const surroundings = { ...loaded.surroundings, device: narrow.gpu.device };
    const head = GpuHead.load(surroundings, file, featureSmoothing(target.packed), {
      regionSlots: 80,
      sequences: 1,
      outputs: 4,
    });
    await assert.rejects(head, refused(/bytes in one buffer for its .* gives 1000\.$/));
    assert.equal(narrow.made.buffers, 0);
    await loaded.release();
    await scratch.release();
  });
});

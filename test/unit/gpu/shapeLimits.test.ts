import assert from "node:assert/strict";
import { JakiroError } from "../../../src/engine/errors.ts";
import { checkHeadShape, checkTargetShape, type ShapeDevice } from "../../../src/engine/gpu/shapeLimits.ts";
import type { ModelConfig } from "../../../src/engine/model/checkpoint.ts";
import type { HeadConfig } from "../../../src/engine/model/headFile.ts";
import { defaultConfig as config } from "./defaultConfig.ts";

const head: HeadConfig = {
  kind: "jakiro",
  hidden: 896,
  shape: { heads: 14, kvHeads: 2, headDim: 64 },
  rmsEpsilon: 1e-6,
  ropeBase: 1e6,
  qkvBias: true,
  experts: 5,
  intermediate: 512,
};

/** What every WebGPU has. */
const least = {
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupStorageSize: 16_384,
  maxComputeWorkgroupsPerDimension: 65_535,
  maxStorageBuffersPerShaderStage: 8,
  maxStorageBufferBindingSize: 128 << 20,
  maxBufferSize: 256 << 20,
};

function gpu(limits: Partial<typeof least> = {}): ShapeDevice {
  return { name: "Fast 9000", device: { limits: { ...least, ...limits } } };
}

function refusal(message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof JakiroError && error.kind === "model", String(error));
    assert.match(error.message, message);
    assert.match(error.message, /^[A-Z].*[^.]\.$/, "one sentence");
    return true;
  };
}

describe("checkTargetShape", () => {
  function refused(changes: Partial<ModelConfig>, message: RegExp, limits: Partial<typeof least> = {}): void {
    const check = () => checkTargetShape({ ...config, ...changes }, "int8", gpu(limits));
    assert.throws(check, refusal(message));
  }

  it("takes usual models on every device", () => {
    for (const format of ["int8", "int4", "float32"] as const) checkTargetShape(config, format, gpu());
    const llama = { hidden: 3072, heads: 24, kvHeads: 8, headDim: 128, intermediate: 8192, vocabulary: 128_256 };
    checkTargetShape({ ...config, ...llama }, "int8", gpu());
  });

  it("takes shapes that are no multiples of tiles and blocks", () => {
    const odd = { hidden: 4, heads: 3, kvHeads: 1, headDim: 4, intermediate: 1, vocabulary: 1 };
    checkTargetShape({ ...config, ...odd }, "int8", gpu());
    checkTargetShape({ ...config, ...odd, intermediate: 4 }, "float32", gpu());
  });

  it("refuses widths that are no whole words of four", () => {
    refused({ hidden: 898 }, /hidden size is 898, .* multiples of 4 only/);
    refused({ headDim: 66 }, /head size is 66, .* multiples of 4 only/);
    checkTargetShape({ ...config, intermediate: 4863 }, "int8", gpu());
    const exact = () => checkTargetShape({ ...config, intermediate: 4863 }, "float32", gpu());
    assert.throws(exact, refusal(/intermediate size is 4863, .* multiples of 4 only/));
  });

  it("refuses vocabularies whose exact sums have no room", () => {
    refused({ vocabulary: 262_145 }, /vocabulary is 262145 tokens, .* 262144 at most/);
    checkTargetShape({ ...config, vocabulary: 262_144 }, "int8", gpu());
  });

  it("refuses more query heads for a key head than attention has threads, or memory", () => {
    refused({ heads: 129, kvHeads: 1, headDim: 4 }, /129 query heads for each key head, .* 128 at most/);
    const wide = { heads: 16, kvHeads: 1, headDim: 128 };
    refused(wide, /16 query heads of 128 for each key head, which need 18064 bytes .* Fast 9000 has 16384/);
    checkTargetShape({ ...config, ...wide }, "int8", gpu({ maxComputeWorkgroupStorageSize: 18_064 }));
  });

  it("refuses more heads than their merge has memory for", () => {
    refused({ heads: 32, kvHeads: 8, headDim: 128 }, /32 heads of 128, which need 16640 bytes .* Fast 9000 has 16384/);
    const large = { heads: 32, kvHeads: 8, headDim: 128 };
    checkTargetShape({ ...config, ...large }, "int8", gpu({ maxComputeWorkgroupStorageSize: 32_768 }));
  });

  it("refuses heads wider than a workgroup", () => {
    const wide = { heads: 4, kvHeads: 2, headDim: 320 };
    refused(wide, /heads of 320 need as many threads .* Fast 9000 has 256/);
    const large = { maxComputeInvocationsPerWorkgroup: 1024, maxComputeWorkgroupSizeX: 1024 };
    checkTargetShape({ ...config, ...wide }, "int8", gpu(large));
    refused(wide, /Fast 9000 has 256/, { maxComputeInvocationsPerWorkgroup: 1024 });
    refused({ ...wide, headDim: 516 }, /heads of 516 numbers, and the GPU kernels take 512 at most/, large);
  });

  it("refuses devices that have less than the kernels need for any model", () => {
    refused({}, /need 256 threads .* Fast 9000 has 128/, { maxComputeInvocationsPerWorkgroup: 128 });
    refused({}, /need 8 storage buffers at a time, and Fast 9000 has 4/, { maxStorageBuffersPerShaderStage: 4 });
    refused({}, /draft trees need 16384 bytes .* Fast 9000 has 8192/, { maxComputeWorkgroupStorageSize: 8192 });
    refused({}, /The model needs 2374 workgroups .* has 1000/, { maxComputeWorkgroupsPerDimension: 1000 });
    refused({ heads: 96, kvHeads: 48, headDim: 4 }, /needs 192 workgroups .* has 150/, {
      maxComputeWorkgroupsPerDimension: 150,
    });
  });
});

describe("checkHeadShape", () => {
  const options = { regionSlots: 4160, sequences: 3, outputs: 16 };
  const file = (changes: Partial<HeadConfig> = {}, vocabulary = 16_384) => ({
    path: "heads/jakiro",
    config: { ...head, ...changes },
    draftToTarget: new Int32Array(vocabulary),
  });
  const check = (changes: Partial<HeadConfig>, limits: Partial<typeof least> = {}, vocabulary?: number) => {
    checkHeadShape(file(changes, vocabulary), true, options, gpu(limits));
  };

  it("takes usual heads on every device", () => {
    check({});
    checkHeadShape(file(), false, options, gpu());
  });

  it("refuses widths that are no whole blocks", () => {
    const message =
      /^The draft head heads\/jakiro: its (hidden|intermediate) size is 1?[0-9]+, .* multiples of 32 only/;
    assert.throws(() => check({ hidden: 900 }), refusal(message));
    assert.throws(() => check({ intermediate: 1000 }), refusal(message));
  });

  it("refuses heads that do not go together, and more than fit", () => {
    const shape = { heads: 14, kvHeads: 4, headDim: 64 };
    assert.throws(() => check({ shape }), refusal(/has 14 heads over 4 key heads, which do not go together/));
    const many = { heads: 64, kvHeads: 64, headDim: 64 };
    assert.throws(() => check({ shape: many }), refusal(/heads\/jakiro has 64 heads of 64, which need 16640 bytes/));
    assert.throws(() => check({ experts: 5000 }), refusal(/routes to 5000 experts, which need 968384 bytes/));
  });

  it("refuses heads that are too large for one buffer of the device", () => {
    const small = (bytes: number) => ({ maxStorageBufferBindingSize: bytes });
    assert.throws(
      () => check({ experts: 40 }, small(30_000_000)),
      refusal(/needs 36700160 bytes in one buffer for its experts, and Fast 9000 gives 30000000/),
    );
    assert.throws(
      () => check({}, { maxBufferSize: 10_000_000 }, 32_768),
      refusal(/needs 29360128 bytes in one buffer for its output layer, and Fast 9000 gives 10000000/),
    );
    assert.throws(
      () => check({ hidden: 32 }, small(1_000_000)),
      refusal(/needs 2097152 bytes in one buffer for its drafts, and Fast 9000 gives 1000000/),
    );
  });
});

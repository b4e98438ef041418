import assert from "node:assert/strict";
import { join } from "node:path";
import { featureSmoothing } from "../../src/engine/cpu/packTarget.ts";
import { decode } from "../../src/engine/decoding/decoder.ts";
import { decodeOnDevice } from "../../src/engine/decoding/deviceDecoder.ts";
import { ladderOf } from "../../src/engine/decoding/ladder.ts";
import { tau } from "../../src/engine/decoding/statistics.ts";
import { GpuDecoding } from "../../src/engine/gpu/gpuDecoding.ts";
import { GpuTarget } from "../../src/engine/gpu/gpuTarget.ts";
import { defaultModelName, packageRoot, requireModel } from "../../src/engine/model/catalogue.ts";
import { HeadFile } from "../../src/engine/model/headFile.ts";
import { request, strategyOf } from "../engine/decoding.ts";
import { openDefaultTarget, packingLimitMs } from "../engine/realModel.ts";
import { openTestDevice } from "./testDevice.ts";

/** The software adapter takes seconds for a token: as few as show drafts being accepted. */
const maxTokens = 5;

describe("the default model on the GPU", function () {
  this.timeout(Math.max(packingLimitMs, 900_000));

  it("writes by its shipped head what it writes plainly, and what the processor writes", async () => {
    const { target: cpu, tokenizer } = await openDefaultTarget();
    const { checkpoint, packed } = cpu;
    const gpu = await GpuTarget.load(await openTestDevice(), checkpoint, packed, { capacity: 128, sequences: 2 });
    const folder = join(packageRoot(), requireModel(defaultModelName).heads, "jakiro");
    const openHead = async () => HeadFile.open(folder, checkpoint.config);
    const decoding = new GpuDecoding(gpu, openHead, featureSmoothing(packed));
    try {
      const asked = request(tokenizer.encode("for i in range("), { maxTokens });
      const plain = await decodeOnDevice(await decoding.open(undefined, ladderOf("plain", undefined, {})), asked);
      const ladder = ladderOf("jakiro", "jakiro", { nodes: 4, depth: 2 });
      const jakiro = await decodeOnDevice(await decoding.open("jakiro", ladder), asked);
      assert.deepEqual(jakiro.tokens, plain.tokens);
      assert.ok(tau(jakiro.statistics.counts) > 1, "no draft was accepted");
      assert.deepEqual(plain.tokens, (await decode(cpu.sequence(128), strategyOf("plain"), asked)).tokens);
    } finally {
      await decoding.release();
      await gpu.release();
      await cpu.release();
    }
  });
});

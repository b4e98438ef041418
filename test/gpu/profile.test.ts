import assert from "node:assert/strict";
import { featureSmoothing } from "../../src/engine/cpu/packTarget.ts";
import { ladderOf, longestPath } from "../../src/engine/decoding/ladder.ts";
import { GpuDecoding } from "../../src/engine/gpu/gpuDecoding.ts";
import { GpuTarget } from "../../src/engine/gpu/gpuTarget.ts";
import { profileForward } from "../../src/engine/gpu/profile.ts";
import { randomHeadsFor } from "../engine/randomHead.ts";
import { packTiny } from "../engine/scratchTarget.ts";
import { openTestDevice } from "./testDevice.ts";

describe("profiles", function () {
  this.timeout(60_000);

  it("times every dispatch of a forward, and leaves the sequence to others", async () => {
    const scratch = await packTiny("tiny-qwen2", "int8");
    const options = { capacity: 256, sequences: 1 };
    const gpu = await GpuTarget.load(await openTestDevice(), scratch.checkpoint, scratch.target.packed, options);
    const { layers } = scratch.checkpoint.config;
    for (const [rows, cached] of [
      [1, 0],
      [5, 130],
    ] as const) {
      const profile = await profileForward(gpu, rows, cached);
      assert.ok(profile !== undefined, "the software adapter has timestamps");
      assert.deepEqual([profile.rows, profile.cached], [rows, cached]);
      const dispatches = (name: string) =>
        profile.kernels.filter(({ kernel }) => kernel === name).reduce((sum, kernel) => sum + kernel.dispatches, 0);
      assert.equal(dispatches("attention"), layers);
      assert.equal(dispatches("norm"), 2 * layers + 1);
      assert.equal(dispatches("linearQkv int8"), layers);
      assert.equal(dispatches("chooseTokens"), 1);
      // The output projections and the LM head are the same kernel for different matrices.
      assert.equal(dispatches("linear int8"), layers + 1);
      assert.equal(profile.kernels.filter(({ kernel }) => kernel === "linear int8").length, 2);
      for (const { kernel, ms } of profile.kernels)
        assert.ok(ms >= 0 && Number.isFinite(ms), `${kernel} takes ${ms} ms`);
      assert.ok(profile.onePassMs > 0);
    }
    const sequence = gpu.sequence();
    await sequence.forward({ tokens: [1], parents: [-1] }, "argmax");
    gpu.release();
    await scratch.release();
  });

  it("times every dispatch of a round, by the part in which it runs, and leaves the sequences to others", async () => {
    const scratch = await packTiny("tiny-llama", "int8");
    const options = { capacity: 256, sequences: 1 };
    const gpu = await GpuTarget.load(await openTestDevice(), scratch.checkpoint, scratch.target.packed, options);
    const decoding = new GpuDecoding(gpu, randomHeadsFor(scratch), featureSmoothing(scratch.target.packed));
    const { layers } = scratch.checkpoint.config;
    for (const kind of ["jakiro", "eagle"] as const) {
      const profile = await decoding.profile(kind, 8, 130);
      assert.ok(profile !== undefined, "the software adapter has timestamps");
      assert.deepEqual([profile.head, profile.rows, profile.cached], [kind, 8, 130]);
      const dispatches = (phase: string, name: string) =>
        profile.kernels
          .filter((time) => time.phase === phase && time.kernel === name)
          .reduce((sum, time) => sum + time.dispatches, 0);
      const rung = ladderOf(kind, kind, { nodes: 8 }).rungs[0]!;
      const forwards = rung.draftForwards;
      assert.deepEqual([dispatches("draft", "draftTopK"), dispatches("draft", "growTree")], [forwards, forwards]);
      assert.equal(dispatches("draft", "attention"), forwards);
      // The head's first forward reads as many rows as a round before may have accepted.
      const first = profile.kernels.find((time) => time.phase === "draft" && time.kernel === "attentionMerge");
      assert.deepEqual(first?.workgroups, [longestPath(rung)]);
      assert.equal(dispatches("tree", "rerank"), 1);
      assert.equal(dispatches("verify", "attention"), layers);
      assert.equal(dispatches("verify", "chooseTokens"), 1);
      assert.deepEqual([dispatches("accept", "accept"), dispatches("accept", "moveAccepted")], [1, 1]);
      assert.deepEqual([...new Set(profile.kernels.map(({ phase }) => phase))], ["draft", "tree", "verify", "accept"]);
      for (const { kernel, ms } of profile.kernels)
        assert.ok(ms >= 0 && Number.isFinite(ms), `${kernel} takes ${ms} ms`);
      assert.ok(profile.onePassMs > 0);
    }
    const plain = await decoding.profile(undefined, 1, 130);
    assert.ok(plain !== undefined && plain.onePassMs > 0);
    assert.deepEqual([plain.head, plain.rows, plain.cached], [undefined, 1, 130]);
    assert.deepEqual([...new Set(plain.kernels.map(({ phase }) => phase))], ["draft", "tree", "verify", "accept"]);
    gpu.sequence().release();
    await decoding.release();
    await gpu.release();
    await scratch.release();
  });

  it("says nothing where the device has no timestamps", async () => {
    const scratch = await packTiny("tiny-llama", "int8");
    const device = await openTestDevice();
    const blind = { ...device, abilities: { ...device.abilities, timestamps: false } };
    const gpu = await GpuTarget.load(blind, scratch.checkpoint, scratch.target.packed, { capacity: 64, sequences: 1 });
    assert.equal(await profileForward(gpu, 1, 0), undefined);
    const decoding = new GpuDecoding(gpu, randomHeadsFor(scratch), featureSmoothing(scratch.target.packed));
    assert.equal(await decoding.profile("jakiro", 4, 0), undefined);
    await decoding.release();
    gpu.release();
    await scratch.release();
  });
});

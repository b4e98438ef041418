import assert from "node:assert/strict";
import { featureSmoothing } from "../../src/engine/cpu/packTarget.ts";
import { Calibration } from "../../src/engine/decoding/calibration.ts";
import { mostRows } from "../../src/engine/gpu/forwardBuffers.ts";
import { featureWords, GpuHead } from "../../src/engine/gpu/gpuHead.ts";
import { GpuRounds } from "../../src/engine/gpu/gpuRounds.ts";
import { GpuTarget } from "../../src/engine/gpu/gpuTarget.ts";
import { storage } from "../../src/engine/gpu/storage.ts";
import { randomHeadsFor } from "../engine/randomHead.ts";
import { packTiny, type ScratchTarget } from "../engine/scratchTarget.ts";
import { startOf } from "./sequences.ts";
import { openTestDevice } from "./testDevice.ts";

const capacity = 256;

describe("GpuRounds", function () {
  this.timeout(300_000);
  let scratch: ScratchTarget;
  let gpu: GpuTarget;

  before(async () => {
    scratch = await packTiny("tiny-qwen2", "int8");
    const options = { capacity, sequences: 2 };
    gpu = await GpuTarget.load(await openTestDevice(), scratch.checkpoint, scratch.target.packed, options);
  });
  after(async () => {
    await gpu.release();
    await scratch.release();
  });

  it("lets forwards go on while the kernels of further rounds are compiled", async () => {
    const shape = { sequences: 3, rows: 1, branching: 1, levels: 0, branches: 1 } as const;
    const rounds = await GpuRounds.create(gpu, undefined, shape);
    const compiled = rounds.prepare([rounds.fullest]).then(() => "compiled");
    const forward = gpu.exclusively(async () => "a forward's turn");
    assert.equal(await Promise.race([compiled, forward]), "a forward's turn");
    await compiled;
    rounds.release();
  });

  it("computes nothing behind the end of its texts, and goes on once another begins", async () => {
    const head = await GpuHead.load(
      gpu.surroundings,
      await randomHeadsFor(scratch)("jakiro"),
      featureSmoothing(scratch.target.packed),
      { regionSlots: 2 * capacity, sequences: 2, outputs: mostRows },
    );
    const shape = { sequences: 2, rows: 8, branching: 4, levels: 2, branches: 1 } as const;
    const rounds = await GpuRounds.create(gpu, head, shape);
    const { hidden, input, queries, gated, logits } = gpu.scratch;
    const computed = [hidden, input, queries, gated, logits, head.predicted, head.masses];
    const offsets = new Calibration().headOffsets();
    const feature = storage(gpu.gpu.device, "feature", featureWords(gpu.config.hidden, true));
    const begin = (sequence: number, tokenLimit: number) =>
      rounds.start(
        sequence,
        startOf(sequence, { region: 0, headRegion: 0, capacity, length: 0, root: 7, tokenLimit }),
        offsets,
        feature,
      );
    /** Which of those buffers a round wrote to. */
    const written = async () => {
      const mark = 0x5a5a5a5a;
      for (const buffer of computed) {
        gpu.gpu.device.queue.writeBuffer(buffer, 0, new Uint32Array(buffer.size / 4).fill(mark));
      }
      await rounds.read(await rounds.submit(capacity, { rung: rounds.fullest, chain: [], isTimed: false }));
      const found = await gpu.read(
        [],
        computed.map((from) => ({ from, bytes: from.size })),
      );
      return computed
        .filter((_, i) => new Uint32Array(found[i]!).some((word) => word !== mark))
        .map(({ label }) => label);
    };
    await begin(0, 1);
    assert.deepEqual(
      await written(),
      computed.map(({ label }) => label),
    );
    assert.deepEqual(await written(), []);
    await begin(1, 30);
    assert.deepEqual(
      await written(),
      computed.map(({ label }) => label),
    );
    assert.deepEqual(
      await written(),
      computed.map(({ label }) => label),
    );
    rounds.release();
    head.release();
    feature.destroy();
  });
});

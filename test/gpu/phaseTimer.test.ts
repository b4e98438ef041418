import assert from "node:assert/strict";
import { join } from "node:path";
import { featureSmoothing } from "../../src/engine/cpu/packTarget.ts";
import type { Round } from "../../src/engine/decoding/decoder.ts";
import { decodeOnDevice } from "../../src/engine/decoding/deviceDecoder.ts";
import { plainRung, type Rung } from "../../src/engine/decoding/ladder.ts";
import { GpuDecodingSequence } from "../../src/engine/gpu/gpuDecodingSequence.ts";
import { GpuHead } from "../../src/engine/gpu/gpuHead.ts";
import { GpuRounds } from "../../src/engine/gpu/gpuRounds.ts";
import { GpuTarget } from "../../src/engine/gpu/gpuTarget.ts";
import { headScratchSlots, type RoundShape } from "../../src/engine/gpu/roundLayout.ts";
import { HeadFile } from "../../src/engine/model/headFile.ts";
import { request } from "../engine/decoding.ts";
import { writeRandomHead } from "../engine/randomHead.ts";
import { packTiny, randomTokens, type ScratchTarget } from "../engine/scratchTarget.ts";
import { openTestDevice } from "./testDevice.ts";

describe("times of rounds on the device", function () {
  this.timeout(120_000);
  const shape: RoundShape = { sequences: 1, rows: 4, branching: 2, levels: 2, branches: 1 };
  let scratch: ScratchTarget;
  before(async () => {
    scratch = await packTiny("tiny-qwen2", "int8");
  });
  after(() => scratch.release());

  async function open(
    timestamps: boolean,
  ): Promise<{ gpu: GpuTarget; rounds: GpuRounds; sequence: GpuDecodingSequence }> {
    const device = await openTestDevice();
    const seen = { ...device, abilities: { ...device.abilities, timestamps } };
    const gpu = await GpuTarget.load(seen, scratch.checkpoint, scratch.target.packed, { capacity: 128, sequences: 1 });
    const path = writeRandomHead(join(scratch.folder, "jakiro"), scratch.checkpoint.config, { kind: "jakiro" });
    const head = await GpuHead.load(
      gpu.surroundings,
      HeadFile.open(path, scratch.checkpoint.config),
      featureSmoothing(scratch.target.packed),
      { regionSlots: 128 + headScratchSlots(shape), sequences: 1, outputs: shape.branching },
    );
    const host = gpu.sequence();
    const rounds = await GpuRounds.create(gpu, head, shape, [{ region: host.region, headRegion: 0 }]);
    return { gpu, rounds, sequence: new GpuDecodingSequence(rounds, 0, host) };
  }

  it("are those of the first round until somebody looks, and of each round while somebody does", async () => {
    const { gpu, rounds, sequence } = await open(true);
    const asked = request(randomTokens(5, scratch.checkpoint.config.vocabulary, 1), { maxTokens: 6 });
    const told: Round[] = [];
    const seen = new Set<unknown>();
    const onRound = (round: Round) => {
      told.push(round);
      seen.add(rounds.times);
    };
    await decodeOnDevice(sequence, { ...asked, onRound });
    assert.equal(seen.size, 1);
    const times = rounds.times!;
    assert.ok(times.draft > 0 && times.tree > 0 && times.verify > 0 && times.accept > 0);
    for (const { draftMs, verifyMs } of told) assert.ok(draftMs > 0 && verifyMs > 0);

    seen.clear();
    const before = told.length;
    sequence.reset();
    const { tokens } = await decodeOnDevice(sequence, { ...asked, onRound, watched: () => true });
    assert.equal(seen.size, told.length - before);
    assert.deepEqual(tokens, (await decodeOnDevice(sequence, asked)).tokens);
    await gpu.release();
  });

  it("are not taken of rounds that draft nothing, even while somebody looks", async () => {
    const { gpu, rounds, sequence } = await open(true);
    await rounds.prepare([plainRung]);
    await sequence.extend(randomTokens(4, scratch.checkpoint.config.vocabulary, 1), 7);
    sequence.start(7, request([7], { maxTokens: 8, watched: () => true }), 8);
    const settle = async (rung: Rung) => {
      await sequence.submit({ rung, chain: [] });
      await sequence.read();
      return rounds.times;
    };
    assert.equal(await settle(plainRung), undefined);
    const drafted = await settle(rounds.fullest);
    assert.ok(drafted!.draft > 0);
    assert.equal(await settle(plainRung), drafted);
    sequence.end();
    await gpu.release();
  });

  it("count as verifying where the device has no timestamps", async () => {
    const { gpu, rounds, sequence } = await open(false);
    const asked = request(randomTokens(5, scratch.checkpoint.config.vocabulary, 1), { maxTokens: 3 });
    const told: Round[] = [];
    await decodeOnDevice(sequence, { ...asked, watched: () => true, onRound: (round) => told.push(round) });
    assert.equal(rounds.times, undefined);
    assert.ok(told.length > 0 && told.every(({ draftMs, verifyMs }) => draftMs === 0 && verifyMs > 0));
    await gpu.release();
  });
});

import assert from "node:assert/strict";
import { featureSmoothing } from "../../src/engine/cpu/packTarget.ts";
import type { Round } from "../../src/engine/decoding/decoder.ts";
import { type DeviceRound, type DeviceSequence, decodeOnDevice } from "../../src/engine/decoding/deviceDecoder.ts";
import type { RoundSource } from "../../src/engine/decoding/deviceStrategy.ts";
import { ladderOf, plainRung } from "../../src/engine/decoding/ladder.ts";
import type { RoundTimes } from "../../src/engine/decoding/roundTimes.ts";
import { GpuDecoding } from "../../src/engine/gpu/gpuDecoding.ts";
import { GpuTarget } from "../../src/engine/gpu/gpuTarget.ts";
import { request } from "../engine/decoding.ts";
import { randomHeadsFor } from "../engine/randomHead.ts";
import { packTiny, randomTokens, type ScratchTarget } from "../engine/scratchTarget.ts";
import { openTestDevice } from "./testDevice.ts";

describe("times of rounds on the device", function () {
  this.timeout(120_000);
  const ladder = ladderOf("jakiro", "jakiro", { nodes: 4, branching: 2, depth: 2 });
  let scratch: ScratchTarget;
  before(async () => {
    scratch = await packTiny("tiny-qwen2", "int8");
  });
  after(() => scratch.release());

  /** @param heard what the device tells of each round is added here */
  async function open(
    timestamps: boolean,
    heard: (RoundTimes | undefined)[],
    rungs = ladder,
  ): Promise<{ gpu: GpuTarget; sequence: DeviceSequence }> {
    const device = await openTestDevice();
    const seen = { ...device, abilities: { ...device.abilities, timestamps } };
    const gpu = await GpuTarget.load(seen, scratch.checkpoint, scratch.target.packed, { capacity: 128, sequences: 1 });
    const decoding = new GpuDecoding(gpu, randomHeadsFor(scratch), featureSmoothing(scratch.target.packed));
    const sequence = await decoding.open("jakiro", rungs);
    const decode = sequence.decode.bind(sequence);
    sequence.decode = (text) => {
      const take = (round: DeviceRound) => {
        heard.push(round.times);
        return text.take(round);
      };
      return decode({ ...text, take });
    };
    return { gpu, sequence };
  }

  it("are those of the first round until somebody looks, and of each round while somebody does", async () => {
    const heard: (RoundTimes | undefined)[] = [];
    const { gpu, sequence } = await open(true, heard);
    const asked = request(randomTokens(5, scratch.checkpoint.config.vocabulary, 1), { maxTokens: 6 });
    const told: Round[] = [];
    const onRound = (round: Round) => told.push(round);
    await decodeOnDevice(sequence, { ...asked, onRound });
    assert.equal(new Set(heard).size, 1);
    const times = heard[0]!;
    assert.ok(times.draft > 0 && times.tree > 0 && times.verify > 0 && times.accept > 0);
    for (const { draftMs, verifyMs } of told) assert.ok(draftMs > 0 && verifyMs > 0);

    heard.length = 0;
    sequence.reset();
    const { tokens } = await decodeOnDevice(sequence, { ...asked, watched: () => true });
    assert.ok(heard.length > 1);
    assert.equal(new Set(heard).size, heard.length);
    assert.deepEqual(tokens, (await decodeOnDevice(sequence, asked)).tokens);
    await gpu.release();
  });

  it("are not taken of rounds that draft nothing, even while somebody looks", async () => {
    const heard: (RoundTimes | undefined)[] = [];
    const { gpu, sequence } = await open(true, heard, { ...ladder, rungs: [plainRung, ...ladder.rungs] });
    const rungs = [plainRung, ladder.rungs[0]!, plainRung];
    let proposed = 0;
    const inTurn: RoundSource = {
      start: () => undefined,
      propose: () => ({ rung: rungs[proposed++] ?? plainRung, chain: [] }),
      join: () => undefined,
      settle: () => undefined,
    };
    const asked = request(randomTokens(5, scratch.checkpoint.config.vocabulary, 1), { maxTokens: 12 });
    await decodeOnDevice(sequence, { ...asked, watched: () => true }, undefined, inTurn);
    const [plain, drafted, ...later] = heard;
    assert.equal(plain, undefined);
    assert.ok(drafted!.draft > 0);
    assert.ok(later.length > 0);
    for (const times of later) assert.equal(times, drafted, "those of the last round that drafted");
    await gpu.release();
  });

  it("count as verifying where the device has no timestamps", async () => {
    const heard: (RoundTimes | undefined)[] = [];
    const { gpu, sequence } = await open(false, heard);
    const asked = request(randomTokens(5, scratch.checkpoint.config.vocabulary, 1), { maxTokens: 3 });
    const told: Round[] = [];
    await decodeOnDevice(sequence, { ...asked, watched: () => true, onRound: (round) => told.push(round) });
    assert.deepEqual(new Set(heard), new Set([undefined]));
    assert.ok(told.length > 0 && told.every(({ draftMs, verifyMs }) => draftMs === 0 && verifyMs > 0));
    await gpu.release();
  });
});

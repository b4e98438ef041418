import assert from "node:assert/strict";
import { join } from "node:path";
import { featureSmoothing } from "../../src/engine/cpu/packTarget.ts";
import { type DecodeResult, decode } from "../../src/engine/decoding/decoder.ts";
import { decodeOnDevice } from "../../src/engine/decoding/deviceDecoder.ts";
import { decodeBatch } from "../../src/engine/gpu/gpuBatch.ts";
import { GpuDecodingSequence } from "../../src/engine/gpu/gpuDecodingSequence.ts";
import { GpuHead } from "../../src/engine/gpu/gpuHead.ts";
import { GpuRounds } from "../../src/engine/gpu/gpuRounds.ts";
import { GpuTarget } from "../../src/engine/gpu/gpuTarget.ts";
import { headScratchSlots, type RoundShape } from "../../src/engine/gpu/roundLayout.ts";
import { HeadFile } from "../../src/engine/model/headFile.ts";
import type { HeadKind } from "../../src/engine/model/headKinds.ts";
import { request, samplers, strategyOf } from "../engine/decoding.ts";
import { writeRandomHead } from "../engine/randomHead.ts";
import { packTiny, randomTokens, type ScratchTarget } from "../engine/scratchTarget.ts";
import { openTestDevice } from "./testDevice.ts";

const capacity = 256;

/** Wide enough for heads that know nothing to guess right now and then; each shape ends in another tile. */
const shapes: Readonly<Record<HeadKind | "plain", RoundShape>> = {
  plain: { sequences: 1, rows: 1, branching: 1, levels: 1, branches: 1 },
  jakiro: { sequences: 1, rows: 24, branching: 12, levels: 3, branches: 1 },
  "jakiro-star": { sequences: 1, rows: 16, branching: 8, levels: 2, branches: 2 },
  eagle: { sequences: 1, rows: 14, branching: 8, levels: 2, branches: 1 },
};

describe("rounds on the device", function () {
  this.timeout(300_000);
  let scratch: ScratchTarget;
  let gpu: GpuTarget;
  /** Drafted tokens that became text, over all kinds of heads: they know nothing, so that a single kind may never be right. */
  let accepted = 0;

  before(async () => {
    scratch = await packTiny("tiny-qwen2", "int8");
    const options = { capacity, sequences: 6 };
    gpu = await GpuTarget.load(await openTestDevice(), scratch.checkpoint, scratch.target.packed, options);
  });
  after(async () => {
    gpu.release();
    await scratch.release();
  });

  async function headOf(kind: HeadKind, shape: RoundShape): Promise<GpuHead> {
    const path = writeRandomHead(join(scratch.folder, kind), scratch.checkpoint.config, { kind });
    const file = HeadFile.open(path, scratch.checkpoint.config);
    const regionSlots = capacity + headScratchSlots(shape);
    const options = { regionSlots, sequences: shape.sequences, outputs: shape.sequences * shape.branching };
    return GpuHead.load(gpu.surroundings, file, featureSmoothing(scratch.target.packed), options);
  }

  async function sequenceOf(kind: HeadKind | "plain"): Promise<GpuDecodingSequence> {
    const shape = shapes[kind];
    const head = kind === "plain" ? undefined : await headOf(kind, shape);
    const host = gpu.sequence();
    const rounds = await GpuRounds.create(gpu, head, shape, [{ region: host.region, headRegion: 0 }]);
    return new GpuDecodingSequence(rounds, 0, host, () => host.release());
  }

  it("decodes greedily what the host decodes plainly on the same device", async () => {
    const { vocabulary } = scratch.checkpoint.config;
    const plain = await sequenceOf("plain");
    const host = gpu.sequence();
    for (const [seed, length] of [1, 2, 40, 127, 128].entries()) {
      const asked = request(randomTokens(length, vocabulary, seed));
      const expected = await decode(host, strategyOf("plain"), asked);
      assert.deepEqual((await decodeOnDevice(plain, asked)).tokens, expected.tokens);
      assert.deepEqual(plain.tokens, host.tokens);
    }
    host.release();
    plain.release();
  });

  it("draws what forwards that the host drives draw", async () => {
    const { vocabulary } = scratch.checkpoint.config;
    const plain = await sequenceOf("plain");
    const host = gpu.sequence();
    for (const [i, sampling] of samplers.slice(1).entries()) {
      const asked = request(randomTokens(9 + i, vocabulary, 3), { sampling: { ...sampling, seed: i }, maxTokens: 12 });
      const expected = (await decodeOnDevice(plain, asked)).tokens;
      assert.deepEqual((await decode(host, strategyOf("lookup"), asked)).tokens, expected);
    }
    host.release();
    plain.release();
  });

  for (const kind of ["jakiro", "jakiro-star", "eagle"] as const) {
    it(`equals plain decoding token for token with a ${kind} head, at any temperature`, async () => {
      const { vocabulary } = scratch.checkpoint.config;
      const plain = await sequenceOf("plain");
      const speculative = await sequenceOf(kind);
      // The software adapter takes seconds for a text: the two other kinds are decoded greedily and with every limit at once.
      const tried = kind === "jakiro" ? samplers : [samplers[0]!, samplers.at(-1)!];
      for (const [i, sampling] of tried.entries()) {
        const changes = { sampling: { ...sampling, seed: i }, maxTokens: 16 };
        const asked = request(randomTokens(3 + 50 * i, vocabulary, 9), changes);
        const expected = await decodeOnDevice(plain, asked);
        const result = await decodeOnDevice(speculative, asked);
        assert.deepEqual(result.tokens, expected.tokens);
        accepted += acceptedOf(result);
      }
      plain.release();
      speculative.release();
    });
  }

  it("accepted some of those drafts", () => {
    assert.ok(accepted > 0);
  });

  it("decodes a batch of five as five by themselves", async () => {
    const { vocabulary } = scratch.checkpoint.config;
    const shape: RoundShape = { sequences: 5, rows: 7, branching: 4, levels: 3, branches: 1 };
    const head = await headOf("jakiro", shape);
    const hosts = Array.from({ length: 5 }, () => gpu.sequence());
    const places = hosts.map(({ region }, i) => ({ region, headRegion: head.options.regionSlots * i }));
    const rounds = await GpuRounds.create(gpu, head, shape, places);
    const sequences = hosts.map((host, i) => new GpuDecodingSequence(rounds, i, host));
    const requests = places.map((_, i) =>
      request(randomTokens([1, 33, 130, 2, 64][i]!, vocabulary, 70 + i), {
        sampling: { ...samplers[i % samplers.length]!, seed: i },
        maxTokens: [9, 3, 12, 1, 7][i]!,
      }),
    );
    const results = await decodeBatch(rounds, sequences, requests);
    for (const host of hosts) host.release();
    const plain = await sequenceOf("plain");
    for (const [i, result] of results.entries()) {
      assert.deepEqual(result.tokens, (await decodeOnDevice(plain, requests[i]!)).tokens);
      assert.equal(result.finishReason, "length");
      assert.equal(sequences[i]!.tokens.length, requests[i]!.prompt.length + result.tokens.length - 1);
    }
  });
});

function acceptedOf({ statistics }: DecodeResult): number {
  return statistics.counts.decodedTokens - statistics.counts.targetForwards;
}

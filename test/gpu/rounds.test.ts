import assert from "node:assert/strict";
import { featureSmoothing } from "../../src/engine/cpu/packTarget.ts";
import { type DecodeResult, decode } from "../../src/engine/decoding/decoder.ts";
import { decodeOnDevice } from "../../src/engine/decoding/deviceDecoder.ts";
import { Calibration } from "../../src/engine/decoding/calibration.ts";
import { ladderOf } from "../../src/engine/decoding/ladder.ts";
import type { TreeSizes } from "../../src/engine/decoding/strategy.ts";
import { attendedRows, mostRows } from "../../src/engine/gpu/forwardBuffers.ts";
import { GpuDecoding } from "../../src/engine/gpu/gpuDecoding.ts";
import type { GpuDecodingSequence } from "../../src/engine/gpu/gpuDecodingSequence.ts";
import { featureWords, GpuHead } from "../../src/engine/gpu/gpuHead.ts";
import { GpuRounds } from "../../src/engine/gpu/gpuRounds.ts";
import { GpuTarget } from "../../src/engine/gpu/gpuTarget.ts";
import type { HeadKind } from "../../src/engine/model/headKinds.ts";
import { request, samplers, strategyOf } from "../engine/decoding.ts";
import { randomHeadsFor } from "../engine/randomHead.ts";
import { packTiny, randomTokens, type ScratchTarget } from "../engine/scratchTarget.ts";
import { storage } from "../../src/engine/gpu/storage.ts";
import { startOf } from "./sequences.ts";
import { openTestDevice } from "./testDevice.ts";

const capacity = 256;

/** Wide enough for heads that know nothing to guess right now and then; each shape ends in another tile. */
const sizes: Readonly<Record<HeadKind | "plain", TreeSizes>> = {
  plain: {},
  jakiro: { nodes: 24, branching: 12, depth: 3 },
  "jakiro-star": { nodes: 16, branching: 8, depth: 2 },
  eagle: { nodes: 14, branching: 8, depth: 2 },
};

describe("rounds on the device", function () {
  this.timeout(300_000);
  let scratch: ScratchTarget;
  let gpu: GpuTarget;
  let decoding: GpuDecoding;
  /** Drafted tokens that became text, over all kinds of heads: they know nothing, so that a single kind may never be right. */
  let accepted = 0;

  before(async () => {
    scratch = await packTiny("tiny-qwen2", "int8");
    const options = { capacity, sequences: 6 };
    gpu = await GpuTarget.load(await openTestDevice(), scratch.checkpoint, scratch.target.packed, options);
    decoding = new GpuDecoding(gpu, randomHeadsFor(scratch), featureSmoothing(scratch.target.packed));
  });
  after(async () => {
    await decoding.release();
    await gpu.release();
    await scratch.release();
  });

  function sequenceOf(kind: HeadKind | "plain"): Promise<GpuDecodingSequence> {
    const head = kind === "plain" ? undefined : kind;
    return decoding.open(head, ladderOf(kind, head, sizes[kind]));
  }

  it("lets forwards go on while the kernels of further rounds are compiled", async () => {
    const shape = { sequences: 3, rows: 1, branching: 1, levels: 0, branches: 1 } as const;
    const rounds = await GpuRounds.create(gpu, undefined, shape);
    const compiled = rounds.prepare([rounds.fullest]).then(() => "compiled");
    const forward = gpu.exclusively(async () => "a forward's turn");
    assert.equal(await Promise.race([compiled, forward]), "a forward's turn");
    await compiled;
    rounds.release();
  });

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

  it("verifies trees of more rows than attend, and have logits, at a time", async () => {
    const plain = await sequenceOf("plain");
    const tree = { nodes: 200, branching: 16, depth: 4 };
    const speculative = await decoding.open("jakiro", ladderOf("jakiro", "jakiro", tree));
    for (const [i, sampling] of [samplers[0]!, samplers.at(-1)!].entries()) {
      const rows: number[] = [];
      const asked = request(randomTokens(100, scratch.checkpoint.config.vocabulary, 60 + i), {
        sampling: { ...sampling, seed: i },
        maxTokens: 8,
      });
      const result = await decodeOnDevice(speculative, {
        ...asked,
        onRound: (round) => rows.push(round.rows.tokens.length),
      });
      assert.deepEqual(result.tokens, (await decodeOnDevice(plain, asked)).tokens);
      assert.ok(Math.max(...rows) > attendedRows, `${Math.max(...rows)} rows`);
    }
    plain.release();
    speculative.release();
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

  it("accepted some of those drafts", () => {
    assert.ok(accepted > 0);
  });
});

function acceptedOf({ statistics }: DecodeResult): number {
  return statistics.counts.decodedTokens - statistics.counts.targetForwards;
}

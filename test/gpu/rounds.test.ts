import assert from "node:assert/strict";
import { join } from "node:path";
import { featureSmoothing } from "../../src/engine/cpu/packTarget.ts";
import { type DecodeResult, decode } from "../../src/engine/decoding/decoder.ts";
import { decodeOnDevice } from "../../src/engine/decoding/deviceDecoder.ts";
import { ladderOf } from "../../src/engine/decoding/ladder.ts";
import type { TreeSizes } from "../../src/engine/decoding/strategy.ts";
import { attendedRows } from "../../src/engine/gpu/forwardBuffers.ts";
import { GpuDecoding } from "../../src/engine/gpu/gpuDecoding.ts";
import type { GpuDecodingSequence } from "../../src/engine/gpu/gpuDecodingSequence.ts";
import { GpuTarget } from "../../src/engine/gpu/gpuTarget.ts";
import { HeadFile } from "../../src/engine/model/headFile.ts";
import type { HeadKind } from "../../src/engine/model/headKinds.ts";
import { decodePlainly, request, samplers, strategyOf } from "../engine/decoding.ts";
import { chain } from "../engine/pathComparison.ts";
import { randomHeadsFor, writeRandomHead } from "../engine/randomHead.ts";
import { packTiny, type ScratchTarget } from "../engine/scratchTarget.ts";
import { randomTokens } from "./freshRandom.ts";
import { openTestDevice } from "./testDevice.ts";

const capacity = 256;
/** By which the devices' logits of unquantized models may differ, as in gpuTarget.test.ts. */
const logitTolerance = 1e-4;

/** Wide enough for heads that know nothing to guess right now and then; each shape ends in another tile. */
const sizes: Readonly<Record<HeadKind | "plain", TreeSizes>> = {
  plain: {},
  jakiro: { nodes: 24, branching: 12, depth: 3 },
  "jakiro-star": { nodes: 16, branching: 8, depth: 2 },
  eagle: { nodes: 14, branching: 8, depth: 2 },
};

/** Families of models; the second one runs as much as shows that its rounds are right. */
const families = [
  { model: "tiny-qwen2", isWhole: true, lengths: [1, 2, 40, 127, 128], kinds: ["jakiro", "jakiro-star", "eagle"] },
  { model: "tiny-llama", isWhole: false, lengths: [1, 128], kinds: ["jakiro"] },
] as const;

for (const { model, isWhole, lengths, kinds } of families) {
  describe(`rounds on the device (${model})`, function () {
    this.timeout(300_000);
    let scratch: ScratchTarget;
    let gpu: GpuTarget;
    let decoding: GpuDecoding;

    before(async () => {
      scratch = await packTiny(model, "int8");
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

    it("decodes greedily what the host decodes plainly on the same device", async () => {
      const { vocabulary } = scratch.checkpoint.config;
      const plain = await sequenceOf("plain");
      const host = gpu.sequence();
      for (const [seed, length] of lengths.entries()) {
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
        const asked = request(randomTokens(9 + i, vocabulary, 3), {
          sampling: { ...sampling, seed: i },
          maxTokens: 12,
        });
        const expected = (await decodeOnDevice(plain, asked)).tokens;
        assert.deepEqual((await decode(host, strategyOf("lookup"), asked)).tokens, expected);
      }
      host.release();
      plain.release();
    });

    for (const kind of kinds) {
      it(`equals plain decoding token for token with a ${kind} head, at any temperature`, async () => {
        const { vocabulary } = scratch.checkpoint.config;
        const plain = await sequenceOf("plain");
        const speculative = await sequenceOf(kind);
        // The software adapter takes seconds for a text: the others are decoded greedily and at one temperature.
        const tried = kind === "jakiro" && isWhole ? samplers : [samplers[0]!, samplers[1]!];
        for (const [i, sampling] of tried.entries()) {
          const changes = { sampling: { ...sampling, seed: i }, maxTokens: 16 };
          const asked = request(randomTokens(3 + 50 * i, vocabulary, 9), changes);
          const expected = await decodeOnDevice(plain, asked);
          const result = await decodeOnDevice(speculative, asked);
          assert.deepEqual(result.tokens, expected.tokens);
        }
        plain.release();
        speculative.release();
      });
    }

    it("accepts all of a tree's levels where a head drafts right", async () => {
      const { checkpoint, target, folder } = scratch;
      const { config } = checkpoint;
      const plain = await sequenceOf("plain");
      const asked = request(randomTokens(20, config.vocabulary, 90), { maxTokens: 8 });
      const expected = (await decodeOnDevice(plain, asked)).tokens;
      plain.release();
      // It knows no other tokens than the text has, and the tree holds all that it could go on with, two levels deep.
      const path = writeRandomHead(join(folder, "knowing"), config, {
        kind: "jakiro",
        drafted: [...new Set(expected)],
      });
      const openHead = async () => HeadFile.open(path, config);
      const knowing = new GpuDecoding(gpu, openHead, featureSmoothing(target.packed));
      const tree = { nodes: 1 + 8 + 64, branching: 8, depth: 2 };
      const sequence = await knowing.open("jakiro", ladderOf("jakiro", "jakiro", tree));
      const result = await decodeOnDevice(sequence, asked);
      assert.deepEqual(result.tokens, expected);
      // Three tokens a round.
      assert.ok(acceptedOf(result) >= 4, `${acceptedOf(result)} drafted tokens were accepted`);
      sequence.release();
      await knowing.release();
    });

    it("writes what the processor writes with the same weights unquantized, but for logits that are as good as equal", async () => {
      const unquantized = await packTiny(model, "float32");
      const { checkpoint, target } = unquantized;
      const there = await GpuTarget.load(await openTestDevice(), checkpoint, target.packed, { capacity, sequences: 2 });
      const drafting = new GpuDecoding(there, randomHeadsFor(unquantized), featureSmoothing(target.packed));
      const sequences = [
        await drafting.open(undefined, ladderOf("plain", undefined, {})),
        await drafting.open("jakiro", ladderOf("jakiro", "jakiro", sizes.jakiro)),
      ];
      const asked = request(randomTokens(50, checkpoint.config.vocabulary, 80), { maxTokens: 16 });
      const here = target.sequence(capacity);
      const expected = (await decodePlainly(here, asked)).tokens;
      for (const sequence of sequences) {
        const { tokens } = await decodeOnDevice(sequence, asked);
        assert.equal(tokens.length, expected.length);
        const place = tokens.findIndex((token, i) => token !== expected[i]);
        if (place < 0) continue;
        // Behind the first difference the texts are others: there, either token must be as good by what logits of the two may differ.
        here.trim(0);
        const text = chain([...asked.prompt, ...expected.slice(0, place)]);
        const { logits } = await here.forward(text, "logits", [text.tokens.length - 1]);
        const margin = logits![expected[place]!]! - logits![tokens[place]!]!;
        assert.ok(
          margin <= 2 * logitTolerance,
          `${tokens[place]} instead of ${expected[place]}, which is ${margin} ahead`,
        );
      }
      await drafting.release();
      await there.release();
      await unquantized.release();
    });

    // What follows does not depend on the family, and the software adapter takes seconds for a text.
    if (!isWhole) return;

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
  });
}

function acceptedOf({ statistics }: DecodeResult): number {
  return statistics.counts.decodedTokens - statistics.counts.targetForwards;
}

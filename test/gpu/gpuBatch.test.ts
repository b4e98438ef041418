import assert from "node:assert/strict";
import { join } from "node:path";
import { featureSmoothing } from "../../src/engine/cpu/packTarget.ts";
import { Alternatives } from "../../src/engine/decoding/alternatives.ts";
import type { DecodeRequest, DecodeResult, Round } from "../../src/engine/decoding/decoder.ts";
import { decodeOnDevice } from "../../src/engine/decoding/deviceDecoder.ts";
import { ladderOf } from "../../src/engine/decoding/ladder.ts";
import type { TokenRows } from "../../src/engine/decoding/target.ts";
import { GpuDecoding } from "../../src/engine/gpu/gpuDecoding.ts";
import type { GpuDecodingSequence } from "../../src/engine/gpu/gpuDecodingSequence.ts";
import { GpuTarget } from "../../src/engine/gpu/gpuTarget.ts";
import { HeadFile } from "../../src/engine/model/headFile.ts";
import { request, samplers } from "../engine/decoding.ts";
import { writeRandomHead } from "../engine/randomHead.ts";
import { packTiny, type ScratchTarget, tinyModels } from "../engine/scratchTarget.ts";
import { randomTokens } from "./freshRandom.ts";
import { openTestDevice } from "./testDevice.ts";

const sizes = { nodes: 7, branching: 4, depth: 3 };
const mostForks = 2;

for (const model of tinyModels) {
  describe(`sequences that share rounds (${model})`, function () {
    this.timeout(300_000);
    let scratch: ScratchTarget;
    let gpu: GpuTarget;
    let decoding: GpuDecoding;
    let plain: GpuDecodingSequence;
    let batch: GpuDecodingSequence[];

    before(async () => {
      scratch = await packTiny(model, "int8");
      const { checkpoint, target } = scratch;
      const head = writeRandomHead(join(scratch.folder, "head"), checkpoint.config, { kind: "jakiro" });
      const options = { capacity: 192, sequences: 11 + mostForks };
      gpu = await GpuTarget.load(await openTestDevice(), checkpoint, target.packed, options);
      const openHead = async () => HeadFile.open(head, checkpoint.config);
      decoding = new GpuDecoding(gpu, openHead, featureSmoothing(target.packed), mostForks);
      plain = await decoding.open(undefined, ladderOf("plain", undefined, {}));
      batch = [];
      for (let i = 0; i < 5; i++) batch.push(await decoding.open("jakiro", ladderOf("jakiro", "jakiro", sizes)));
    });
    after(async () => {
      await decoding.release();
      await gpu.release();
      await scratch.release();
    });
    beforeEach(() => {
      for (const sequence of batch) sequence.reset();
    });

    const prompt = (length: number, seed: number) => randomTokens(length, scratch.checkpoint.config.vocabulary, seed);

    /** What each request gives by itself, plainly. */
    async function alone(requests: readonly DecodeRequest[]): Promise<(readonly number[])[]> {
      const texts: (readonly number[])[] = [];
      for (const asked of requests) texts.push((await decodeOnDevice(plain, asked)).tokens);
      return texts;
    }

    it("write five texts at once as each by itself, at any temperature", async () => {
      const requests = batch.map((_, i) =>
        request(prompt([1, 33, 130, 2, 64][i]!, 70 + i), {
          sampling: { ...samplers[i % samplers.length]!, seed: i },
          maxTokens: [9, 3, 12, 1, 7][i]!,
        }),
      );
      const expected = await alone(requests);
      const results = await Promise.all(requests.map((asked, i) => decodeOnDevice(batch[i]!, asked)));
      for (const [i, { tokens, finishReason }] of results.entries()) {
        assert.deepEqual(tokens, expected[i]);
        assert.equal(finishReason, "length");
        assert.equal(batch[i]!.tokens.length, requests[i]!.prompt.length + tokens.length - 1);
      }
    });

    // What follows does not depend on the family, and the software adapter takes seconds for a text.
    if (model !== "tiny-qwen2") return;

    for (const temperature of [0, 0.8]) {
      it(`change nothing by coming and going in mid-text (temperature ${temperature})`, async () => {
        const sampling = { temperature, topK: 0, topP: 1, seed: 11 };
        const lengths = [26, 8, 14, 3, 9];
        const requests = lengths.map((maxTokens, i) =>
          request(prompt(20 + 7 * i, 90 + i), { sampling: { ...sampling, seed: i }, maxTokens }),
        );
        const expected = await alone(requests);
        const trees = { alone: [] as string[], shared: [] as string[] };
        const byItself = { ...requests[0]!, onRound: ({ rows }: Round) => trees.alone.push(shown(rows)) };
        await decodeOnDevice(batch[0]!, byItself);
        batch[0]!.reset();
        const joined: Promise<DecodeResult>[] = [];
        let heard = 0;
        // The others join after the third token of the first text, and each once more where the one before it has ended.
        const first = decodeOnDevice(batch[0]!, {
          ...requests[0]!,
          onRound: ({ rows }) => trees.shared.push(shown(rows)),
          onTokens(tokens) {
            const before = heard;
            heard += tokens.length;
            if (before >= 3 || heard < 3) return undefined;
            joined.push(...[1, 2].map((i) => decodeOnDevice(batch[i]!, requests[i]!)));
            joined.push(joined[0]!.then(() => decodeOnDevice(batch[3]!, requests[3]!)));
            joined.push(joined[0]!.then(() => decodeOnDevice(batch[1]!, requests[4]!)));
            return undefined;
          },
        });
        assert.deepEqual((await first).tokens, expected[0]);
        const results = await Promise.all(joined);
        for (const [i, { tokens }] of results.entries()) assert.deepEqual(tokens, expected[i + 1]);
        // The head drafts as without the others. What acceptance taught may reach it a round earlier where rounds were exchanged.
        const same = trees.shared.filter((tree, round) => tree === trees.alone[round]).length;
        assert.ok(same >= 0.75 * trees.alone.length, `${same} of ${trees.alone.length} trees`);
      });
    }

    it("can be shared by fewer than were opened, whichever is ready first", async () => {
      const ladder = ladderOf("jakiro", "jakiro", { ...sizes, nodes: 6 });
      const opening = [0, 1, 2].map(() => decoding.open("jakiro", ladder));
      const two = await Promise.all([opening[0]!, opening[2]!]);
      const requests = two.map((_, i) => request(prompt(12 + i, 50 + i), { maxTokens: 5 }));
      const results = await Promise.all(requests.map((asked, i) => decodeOnDevice(two[i]!, asked)));
      assert.deepEqual(
        results.map(({ tokens }) => tokens),
        await alone(requests),
      );
      for (const sequence of await Promise.all(opening)) sequence.release();
    });

    it("leave the others' texts as they are when one is cancelled", async () => {
      const abort = new AbortController();
      const requests = [0, 1, 2].map((i) => request(prompt(15 + i, 40 + i), { maxTokens: 12 }));
      const expected = await alone(requests);
      const results = await Promise.all(
        requests.map((asked, i) =>
          decodeOnDevice(batch[i]!, {
            ...asked,
            ...(i === 1 ? { signal: abort.signal } : {}),
            onTokens() {
              if (i === 1) abort.abort();
              return undefined;
            },
          }),
        ),
      );
      assert.equal(results[1]!.finishReason, "cancelled");
      assert.ok(results[1]!.tokens.length < 12);
      assert.deepEqual(results[1]!.tokens, expected[1]!.slice(0, results[1]!.tokens.length));
      assert.deepEqual([results[0]!.tokens, results[2]!.tokens], [expected[0], expected[2]]);
      // Its sequence goes on from what it had.
      assert.deepEqual((await decodeOnDevice(batch[1]!, requests[1]!)).tokens, expected[1]);
    });

    it("share forwards of more rows than attend, and have logits, at a time", async () => {
      // Eight places: 160 rows to verify, and 136 whose keys the head makes first.
      const large = ladderOf("jakiro", "jakiro", { nodes: 20, branching: 4, depth: 16 });
      const sequences = await Promise.all(batch.map(() => decoding.open("jakiro", large)));
      const requests = sequences.map((_, i) => request(prompt([120, 9, 30, 127, 1][i]!, 20 + i), { maxTokens: 6 }));
      const expected = await alone(requests);
      const results = await Promise.all(requests.map((asked, i) => decodeOnDevice(sequences[i]!, asked)));
      assert.deepEqual(
        results.map(({ tokens }) => tokens),
        expected,
      );
      for (const sequence of sequences) sequence.release();
    });

    it("draft no more where that does not pay, and write the same", async () => {
      const ladder = ladderOf("auto", "jakiro", {});
      const both = await Promise.all([0, 1].map(() => decoding.open("jakiro", ladder)));
      const requests = both.map((_, i) => request(prompt(30 + i, 30 + i), { maxTokens: 60 }));
      const expected = await alone(requests);
      const rows: number[] = [];
      const results = await Promise.all(
        requests.map((asked, i) =>
          decodeOnDevice(both[i]!, { ...asked, onRound: (round) => rows.push(round.rows.tokens.length) }),
        ),
      );
      assert.deepEqual(
        results.map(({ tokens }) => tokens),
        expected,
      );
      // The head knows nothing. Rounds between two choices are drafted to the end.
      assert.deepEqual(new Set(rows.slice(-20)), new Set([1]));
      for (const sequence of both) sequence.release();
    });

    it("write the alternatives of a prompt as one after another", async () => {
      const asked = request(prompt(50, 5), { maxTokens: 6 });
      const requests = [0, 1, 2, 3].map(() => asked);
      const inTurn = new Alternatives(requests);
      await inTurn.inTurn((one, writing) => decodeOnDevice(plain, one, writing));
      const together = new Alternatives(requests);
      await together.together(batch[0]!, () => undefined);
      assert.deepEqual(
        together.results.map(({ tokens }) => tokens),
        inTurn.results.map(({ tokens }) => tokens),
      );
      assert.equal(new Set(together.results.map(({ tokens }) => tokens[0])).size, 4);
      // Forks are given back: there is room for as many again.
      const forks = [await batch[0]!.fork(), await batch[0]!.fork(), await batch[0]!.fork()];
      assert.deepEqual(
        forks.map((fork) => fork?.tokens.length),
        [batch[0]!.tokens.length, batch[0]!.tokens.length, undefined],
      );
      for (const fork of forks) fork?.release();
    });
  });
}

function shown({ tokens, parents }: TokenRows): string {
  return `${Array.from(tokens)} ${Array.from(parents)}`;
}

import assert from "node:assert/strict";
import { greedy, type SamplingOptions } from "../../src/engine/decoding/sampling.ts";
import { DraftTree } from "../../src/engine/decoding/tree.ts";
import { type Dispatch, encoded } from "../../src/engine/gpu/kernels.ts";
import { OutcomeRing } from "../../src/engine/gpu/outcomeRing.ts";
import {
  type DeviceRow,
  finishedByHost,
  noSlot,
  type RoundOutcome,
  type RoundShape,
  sequenceOffsets,
  sequenceWords,
} from "../../src/engine/gpu/roundLayout.ts";
import { RoundTrial } from "../../src/engine/gpu/roundTrial.ts";
import { chooseToken } from "../../src/engine/gpu/samplingReference.ts";
import { randomSource } from "./freshRandom.ts";
import { Rig } from "./rig.ts";
import { planOf } from "./sequences.ts";

const vocabulary = 60;
const slots = 400;

/** A target that knows its context's last two tokens: logits by them alone. */
function targetLogits(context: readonly number[]): Float32Array {
  const random = randomSource(71 * context.at(-1)! + ((context.at(-2) ?? 0) % 3));
  return Float32Array.from({ length: vocabulary }, () => 6 * random() ** 4);
}

/** A head that is often right: the target's logits after the same tokens, disturbed. */
function draftLogits(context: readonly number[], salt: number): Float32Array {
  const random = randomSource(salt + 31 * context.length);
  return targetLogits(context).map((logit) => logit + 2 * random());
}

interface Text {
  readonly prompt: readonly number[];
  readonly sampling: SamplingOptions;
  readonly tokenLimit: number;
  readonly capacity: number;
  readonly endTokens: ReadonlySet<number>;
}

/** The text that plain decoding gives. */
function plainText({ prompt, sampling, tokenLimit, capacity, endTokens }: Text): number[] {
  const tokens = [...prompt];
  while (tokens.length < capacity && tokens.length - prompt.length < tokenLimit) {
    tokens.push(chooseToken(targetLogits(tokens), sampling, tokens.length));
    if (endTokens.has(tokens.at(-1)!)) break;
  }
  return tokens.slice(prompt.length);
}

describe("round on the GPU", () => {
  let rig: Rig;
  before(async () => {
    rig = await Rig.open();
  });
  after(() => rig.close());

  /** Runs in one pass and ends the encoding with what `more` adds. */
  function submit(dispatches: readonly Dispatch[], more: (encoder: GPUCommandEncoder) => void): void {
    const encoder = encoded(rig.device, dispatches);
    more(encoder);
    rig.device.queue.submit([encoder.finish()]);
  }

  /**
   * Decodes texts side by side. The forwards are the host's: it reads rows, writes logits, and keeps in every KV slot the token that a
   * forward would have written there, so that a row that sees a wrong slot sees a wrong context.
   */
  class Decoder {
    readonly emitted: number[][];
    readonly outcomes: RoundOutcome[][];
    readonly ring: OutcomeRing;
    private readonly kept: Uint32Array;
    private rounds = 0;

    constructor(
      readonly round: RoundTrial,
      readonly texts: readonly Text[],
    ) {
      this.emitted = texts.map(() => []);
      this.outcomes = texts.map(() => []);
      this.ring = new OutcomeRing(rig.device, round.buffers.outcomes, round.shape);
      this.kept = new Uint32Array(2 * slots);
      for (const [s, { prompt, ...limits }] of texts.entries()) {
        const region = 100 * s;
        const length = prompt.length - 1;
        const root = prompt.at(-1)!;
        round.start(s, { ...limits, region, headRegion: region + slots, nodes: 1_000, length, root });
        this.kept.set(prompt.slice(0, -1), region);
      }
      rig.write(round.inputs.cache, this.kept.subarray(0, slots));
    }

    /** Tokens that a row of the target sees, its own included. */
    private async contexts(rows: readonly (DeviceRow & { slots: number[] })[]): Promise<number[][]> {
      const cache = await rig.read(this.round.inputs.cache);
      for (const { slot, token } of rows) if (slot !== noSlot) cache[slot] = token;
      rig.write(this.round.inputs.cache, cache);
      return rows.map(({ region, contiguous, slots: path }) => [
        ...cache.subarray(region, region + contiguous),
        ...path.map((slot) => cache[slot]!),
      ]);
    }

    private async draft(): Promise<void> {
      const { round } = this;
      const { sequences, branching, levels } = round.shape;
      for (let forward = 1; forward < levels; forward++) {
        const nodes = forward === 1 ? 1 : branching;
        const last = forward === levels - 1;
        const logits = new Float32Array(round.dispatches.draftRows(forward, last) * vocabulary);
        for (let s = 0; s < sequences; s++) {
          const { prompt } = this.texts[s]!;
          const committed = [...prompt, ...this.emitted[s]!];
          const rows = forward === 1 ? [] : await round.rows(round.buffers.levels, s, nodes);
          for (let i = 0; i < nodes; i++) {
            const drafted = rows[i]?.slots.map((slot) => this.kept[slot]!) ?? [];
            if (rows[i] !== undefined && rows[i]!.slot !== noSlot) {
              this.kept[rows[i]!.slot] = rows[i]!.token;
              drafted[drafted.length - 1] = rows[i]!.token;
            }
            const context = [...committed, ...drafted];
            logits.set(draftLogits(context, 1), (s * nodes + i) * vocabulary);
            if (!last) continue;
            const best = chooseToken(targetLogits(context), greedy, 0);
            const parallel = draftLogits([...context, best], 2);
            logits.set(parallel, ((sequences + s) * nodes + i) * vocabulary);
          }
        }
        round.writeDraftLogits(logits);
        round.run(...round.dispatches.level(forward, last));
      }
    }

    /** One round; `undefined` for texts that had ended before. */
    async step(): Promise<void> {
      const { round, texts } = this;
      const { rows: count, sequences } = round.shape;
      await this.draft();
      round.run(round.dispatches.verify);
      const rows = (await Promise.all(texts.map((_, s) => round.rows(round.buffers.verification, s, count)))).flat();
      assert.equal(rows.length, sequences * count);
      const contexts = await this.contexts(rows);
      for (const [row, context] of contexts.entries()) {
        const expected = rows[row]!.slot === noSlot ? undefined : rows[row]!.position + 1;
        if (expected !== undefined) assert.equal(context.length, expected);
        rig.write(round.inputs.logits, targetLogits(context), row * vocabulary);
      }
      const index = this.rounds++;
      submit([...round.dispatches.choose(0, rows.length), ...round.dispatches.accept], (encoder) =>
        this.ring.copy(encoder, index),
      );
      const found = await this.ring.read(index);
      for (const [s, outcome] of found.entries()) {
        if (outcome === undefined) continue;
        this.outcomes[s]!.push(outcome);
        this.emitted[s]!.push(...outcome.accepted.tokens);
      }
    }
  }

  const shape: RoundShape = { sequences: 3, rows: 12, branching: 4, levels: 4, branches: 1 };
  const sampled: SamplingOptions = { temperature: 0.8, topK: 12, topP: 0.95, seed: 5 };

  for (const sampling of [greedy, sampled]) {
    it(`gives the text of plain decoding at temperature ${sampling.temperature}`, async () => {
      const plan = planOf(shape, { vocabulary, draftVocabulary: vocabulary, cache: { layers: 1, slots, width: 1 } });
      const none = new Set<number>();
      const texts: Text[] = [
        { prompt: [3, 4, 5], sampling, tokenLimit: 24, capacity: 90, endTokens: none },
        { prompt: [9, 8, 7, 6], sampling: { ...sampling, seed: 6 }, tokenLimit: 90, capacity: 22, endTokens: none },
        { prompt: [1, 2], sampling, tokenLimit: 40, capacity: 90, endTokens: none },
      ];
      const expected = texts.map(plainText);
      // The third text ends with a token that it meets late on its way: texts of this target soon repeat themselves.
      const end = expected[2]!.slice(0, 16).findLast((token, i, text) => text.indexOf(token) === i)!;
      texts[2] = { ...texts[2]!, endTokens: new Set([end]) };
      expected[2] = plainText(texts[2]);

      const decoder = new Decoder(await RoundTrial.create(rig.compiler, plan), texts);
      const reasons: (string | undefined)[] = texts.map(() => undefined);
      for (let i = 0; i < 60 && reasons.includes(undefined); i++) {
        await decoder.step();
        const [going] = await rig.read(decoder.round.buffers.going);
        assert.equal(going, Number(decoder.outcomes.some((each) => each.at(-1)?.finishReason === undefined)));
        for (const s of texts.keys()) reasons[s] = decoder.outcomes[s]!.at(-1)?.finishReason;
      }
      assert.deepEqual(reasons, ["length", "context", "end"]);
      assert.deepEqual(decoder.emitted, expected);
      const before = decoder.outcomes.map((each) => each.length);
      await decoder.step();
      assert.deepEqual(
        decoder.outcomes.map((each) => each.length),
        before,
      );
      const [tokens, rounds] = [expected.flat().length, decoder.outcomes.flat().length];
      assert.ok(tokens > 1.4 * rounds, `${tokens} tokens in ${rounds} rounds`);
      for (const [s, outcomes] of decoder.outcomes.entries()) {
        assert.deepEqual(
          outcomes.map(({ round }) => round),
          outcomes.map((_, i) => i + 1),
        );
        assert.equal(outcomes.at(-1)!.emitted, expected[s]!.length);
        // Every committed token's keys are where its position says.
        const { prompt } = texts[s]!;
        const text = [...prompt, ...expected[s]!].slice(0, outcomes.at(-1)!.length);
        const cache = await rig.read(decoder.round.inputs.cache);
        assert.deepEqual([...cache.subarray(100 * s, 100 * s + text.length)], text);
      }
      decoder.ring.release();
    });
  }

  it("passes over a sequence that the host ends between rounds", async () => {
    const plan = planOf(shape, { vocabulary, draftVocabulary: vocabulary, cache: { layers: 1, slots, width: 1 } });
    const text: Text = { prompt: [3, 4], sampling: greedy, tokenLimit: 40, capacity: 90, endTokens: new Set() };
    const decoder = new Decoder(await RoundTrial.create(rig.compiler, plan), [text, text, text]);
    await decoder.step();
    const { sequences } = decoder.round.buffers;
    rig.write(sequences, Uint32Array.of(finishedByHost), sequenceWords + sequenceOffsets.finished / 4);
    rig.write(sequences, Uint32Array.of(1), 2 * sequenceWords + sequenceOffsets.nodes / 4);
    await decoder.step();
    assert.deepEqual(
      decoder.outcomes.map((each) => each.length),
      [2, 1, 2],
    );
    // One node is plain decoding.
    assert.equal(decoder.outcomes[2]![1]!.accepted.tokens.length, 1);
    assert.deepEqual(decoder.emitted[0], plainText(text).slice(0, decoder.emitted[0]!.length));
    decoder.ring.release();
  });

  it("keeps outcomes apart that are read later than the next rounds are submitted", async () => {
    const plan = planOf(shape, { vocabulary, draftVocabulary: vocabulary, cache: { layers: 1, slots, width: 1 } });
    const round = await RoundTrial.create(rig.compiler, plan);
    const ring = new OutcomeRing(rig.device, round.buffers.outcomes, shape);
    const idle = { sampling: greedy, tokenLimit: 9, capacity: 90, endTokens: new Set<number>(), nodes: 1 };
    round.start(0, { ...idle, region: 0, headRegion: 100, length: 2, root: 4 });
    round.writeTree(0, new DraftTree(4));
    for (let index = 0; index < 4; index++) {
      rig.write(round.buffers.chosen, new Uint32Array(36).fill(10 + index));
      submit([round.dispatches.verify, ...round.dispatches.accept], (encoder) => ring.copy(encoder, index));
    }
    for (const index of [0, 1, 2, 3]) {
      const [first, ...others] = await ring.read(index);
      assert.deepEqual([first!.round, first!.accepted.tokens], [index + 1, [10 + index]]);
      assert.deepEqual(others, [undefined, undefined]);
    }
    ring.release();
  });
});

import assert from "node:assert/strict";
import { featureSmoothing } from "../../src/engine/cpu/packTarget.ts";
import { CostModel } from "../../src/engine/decoding/costModel.ts";
import type { DecodeRequest, DecodeResult } from "../../src/engine/decoding/decoder.ts";
import { type DeviceSequence, decodeOnDevice } from "../../src/engine/decoding/deviceDecoder.ts";
import { type DeviceProposal, DeviceStrategy, type RoundSource } from "../../src/engine/decoding/deviceStrategy.ts";
import { draftForwards } from "../../src/engine/decoding/draftHead.ts";
import { type Ladder, ladderOf, plainRung, type Rung } from "../../src/engine/decoding/ladder.ts";
import { GpuDecoding } from "../../src/engine/gpu/gpuDecoding.ts";
import { GpuTarget } from "../../src/engine/gpu/gpuTarget.ts";
import type { HeadKind } from "../../src/engine/model/headKinds.ts";
import { request, samplers } from "../engine/decoding.ts";
import { randomHeadsFor } from "../engine/randomHead.ts";
import { packTiny, type ScratchTarget } from "../engine/scratchTarget.ts";
import { randomTokens } from "./freshRandom.ts";
import { openTestDevice } from "./testDevice.ts";

const tree = (kind: HeadKind, rows: number, levels: number): Rung => ({
  rows,
  levels,
  draftForwards: draftForwards(kind, levels),
});
const chain = (rows: number): Rung => ({ ...plainRung, rows });

/** One rung of every sort; paths of 1, of up to 8, and of more tokens. */
function ladder(kind: HeadKind): Ladder {
  return {
    rungs: [plainRung, chain(4), chain(12), tree(kind, 4, 1), tree(kind, 12, 3)],
    branching: 8,
    chain: 11,
    sizes: {},
  };
}

/** Rounds of these rungs in turn, whatever they bring; chains are what `guess` says of the text so far. */
class Script implements RoundSource {
  readonly run: Rung[] = [];
  readonly drafted: number[][] = [];
  /** Whether each round was shared. */
  readonly shared: boolean[] = [];
  private underWay = 0;
  private emitted = 0;

  constructor(
    private readonly rungs: readonly Rung[],
    private readonly guess: (emitted: number) => readonly number[] = () => [],
    private readonly onStart: () => void = () => undefined,
  ) {}

  start(): void {
    this.onStart();
    this.underWay = 0;
    this.emitted = 0;
  }

  propose(): DeviceProposal | undefined {
    const rung = this.rungs[this.run.length % this.rungs.length]!;
    const isChain = rung.rows > 1 && rung.levels === 0;
    if (isChain && this.underWay > 0) return undefined;
    this.underWay++;
    this.run.push(rung);
    this.shared.push(false);
    return { rung, chain: isChain ? this.guess(this.emitted).slice(0, rung.rows - 1) : [] };
  }

  join(): void {
    this.underWay++;
    this.shared.push(true);
  }

  settle({ rows, accepted }: Parameters<RoundSource["settle"]>[0]): void {
    this.underWay--;
    this.emitted += accepted.tokens.length;
    this.drafted.push(Array.from(rows.tokens));
  }
}

describe("rungs on the device", function () {
  this.timeout(600_000);
  let scratch: ScratchTarget;
  let gpu: GpuTarget;
  let decoding: GpuDecoding;
  let plain: DeviceSequence;
  let compiled = 0;

  before(async () => {
    scratch = await packTiny("tiny-qwen2", "int8");
    const options = { capacity: 256, sequences: 4 };
    gpu = await GpuTarget.load(await openTestDevice(), scratch.checkpoint, scratch.target.packed, options);
    const { device } = gpu.gpu;
    const compile = device.createComputePipelineAsync.bind(device);
    device.createComputePipelineAsync = (descriptor) => {
      compiled++;
      return compile(descriptor);
    };
    decoding = new GpuDecoding(gpu, randomHeadsFor(scratch), featureSmoothing(scratch.target.packed));
    plain = await decoding.open(undefined, ladderOf("plain", undefined, {}));
  });
  after(async () => {
    plain.release();
    await decoding.release();
    await gpu.release();
    await scratch.release();
  });

  const promptOf = (length: number, salt: number) => randomTokens(length, scratch.checkpoint.config.vocabulary, salt);

  /** The text that follows, wrong at every seventh token. */
  const nearlyRight = (text: readonly number[]) => (emitted: number) =>
    [...text.slice(emitted), 1, 2, 3].map((token, i) => ((emitted + i) % 7 === 6 ? token + 1 : token));

  for (const kind of ["jakiro", "jakiro-star"] as const) {
    it(`switches in the middle of a text without changing it, with a ${kind} head`, async () => {
      const sequence = await decoding.open(kind, ladder(kind));
      assert.ok(compiled > 0);
      assert.ok(sequence.draftCosts.length === 2 && sequence.draftCosts.every((ms) => ms > 0));
      const { rungs } = sequence;
      const [p, short, long, low, high] = rungs as [Rung, Rung, Rung, Rung, Rung];
      const order = [high, p, p, low, long, high, short, p, long, low, long, long, p, high];
      for (const [i, sampling] of (kind === "jakiro" ? samplers.slice(0, 3) : samplers.slice(1, 2)).entries()) {
        const asked = request(promptOf(3 + 60 * i, 9), { sampling: { ...sampling, seed: i }, maxTokens: 40 });
        const expected = await decodeOnDevice(plain, asked);
        let inText = 0;
        const script = new Script(order, nearlyRight(expected.tokens), () => {
          inText = compiled;
        });
        const result = await decodeOnDevice(sequence, asked, undefined, script);
        assert.deepEqual(result.tokens, expected.tokens);
        assert.equal(compiled - inText, 0, "pipelines were compiled in the middle of the text");
        for (const [round, { length }] of script.drafted.entries()) assert.ok(length <= script.run[round]!.rows);
        assert.ok(new Set(script.run).size === rungs.length, "every rung was run");
        assert.ok(acceptedOf(result) > 10, `${acceptedOf(result)} drafted tokens were accepted`);
        assert.deepEqual(sequence.tokens, [...asked.prompt, ...result.tokens.slice(0, -1)]);
      }
      sequence.release();
    });
  }

  it("is gone on with behind rounds that another text shared, which change neither", async () => {
    const { rungs } = ladder("jakiro");
    const [p, short, long, low, high] = rungs as [Rung, Rung, Rung, Rung, Rung];
    const first = await decoding.open("jakiro", ladder("jakiro"));
    const second = await decoding.open("jakiro", ladder("jakiro"));
    for (const sampling of [samplers[0]!, { ...samplers[1]!, seed: 4 }]) {
      const asked = request(promptOf(7, 6), { sampling, maxTokens: 48 });
      const other = request(promptOf(30, 8), { sampling, maxTokens: 5 });
      const [expected, expectedOther] = [await decodeOnDevice(plain, asked), await decodeOnDevice(plain, other)];
      const script = new Script([high, long, p, low, short], nearlyRight(expected.tokens));
      const companion = new Script([long, p], nearlyRight(expectedOther.tokens));
      let heard = 0;
      let joined: Promise<DecodeResult> | undefined;
      const onTokens = (tokens: readonly number[]) => {
        heard += tokens.length;
        if (heard > 12) joined ??= decodeOnDevice(second, other, undefined, companion);
        return undefined;
      };
      const result = await decodeOnDevice(first, { ...asked, onTokens }, undefined, script);
      assert.deepEqual(result.tokens, expected.tokens);
      assert.deepEqual((await joined)!.tokens, expectedOther.tokens);
      const { shared } = script;
      assert.ok(shared.includes(true) && !shared[0] && !shared.at(-1), shared.join(" "));
      assert.ok(companion.shared.includes(true));
    }
    first.release();
    second.release();
  });

  it("keeps the head's keys complete while others draft", async () => {
    const prompt = promptOf(9, 4);
    const text = (await decodeOnDevice(plain, request(prompt, { maxTokens: 30 }))).tokens;
    const { rungs } = ladder("jakiro");
    const [p, short, long, , high] = rungs as [Rung, Rung, Rung, Rung, Rung];
    const guess = (emitted: number) => text.slice(emitted);
    for (const before of [
      [p, p, p],
      [p, long],
      [short, p, short],
      [long, long],
    ]) {
      const through = await decoding.open("jakiro", ladder("jakiro"));
      const script = new Script([...before, high], guess);
      await decodeOnDevice(through, request(prompt, { maxTokens: 28 }), undefined, script);
      const written = before.reduce((sum, rung) => sum + Math.min(rung.rows, 28 - sum), 0);
      through.release();

      // The same text as a prompt, whose keys come from the prefill.
      const anew = await decoding.open("jakiro", ladder("jakiro"));
      const fresh = new Script([high]);
      const asked = request([...prompt, ...text.slice(0, written)], { maxTokens: 3 });
      await decodeOnDevice(anew, asked, undefined, fresh);
      anew.release();
      assert.deepEqual(script.drafted[before.length], fresh.drafted[0]);
    }
  });

  it("makes the head's keys that a text's last round left out", async () => {
    const prompt = promptOf(9, 5);
    const text = (await decodeOnDevice(plain, request(prompt, { maxTokens: 24 }))).tokens;
    const [, , long, , high] = ladder("jakiro").rungs as [Rung, Rung, Rung, Rung, Rung];
    const through = await decoding.open("jakiro", ladder("jakiro"));
    // One round of known text, in which it ends.
    const known = new Script([long], (emitted) => text.slice(emitted));
    await decodeOnDevice(through, request(prompt, { maxTokens: long.rows }), undefined, known);
    const asked = request([...prompt, ...text.slice(0, long.rows)], { maxTokens: 3 });
    const script = new Script([high]);
    await decodeOnDevice(through, asked, undefined, script);
    through.release();

    const anew = await decoding.open("jakiro", ladder("jakiro"));
    const fresh = new Script([high]);
    await decodeOnDevice(anew, asked, undefined, fresh);
    anew.release();
    assert.deepEqual(script.drafted[0], fresh.drafted[0]);
  });

  it("is chosen from by a strategy that finds known text", async () => {
    const ladder = ladderOf("lookup", undefined, {});
    const sequence = await decoding.open(undefined, ladder);
    const { rungs } = sequence;
    const verify = [1, 2, 4, 8, 16, 32].map((rows) => ({ rows, ms: 10 + rows / 4 }));
    let now = 0;
    const prompt = promptOf(20, 5);
    const asked = request(prompt, { maxTokens: 40 });
    const expected = await decodeOnDevice(plain, asked);
    const known = () => [[...prompt, ...expected.tokens]];
    const decode = (changes: Partial<DecodeRequest>) => {
      const cost = new CostModel({ verify, draft: [], overheadMs: 1 });
      const strategy = new DeviceStrategy({ rungs, chain: ladder.chain }, cost, () => (now += 6));
      return decodeOnDevice(sequence, { ...asked, ...changes }, undefined, strategy);
    };
    const repeated = await decode({ known });
    assert.deepEqual(repeated.tokens, expected.tokens);
    const { targetForwards } = repeated.statistics.counts;
    assert.ok(targetForwards < 12, `${targetForwards} rounds for 40 tokens`);
    const sampling = { ...samplers[1]!, seed: 3 };
    const drawn = await decodeOnDevice(plain, { ...asked, sampling });
    assert.deepEqual((await decode({ known, sampling })).tokens, drawn.tokens);
    assert.deepEqual((await decode({})).tokens, expected.tokens);
    sequence.release();
  });
});

function acceptedOf({ statistics }: DecodeResult): number {
  return statistics.counts.decodedTokens - statistics.counts.targetForwards;
}

import assert from "node:assert/strict";
import {
  type DecodeRequest,
  type DecodeResult,
  decode,
  type Round,
  Writing,
} from "../../src/engine/decoding/decoder.ts";
import type { Method } from "../../src/engine/decoding/method.ts";
import { tau } from "../../src/engine/decoding/statistics.ts";
import { DeviceLostError } from "../../src/engine/decoding/target.ts";
import { JakiroError } from "../../src/engine/errors.ts";
import { decodePlainly, request, samplers, strategyOf, WatchedSequence } from "./decoding.ts";
import { packTiny, randomTokens, type ScratchTarget } from "./scratchTarget.ts";
import { ScriptedHead } from "./scriptedHead.ts";

const capacity = 400;

describe("decode", () => {
  let scratch: ScratchTarget;
  let vocabulary: number;
  before(async () => {
    scratch = await packTiny("tiny-qwen2", "int8");
    vocabulary = scratch.checkpoint.config.vocabulary;
  });
  after(() => scratch.release());

  const prompt = (length: number, seed = 1) => randomTokens(length, vocabulary, seed);
  const fresh = () => new WatchedSequence(scratch.target.sequence(capacity));

  /** A head that knows how a prompt goes on, so that rounds accept several tokens. */
  async function scripted(tokens: readonly number[], kind: "jakiro" | "eagle" = "jakiro"): Promise<ScriptedHead> {
    const head = new ScriptedHead(kind, scratch.checkpoint.config.hidden, vocabulary, 1);
    const plain = await decodePlainly(fresh(), request(tokens, { maxTokens: 100 }));
    head.script = [...tokens, ...plain.tokens];
    return head;
  }

  it("takes drafts from known texts that the model has not read, and the text stays the same", async () => {
    const tokens = prompt(40);
    const asked = request(tokens, { maxTokens: 60 });
    const plain = await decodePlainly(fresh(), asked);
    const known = () => [[...tokens.slice(-8), ...plain.tokens]];
    const sequence = fresh();
    const drafted = await decode(sequence, strategyOf("lookup"), { ...asked, known });
    assert.deepEqual(drafted.tokens, plain.tokens);
    assert.deepEqual(sequence.tokens.slice(0, tokens.length), tokens);
    assert.ok(tau(drafted.statistics.counts) > 4, String(tau(drafted.statistics.counts)));

    const unasked = () => assert.fail("plain decoding has no use for it");
    assert.deepEqual((await decode(fresh(), strategyOf("plain"), { ...asked, known: unasked })).tokens, plain.tokens);
  });

  for (const [method, sizes] of [
    ["lookup", {}],
    ["lookup", { nodes: 9 }],
    ["auto", {}],
  ] as const) {
    it(`drafts no chain deeper than asked for (${method}, ${JSON.stringify(sizes)})`, async () => {
      const tokens = prompt(40);
      const asked = request(tokens, { maxTokens: 60 });
      const plain = await decodePlainly(fresh(), asked);
      const known = () => [[...tokens.slice(-8), ...plain.tokens]];
      const deepest = async (depth?: number) => {
        let longest = 0;
        const onRound = ({ rows }: Round) => {
          longest = Math.max(longest, rows.tokens.length - 1);
        };
        const strategy = strategyOf(method, { ...sizes, ...(depth === undefined ? {} : { depth }) });
        const { tokens } = await decode(fresh(), strategy, { ...asked, known, onRound });
        assert.deepEqual(tokens, plain.tokens);
        return longest;
      };
      assert.equal(await deepest(2), 2);
      assert.ok((await deepest()) > 2);
    });
  }

  describe("after a device was lost", () => {
    /** Decodes on sequences of which each but the last is lost in the forward of this number. */
    async function interrupted(lostAt: readonly number[], asked: DecodeRequest, method: Method): Promise<DecodeResult> {
      const writing = new Writing();
      for (const [i, lost] of [...lostAt, Number.POSITIVE_INFINITY].entries()) {
        const sequence = fresh();
        sequence.during = (forward) => {
          if (forward === lost) throw new DeviceLostError("gone");
        };
        const head = method === "jakiro" ? await scripted(asked.prompt) : undefined;
        const decoding = decode(sequence, strategyOf(method, {}, head), asked, writing);
        if (i === lostAt.length) return await decoding;
        await assert.rejects(decoding, DeviceLostError);
      }
      return assert.fail();
    }

    for (const method of ["plain", "jakiro"] as const) {
      it(`goes on to the same text, drawn by seed too (${method})`, async () => {
        for (const sampling of samplers.slice(0, 2)) {
          const asked = request(prompt(140), { sampling });
          const expected = await decodePlainly(fresh(), asked);
          // In the prompt, at the first token, in the middle, and again soon after.
          for (const lostAt of [[1], [2], [3], [5], [5, 2, 1]]) {
            const heard: number[] = [];
            const onTokens = (tokens: readonly number[]) => {
              heard.push(...tokens);
              return undefined;
            };
            const { tokens, finishReason, statistics } = await interrupted(lostAt, { ...asked, onTokens }, method);
            assert.deepEqual([tokens, finishReason], [expected.tokens, "length"], `lost at ${lostAt}`);
            assert.deepEqual(heard, expected.tokens, "each token is told once");
            assert.equal(statistics.counts.completionTokens, expected.tokens.length);
          }
        }
      });
    }

    it("keeps a first token that was given, and candidates that were asked for", async () => {
      const asked = request(prompt(40), { maxTokens: 8, candidates: 3 });
      const expected = await decodePlainly(fresh(), asked);
      for (const lostAt of [[1], [4]]) {
        const { tokens, candidates } = await interrupted(lostAt, asked, "plain");
        assert.deepEqual([tokens, candidates], [expected.tokens, expected.candidates]);
      }
      const firstToken = expected.candidates![1]!;
      const branch = request(prompt(40), { maxTokens: 8, firstToken });
      for (const lostAt of [[1], [4]]) {
        const { tokens } = await interrupted(lostAt, branch, "plain");
        assert.deepEqual(tokens, (await decodePlainly(fresh(), branch)).tokens);
      }
    });
  });

  describe("cancellation", () => {
    it("ends a prefill after the forward under way and keeps what that gave", async () => {
      const sequence = fresh();
      const abort = new AbortController();
      sequence.during = (forward) => forward === 2 && abort.abort();
      const tokens = prompt(390);
      const result = await decode(sequence, strategyOf("plain"), request(tokens, { signal: abort.signal }));
      assert.equal(result.finishReason, "cancelled");
      assert.deepEqual(result.tokens, []);
      assert.equal(sequence.forwards, 2);
      assert.deepEqual(sequence.tokens, tokens.slice(0, 256));

      const again = await decode(sequence, strategyOf("plain"), request(tokens, { maxTokens: 4 }));
      assert.equal(again.cachedTokens, 256);
      assert.deepEqual(again.tokens, (await decodePlainly(fresh(), request(tokens, { maxTokens: 4 }))).tokens);
    });

    it("runs nothing for a request that is cancelled before it starts", async () => {
      const sequence = fresh();
      const result = await decode(sequence, strategyOf("plain"), request(prompt(9), { signal: AbortSignal.abort() }));
      assert.deepEqual([result.finishReason, sequence.forwards], ["cancelled", 0]);
    });

    for (const method of ["plain", "jakiro", "eagle", "lookup", "auto"] as const) {
      it(`ends decoding after the forward under way, by ${method}, and the next request is right`, async () => {
        const tokens = prompt(40);
        const head = await scripted(tokens, method === "eagle" ? "eagle" : "jakiro");
        const strategy = strategyOf(method, {}, head);
        const sequence = fresh();
        const abort = new AbortController();
        sequence.during = (forward) => forward === 4 && abort.abort();
        const asked = request(tokens, { maxTokens: 60 });
        const cancelled = await decode(sequence, strategy, { ...asked, signal: abort.signal });
        assert.equal(cancelled.finishReason, "cancelled");
        assert.equal(sequence.forwards, 4);
        const expected = await decodePlainly(fresh(), asked);
        assert.deepEqual(cancelled.tokens, expected.tokens.slice(0, cancelled.tokens.length));
        assert.ok(cancelled.tokens.length >= 4);

        sequence.during = () => undefined;
        assert.deepEqual((await decode(sequence, strategy, asked)).tokens, expected.tokens);
      });
    }

    it("ends decoding between draft and verification", async () => {
      const tokens = prompt(20);
      const head = await scripted(tokens);
      const abort = new AbortController();
      const explore = head.explore.bind(head);
      head.explore = (rows, ancestors) => {
        abort.abort();
        return explore(rows, ancestors);
      };
      const sequence = fresh();
      const strategy = strategyOf("jakiro", { nodes: 16 }, head);
      const result = await decode(sequence, strategy, request(tokens, { signal: abort.signal }));
      assert.deepEqual([result.finishReason, result.tokens.length, sequence.forwards], ["cancelled", 1, 1]);
      head.explore = explore;
      const expected = await decodePlainly(fresh(), request(tokens));
      assert.deepEqual((await decode(sequence, strategy, request(tokens))).tokens, expected.tokens);
    });
  });

  describe("prefix reuse", () => {
    it("runs only what the cache does not hold", async () => {
      const sequence = fresh();
      const strategy = strategyOf("plain");
      const tokens = prompt(100);
      const steps: readonly { name: string; prompt: readonly number[]; cached: number }[] = [
        { name: "nothing", prompt: tokens, cached: 0 },
        // At least one token must run, for its logits.
        { name: "the same prompt", prompt: tokens, cached: 99 },
        { name: "one more token", prompt: [...tokens, 7], cached: 100 },
        { name: "a change in the middle", prompt: [...tokens.slice(0, 60), 9, ...tokens.slice(61)], cached: 60 },
        { name: "a shorter prompt", prompt: tokens.slice(0, 30), cached: 29 },
        { name: "another text", prompt: prompt(50, 2), cached: 0 },
      ];
      for (const { name, prompt: asked, cached } of steps) {
        const before = sequence.rows;
        const progress: [number, number][] = [];
        const result = await decode(
          sequence,
          strategy,
          request(asked, { maxTokens: 1, onPrefill: (done, total) => progress.push([done, total]) }),
        );
        assert.equal(result.cachedTokens, cached, name);
        assert.equal(sequence.rows - before, asked.length - cached, name);
        assert.deepEqual(progress.at(-1), [asked.length - cached, asked.length - cached], name);
        assert.deepEqual(result.tokens, (await decodePlainly(fresh(), request(asked, { maxTokens: 1 }))).tokens, name);
      }
    });

    it("keeps what was generated, as far as the next prompt repeats it", async () => {
      const tokens = prompt(50);
      const head = await scripted(tokens);
      const sequence = fresh();
      const strategy = strategyOf("jakiro", { nodes: 24 }, head);
      const first = await decode(sequence, strategy, request(tokens));
      const grown = [...tokens, ...first.tokens.slice(0, 10)];
      const second = await decode(sequence, strategy, request(grown));
      assert.equal(second.cachedTokens, 59);
      assert.deepEqual(second.tokens.slice(0, 14), first.tokens.slice(10));
    });

    it("draws by absolute position: however a text is cut into requests, the seed gives the same text", async () => {
      const tokens = prompt(20, 9);
      for (const sampler of samplers) {
        const sampling = { ...sampler, seed: 11 };
        const whole = await decodePlainly(fresh(), request(tokens, { sampling }));
        const sequence = fresh();
        for (const cut of [1, 2, 9, 23]) {
          const rest = request([...tokens, ...whole.tokens.slice(0, cut)], { sampling, maxTokens: 24 - cut });
          const result = await decode(sequence, strategyOf("lookup"), rest);
          assert.deepEqual(result.tokens, whole.tokens.slice(cut), `cut at ${cut}, ${JSON.stringify(sampling)}`);
        }
      }
    });

    it("reports the progress of a long prompt in rising steps", async () => {
      const progress: number[] = [];
      await decode(fresh(), strategyOf("plain"), request(prompt(300), { onPrefill: (done) => progress.push(done) }));
      assert.deepEqual(progress, [128, 256, 300]);
    });
  });

  describe("ends", () => {
    for (const method of ["plain", "jakiro", "lookup"] as const) {
      const run = async (tokens: readonly number[], changes: Parameters<typeof request>[1]): Promise<DecodeResult> => {
        const head = method === "jakiro" ? await scripted(tokens) : undefined;
        return decode(fresh(), strategyOf(method, { nodes: 32 }, head), request(tokens, changes));
      };

      it(`after as many tokens as asked for (${method})`, async () => {
        for (const maxTokens of [1, 2, 3, 7, 24]) {
          const result = await run(prompt(30, maxTokens), { maxTokens });
          assert.deepEqual([result.finishReason, result.tokens.length], ["length", maxTokens]);
        }
      });

      it(`at an end token, which is not passed on (${method})`, async () => {
        const tokens = prompt(30, 3);
        const text = (await decodePlainly(fresh(), request(tokens, { maxTokens: 40 }))).tokens;
        for (const place of [0, 1, 5, 17]) {
          const end = text[place]!;
          const passed: number[] = [];
          const result = await run(tokens, {
            maxTokens: 40,
            endTokens: new Set([end]),
            onTokens: (fresh) => void passed.push(...fresh),
          });
          const length = text.indexOf(end);
          assert.equal(result.finishReason, "end");
          assert.deepEqual(result.tokens, text.slice(0, length + 1));
          assert.deepEqual(passed, text.slice(0, length));
        }
      });

      it(`where the listener says, at the same token whatever came along with it (${method})`, async () => {
        const tokens = prompt(30, 4);
        const text = (await decodePlainly(fresh(), request(tokens, { maxTokens: 40 }))).tokens;
        for (const length of [1, 2, 6, 13]) {
          let seen = 0;
          const result = await run(tokens, {
            maxTokens: 40,
            onTokens: (fresh) => {
              seen += fresh.length;
              return seen >= length ? fresh.length - (seen - length) : undefined;
            },
          });
          assert.deepEqual([result.finishReason, result.tokens], ["stop", text.slice(0, length)]);
          assert.equal(result.statistics.counts.completionTokens, length);
        }
      });

      it(`where the context does (${method})`, async () => {
        for (const length of [capacity - 1, capacity - 2, capacity - 9]) {
          const tokens = prompt(length, 5);
          const result = await run(tokens, { maxTokens: 100 });
          assert.deepEqual([result.finishReason, result.tokens.length], ["context", capacity - length]);
        }
      });
    }

    it("refuses prompts that are empty or too long", async () => {
      for (const [length, message] of [
        [0, /nothing to continue/],
        [capacity, /too long: 400 tokens are more than the context of 400 holds/],
      ] as const) {
        await assert.rejects(
          decode(fresh(), strategyOf("plain"), request(prompt(length))),
          (error) => error instanceof JakiroError && error.kind === "usage" && message.test(error.message),
        );
      }
    });
  });

  describe("streaming", () => {
    it("passes tokens on in order, once each, as each round accepts them", async () => {
      const tokens = prompt(30, 6);
      const head = await scripted(tokens);
      const batches: (readonly number[])[] = [];
      const sequence = fresh();
      const forwardsAtBatch: number[] = [];
      const result = await decode(
        sequence,
        strategyOf("jakiro", { nodes: 32 }, head),
        request(tokens, {
          onTokens: (fresh) => {
            batches.push([...fresh]);
            forwardsAtBatch.push(sequence.forwards);
            return undefined;
          },
        }),
      );
      assert.deepEqual(batches.flat(), result.tokens);
      assert.deepEqual(
        forwardsAtBatch,
        [...batches.keys()].map((i) => i + 1),
      );
      assert.ok(
        batches.some((batch) => batch.length > 2),
        "rounds of several tokens",
      );
    });
  });

  it("counts what it did", async () => {
    const tokens = prompt(30, 7);
    const head = await scripted(tokens);
    const sequence = fresh();
    const { statistics, tokens: text } = await decode(
      sequence,
      strategyOf("jakiro", { nodes: 16 }, head),
      request(tokens, { maxTokens: 40 }),
    );
    const { counts, timings } = statistics;
    assert.equal(counts.completionTokens, text.length);
    assert.equal(counts.decodedTokens, text.length - 1);
    assert.equal(counts.targetForwards, sequence.forwards - 1);
    assert.equal(sequence.rows, tokens.length + counts.targetForwards + counts.draftedTokens);
    assert.equal(tau(counts), 39 / counts.targetForwards);
    assert.ok(tau(counts) > 2, `tau ${tau(counts)}`);
    assert.ok(counts.draftForwards >= counts.targetForwards);
    assert.ok(timings.promptMs <= timings.firstTokenMs && timings.firstTokenMs <= timings.totalMs);
    assert.ok(timings.draftMs + timings.verifyMs <= timings.totalMs);
  });

  it("draws other texts from other seeds, the same from the same", async () => {
    const sampled = { ...samplers[1]!, seed: 3 };
    const texts = new Set<string>();
    for (const seed of [1, 2, 3, 3, 2 ** 53 - 1]) {
      const result = await decodePlainly(fresh(), request(prompt(10), { sampling: { ...sampled, seed } }));
      texts.add(result.tokens.join());
    }
    assert.equal(texts.size, 4);
  });
});

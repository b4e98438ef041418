import assert from "node:assert/strict";
import { join } from "node:path";
import { CpuHead } from "../../src/engine/cpu/cpuHead.ts";
import { packHead } from "../../src/engine/cpu/packHead.ts";
import { featureSmoothing } from "../../src/engine/cpu/packTarget.ts";
import { decode } from "../../src/engine/decoding/decoder.ts";
import type { DraftHead } from "../../src/engine/decoding/draftHead.ts";
import type { Method } from "../../src/engine/decoding/method.ts";
import { uniform } from "../../src/engine/decoding/random.ts";
import { maximumRows } from "../../src/engine/decoding/tree.ts";
import { HeadFile } from "../../src/engine/model/headFile.ts";
import type { HeadKind } from "../../src/engine/model/headKinds.ts";
import { decodePlainly, request, samplers, strategyOf } from "./decoding.ts";
import { writeRandomHead } from "./randomHead.ts";
import { packTiny, randomTokens, type ScratchTarget, tinyModels } from "./scratchTarget.ts";
import { ScriptedHead } from "./scriptedHead.ts";

const capacity = 256;
const maxTokens = 20;

interface Drafting {
  readonly name: string;
  readonly method: Method;
  readonly head?: (scratch: ScratchTarget) => Promise<DraftHead>;
  /** Every how manieth tree size is tried: the runtime's own heads take their time. */
  readonly stride?: number;
}

const kinds: readonly HeadKind[] = ["jakiro", "jakiro-star", "eagle"];
const draftings: readonly Drafting[] = [
  { name: "lookup", method: "lookup" },
  ...kinds.map((kind) => ({ name: `a ${kind} head that mostly knows`, method: kind, head: scripted(kind) })),
  { name: "auto with such a head", method: "auto", head: scripted("jakiro") },
  ...kinds.map((kind) => ({ name: `an untrained ${kind} head`, method: kind, head: untrained(kind), stride: 3 })),
];

function scripted(kind: HeadKind) {
  return async ({ checkpoint: { config } }: ScratchTarget) => new ScriptedHead(kind, config.hidden, config.vocabulary);
}

function untrained(kind: HeadKind) {
  return async ({ checkpoint, target, folder }: ScratchTarget) => {
    const path = writeRandomHead(join(folder, kind), checkpoint.config, { kind });
    const packed = await packHead({
      file: HeadFile.open(path, checkpoint.config),
      checkpoint,
      target: target.packed,
      featureSmoothing: featureSmoothing(target.packed),
      format: "int8",
      root: folder,
    });
    return (await CpuHead.load(packed, target, 2)).sequence();
  };
}

/** Random tokens, some of them repeated: retrieval needs something to find. */
function promptOf(vocabulary: number, seed: number): number[] {
  const length = 1 + Math.floor(uniform(seed, 900) * 150);
  const tokens = randomTokens(length, vocabulary, seed);
  const period = 1 + Math.floor(uniform(seed, 901) * 30);
  return seed % 3 === 0 ? tokens.map((_, i) => tokens[i % period]!) : tokens;
}

describe("identity with plain decoding", function () {
  this.timeout(300_000);
  for (const model of tinyModels) {
    describe(`on ${model}, every tree size from 2 to 64, and the largest`, () => {
      let scratch: ScratchTarget;
      before(async () => {
        scratch = await packTiny(model, "int8");
      });
      after(() => scratch.release());

      for (const [index, { name, method, head: makeHead, stride = 1 }] of draftings.entries()) {
        it(`holds with ${name}`, async () => {
          const { vocabulary } = scratch.checkpoint.config;
          const head = await makeHead?.(scratch);
          // One sequence serves all requests, as in an editor; plain decoding starts on an empty cache each time.
          const sequence = scratch.target.sequence(capacity);
          let accepted = 0;
          const usual = Array.from({ length: Math.ceil(63 / stride) }, (_, i) => 2 + (index % stride) + i * stride);
          // 0 stands for those that the budget chooses.
          for (const nodes of [...usual, maximumRows, 0]) {
            const seed = index * 1000 + nodes;
            const prompt = promptOf(vocabulary, seed);
            const endTokens = new Set(nodes % 4 === 0 ? randomTokens(6, vocabulary, seed) : []);
            const sampling = { ...samplers[nodes % samplers.length]!, seed };
            const asked = request(prompt, { maxTokens, sampling, endTokens });
            const expected = await decodePlainly(scratch.target.sequence(capacity), asked);
            if (head instanceof ScriptedHead) head.script = [...prompt, ...expected.tokens];

            const sizes =
              nodes === 0 ? {} : { nodes, ...(nodes % 5 === 0 ? { depth: 2 + (nodes % 7), branching: 3 } : {}) };
            const actual = await decode(sequence, strategyOf(method, sizes, head), asked);
            const what = `${nodes} nodes, prompt of ${prompt.length}, ${JSON.stringify(sampling)}`;
            assert.deepEqual(actual.tokens, expected.tokens, what);
            assert.equal(actual.finishReason, expected.finishReason, what);
            accepted += actual.statistics.counts.decodedTokens - actual.statistics.counts.targetForwards;
          }
          assert.ok(accepted > 0, "nothing drafted was ever accepted: the test tested nothing");
        });
      }

      it("holds through a session of requests that share prefixes, with one strategy that learns", async () => {
        const { config } = scratch.checkpoint;
        const head = new ScriptedHead("jakiro", config.hidden, config.vocabulary);
        const sequence = scratch.target.sequence(capacity);
        const strategy = strategyOf("auto", {}, head);
        let prompt = promptOf(config.vocabulary, 5);
        for (let step = 0; step < 60; step++) {
          const sampling = { ...samplers[step % samplers.length]!, seed: step };
          const asked = request(prompt, { maxTokens, sampling });
          const expected = await decodePlainly(scratch.target.sequence(capacity), asked);
          head.script = [...prompt, ...expected.tokens];
          const actual = await decode(sequence, strategy, asked);
          assert.deepEqual(actual.tokens, expected.tokens, `step ${step}`);
          // A person types on, takes what was offered, or goes back and writes something else.
          const typed = randomTokens(1 + (step % 3), config.vocabulary, step);
          const kept = Math.max(1, prompt.length - 1 - Math.floor(uniform(step, 3) * 40));
          const next = [
            [...prompt, ...typed],
            [...prompt, ...actual.tokens.slice(0, 1 + (step % maxTokens))],
            [...prompt.slice(0, kept), ...typed],
          ][Math.floor(uniform(step, 4) * 3)]!;
          prompt = next.length < capacity - 1 ? next : next.slice(0, 20);
        }
      });
    });
  }
});

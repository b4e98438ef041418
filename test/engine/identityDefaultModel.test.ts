import assert from "node:assert/strict";
import type { Method } from "../../src/engine/decoding/method.ts";
import { greedy, type SamplingOptions } from "../../src/engine/decoding/sampling.ts";
import { tau } from "../../src/engine/decoding/statistics.ts";
import { Engine } from "../../src/engine/engine.ts";
import { defaultModelPath, packingLimitMs } from "./realModel.ts";

const maxTokens = 24;

/** Beginnings that go on predictably, that do not, and an edit where much is repeated. */
const prompts: readonly string[] = [
  'def is_palindrome(text: str) -> bool:\n    """Whether the text reads the same backwards."""\n',
  "export class Stack<T> {\n  private readonly items: T[] = [];\n\n  push(item: T): void {\n",
  "<|fim_prefix|>const total = prices\n  .filter((price) => price > 0)\n  <|fim_suffix|>;\nconsole.log(total);\n<|fim_middle|>",
  `x = [${Array.from({ length: 24 }, (_, i) => `"item_${i}"`).join(", ")}]\ny = ["item_0", "item_1", `,
];

const samplings: readonly SamplingOptions[] = [greedy, { temperature: 0.8, topK: 0, topP: 0.95, seed: 42 }];

describe("the default model", function () {
  this.timeout(packingLimitMs);
  let engine: Engine;
  before(async () => {
    engine = await Engine.load({ path: defaultModelPath() });
  });
  after(() => engine?.release());

  function encode(prompt: string): number[] {
    // FIM tokens are no text: encode never makes them.
    return prompt
      .split(/(<\|fim_\w+\|>)/)
      .flatMap((part) => (part.startsWith("<|fim_") ? [engine.tokenizer.id(part)!] : engine.tokenizer.encode(part)));
  }

  it("says the same by every method, greedily and sampled, and accepts drafts on the way", async () => {
    const methods: Method[] = ["lookup", ...engine.headKinds, "auto"];
    const requests = prompts.flatMap((prompt) => {
      const { endTokens } = engine.tokenizer;
      return samplings.map((sampling) => ({ prompt: encode(prompt), maxTokens, sampling, endTokens }));
    });
    const plain = await engine.session("plain");
    const expected = [];
    for (const request of requests) {
      plain.reset();
      expected.push(await plain.decode(request));
    }
    assert.ok(expected.some(({ tokens }) => tokens.length === maxTokens));
    for (const method of methods) {
      const session = await engine.session(method, method === "auto" ? {} : { nodes: 24 });
      let best = 0;
      for (const [i, request] of requests.entries()) {
        session.reset();
        const { tokens, finishReason, statistics } = await session.decode(request);
        assert.deepEqual(tokens, expected[i]!.tokens, `${method}, request ${i}`);
        assert.equal(finishReason, expected[i]!.finishReason);
        best = Math.max(best, tau(statistics.counts));
      }
      assert.ok(best > 1.2, `${method} never accepted much: tau ${best}`);
    }
  });
});

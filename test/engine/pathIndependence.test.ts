import assert from "node:assert/strict";
import type { CpuTarget } from "../../src/engine/cpu/cpuTarget.ts";
import { randomCheckpoint } from "../unit/cpu/randomCheckpoint.ts";
import { assertSameRow, chain, compareTree, extend, randomTree, rowBits } from "./pathComparison.ts";
import { openDefaultTarget, packingLimitMs } from "./realModel.ts";
import { packScratch, packTiny, randomTokens, tinyModels } from "./scratchTarget.ts";

/** Cached tokens before the tree: trees of depth 8 from here cross every kind of bucket edge (64, 128, 512, 640, 1024, 2048). */
const realLengths = [1, 57, 60, 63, 64, 65, 124, 505, 511, 513, 1020, 2045];
const treeSizes = [9, 12, 16, 31, 9, 16, 24, 9, 12, 10, 9, 9];
const deepest = 8;

describe("path independence", function () {
  this.timeout(60_000);
  for (const model of tinyModels) {
    it(`holds on ${model} for trees of every size`, async () => {
      const { target, release } = await packTiny(model, "int8");
      try {
        await checkEveryTreeSize(target);
      } finally {
        await release();
      }
    });
  }

  it("holds with 4-bit weights", async () => {
    const { target, release } = await packScratch(randomCheckpoint(), "int4");
    try {
      await checkEveryTreeSize(target);
    } finally {
      await release();
    }
  });

  describe("on the default model", function () {
    this.timeout(packingLimitMs);
    let target: CpuTarget;
    let text: readonly number[];
    before(async () => {
      const opened = await openDefaultTarget();
      target = opened.target;
      text = opened.tokenizer.encode(sourceText());
    });
    after(() => target?.release());

    it("gives every node of random trees the bits of plain decoding along its path", async () => {
      // One sequence prefills in large chunks, the other in small ones; both reuse their prefixes from length to length.
      const tree = target.sequence(2304);
      const plain = target.sequence(2304);
      assert.ok(text.length >= Math.max(...realLengths) + 64);
      for (const [i, length] of realLengths.entries()) {
        const prompt = text.slice(0, length);
        await extend(tree, prompt, 128);
        await extend(plain, prompt, 17);
        const next = text.slice(length, length + 64);
        await compareTree(tree, plain, randomTree(text[length]!, treeSizes[i]!, deepest, next, i), `${length} cached`);
      }
    });

    it("goes on from an accepted path, a shortened and a foreign cache as from a fresh one", async () => {
      const length = 60;
      const prompt = text.slice(0, length);
      const continuation = text.slice(length, length + 9);
      const fresh = target.sequence(1024);
      await extend(fresh, [...prompt, ...continuation], 128);
      const expected = rowBits(fresh, await fresh.forward(chain([text[69]!]), "logits"), 0, 1);

      const accepted = target.sequence(1024);
      await extend(accepted, prompt, 64);
      // The path taken is every second row of a tree that also holds siblings nobody takes.
      const tokens = continuation.flatMap((token, depth) => [token + 1, token].slice(depth === 0 ? 1 : 0));
      const taken = continuation.map((_, depth) => 2 * depth);
      const parents = tokens.map((_, row) => (row === 0 ? -1 : 2 * Math.floor((row - 1) / 2)));
      await accepted.forward({ tokens, parents }, "none");
      accepted.commit(taken);
      assert.deepEqual(accepted.tokens, fresh.tokens);

      const shortened = target.sequence(1024);
      await extend(shortened, text.slice(0, 300), 100);
      shortened.trim(40);
      await extend(shortened, [...prompt, ...continuation], 7);

      const foreign = target.sequence(1024);
      await extend(foreign, text.slice(100, 700), 128);
      foreign.trim(0);
      await extend(foreign, [...prompt, ...continuation], 69);

      for (const [name, sequence] of Object.entries({ accepted, shortened, foreign })) {
        const result = await sequence.forward(chain([text[69]!]), "logits");
        assertSameRow(rowBits(sequence, result, 0, 1), expected, name);
      }
    });

    it("chooses the same token by argmax as by logits", async () => {
      const sequence = target.sequence(1024);
      const rows = chain(text.slice(0, 24));
      const { logits } = await sequence.forward(rows, "logits");
      const { argmax } = await sequence.forward(rows, "argmax");
      const { vocabulary } = target.checkpoint.config;
      for (const [row, token] of argmax!.entries()) {
        const own = logits!.subarray(row * vocabulary, (row + 1) * vocabulary);
        assert.equal(token, own.indexOf(own.reduce((best, value) => Math.max(best, value))));
      }
    });
  });
});

async function checkEveryTreeSize(target: CpuTarget): Promise<void> {
  const { vocabulary } = target.checkpoint.config;
  const text = randomTokens(400, vocabulary, 5);
  const tree = target.sequence(400);
  const plain = target.sequence(400);
  for (let nodes = 1; nodes <= 64; nodes++) {
    const prompt = text.slice(0, 1 + Math.floor(nodes * 4.9));
    await extend(tree, prompt, 50);
    await extend(plain, prompt, 3);
    const draw = randomTokens(64, vocabulary, nodes);
    await compareTree(
      tree,
      plain,
      randomTree(nodes, nodes, Math.min(nodes - 1, deepest), draw, nodes),
      `${nodes} nodes`,
    );
  }
}

/** Some hundred lines of ordinary code, made here: what they say does not matter, that they are likely does. */
function sourceText(): string {
  const blocks = Array.from(
    { length: 40 },
    (_, i) =>
      `def step_${i}(values, limit=${i * 7}):\n    """Adds what is below the limit."""\n    total = 0\n` +
      `    for index, value in enumerate(values):\n        if value < limit and index % ${i + 2} == 0:\n` +
      "            total += value\n    return total\n\n\n",
  );
  return blocks.join("");
}

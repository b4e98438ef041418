import assert from "node:assert/strict";
import { acceptPath } from "../../../src/engine/decoding/acceptance.ts";
import { chooseToken, drawToken, keepTokens, type SamplingOptions } from "../../../src/engine/decoding/sampling.ts";
import type { TokenRows } from "../../../src/engine/decoding/target.ts";
import { nameOf, pathTo, referenceDistribution, samplers, toyLogits, toyTree } from "./toyModel.ts";

const prompt = [0, 1];

/** Decodes `length` tokens in rounds of tree verification; `choose` is the sampler in a context. */
function decodeWithTrees(
  length: number,
  treeFor: (context: number[]) => TokenRows,
  choose: (context: number[], position: number) => number,
  endTokens: ReadonlySet<number> = new Set(),
): number[] {
  const context = [...prompt];
  for (;;) {
    const rows = treeFor(context);
    const { path, tokens, ended } = acceptPath(
      rows,
      (row, position) => choose([...context, ...pathTo(rows, row)], position),
      context.length,
      { endTokens, limit: prompt.length + length - context.length },
    );
    assert.equal(path.length, tokens.length);
    context.push(...tokens);
    if (ended || context.length >= prompt.length + length) return context.slice(prompt.length);
  }
}

/** Every cut of the unit interval at which a draw at this depth changes its token in some context. */
function breakpoints(depth: number, vocabulary: number, salt: number, options: SamplingOptions): number[] {
  const cuts = new Set([0, 1]);
  const visit = (context: number[]) => {
    if (context.length < prompt.length + depth) {
      for (let token = 0; token < vocabulary; token++) visit([...context, token]);
      return;
    }
    const { weights, total } = keepTokens(toyLogits(context, vocabulary, salt), options);
    let mass = 0;
    for (const weight of weights) {
      mass += weight;
      cuts.add(Math.min(1, mass / total));
    }
  };
  visit([...prompt]);
  return [...cuts].sort((a, b) => a - b);
}

/** Law of three tokens of plain sampling, from the reference distribution. */
function plainLaw(vocabulary: number, salt: number, options: SamplingOptions): Map<string, number> {
  const law = new Map<string, number>();
  const visit = (text: number[], probability: number) => {
    if (probability === 0) return;
    if (text.length === 3) {
      law.set(text.join(), probability);
      return;
    }
    const distribution = referenceDistribution(toyLogits([...prompt, ...text], vocabulary, salt), options);
    distribution.forEach((next, token) => {
      visit([...text, token], probability * next);
    });
  };
  visit([], 1);
  return law;
}

/** Law of three tokens of tree decoding: the draws' unit cube is cut into the boxes in which nothing changes. */
function treeLaw(vocabulary: number, salt: number, options: SamplingOptions): Map<string, number> {
  const cuts = [0, 1, 2].map((depth) => breakpoints(depth, vocabulary, salt, options));
  const kept = new Map<string, ReturnType<typeof keepTokens>>();
  const keptIn = (context: number[]) => {
    const key = context.join();
    let found = kept.get(key);
    if (!found) {
      const { ids, weights, total } = keepTokens(toyLogits(context, vocabulary, salt), options);
      found = { ids: ids.slice(), weights: weights.slice(), total };
      kept.set(key, found);
    }
    return found;
  };
  const trees = new Map<string, TokenRows>();
  const treeFor = (context: number[]) => {
    const key = context.join();
    const tree = trees.get(key) ?? toyTree(context, vocabulary, 6, salt + 1);
    trees.set(key, tree);
    return tree;
  };
  const law = new Map<string, number>();
  const box = (draws: number[], volume: number) => {
    const axis = cuts[draws.length];
    if (axis) {
      for (let i = 1; i < axis.length; i++) {
        const width = axis[i]! - axis[i - 1]!;
        if (width > 1e-14) box([...draws, (axis[i]! + axis[i - 1]!) / 2], volume * width);
      }
      return;
    }
    const text = decodeWithTrees(3, treeFor, (context, position) =>
      drawToken(keptIn(context), draws[position - prompt.length]!),
    );
    law.set(text.join(), (law.get(text.join()) ?? 0) + volume);
  };
  box([], 1);
  return law;
}

describe("acceptance", () => {
  // root 9 -> {1 -> {2, 3 -> {4}}, 5}
  const rows: TokenRows = { tokens: [9, 1, 5, 2, 3, 4], parents: [-1, 0, 0, 1, 1, 4] };
  const walks: [string, number[], { path: number[]; tokens: number[]; ended: boolean }][] = [
    ["rejects at the root", [7], { path: [0], tokens: [7], ended: false }],
    [
      "descends to a leaf and emits its bonus token",
      [1, 3, 4, 8],
      { path: [0, 1, 4, 5], tokens: [1, 3, 4, 8], ended: false },
    ],
    ["stops where no child matches", [1, 4], { path: [0, 1], tokens: [1, 4], ended: false }],
    ["does not take another node's child", [5, 2], { path: [0, 2], tokens: [5, 2], ended: false }],
    ["ends at an end token though a child proposes it", [1, 2], { path: [0, 1], tokens: [1, 2], ended: true }],
  ];
  for (const [name, draws, expected] of walks) {
    it(name, () => {
      const positions: number[] = [];
      const choose = (_row: number, position: number) => {
        positions.push(position);
        return draws[position - 100]!;
      };
      assert.deepEqual(
        acceptPath(rows, choose, 100, { endTokens: new Set([2].filter(() => expected.ended)) }),
        expected,
      );
      assert.deepEqual(
        positions,
        draws.map((_, i) => 100 + i),
        "one draw per visited row",
      );
    });
  }

  it("stops at the limit", () => {
    const accepted = acceptPath(rows, (_row, position) => [1, 3, 4, 8][position]!, 0, { limit: 2 });
    assert.deepEqual(accepted, { path: [0, 1], tokens: [1, 3], ended: false });
  });

  for (const options of samplers.filter(({ temperature }) => temperature > 0)) {
    it(`has exactly the law of plain sampling: ${nameOf(options)}`, () => {
      for (const [vocabulary, salt] of [
        [4, 1],
        [4, 2],
        [5, 3],
      ] as const) {
        const plain = plainLaw(vocabulary, salt, options);
        const tree = treeLaw(vocabulary, salt, options);
        for (const text of new Set([...plain.keys(), ...tree.keys()])) {
          const difference = Math.abs((plain.get(text) ?? 0) - (tree.get(text) ?? 0));
          assert.ok(difference < 1e-12, `${text}: ${plain.get(text)} plain, ${tree.get(text)} with trees`);
        }
      }
    });
  }

  for (const options of samplers) {
    it(`gives plain decoding's text with the same seed: ${nameOf(options)}`, () => {
      const vocabulary = 6;
      const endTokens = new Set([5]);
      let accepted = 0;
      for (let seed = 0; seed < 2000; seed++) {
        const salt = seed % 50;
        const choose = (context: number[], position: number) =>
          chooseToken(toyLogits(context, vocabulary, salt), { ...options, seed }, position);
        const plain: number[] = [];
        while (plain.length < 16 && !endTokens.has(plain.at(-1)!)) {
          plain.push(choose([...prompt, ...plain], prompt.length + plain.length));
        }
        let rounds = 0;
        const treeFor = (context: number[]) => {
          rounds++;
          return toyTree(context, vocabulary, 1 + (seed % 12), seed);
        };
        assert.deepEqual(decodeWithTrees(16, treeFor, choose, endTokens), plain, `seed ${seed}`);
        accepted += plain.length - rounds;
      }
      assert.ok(accepted > 2000, "the trees must have been accepted now and then");
    });
  }
});

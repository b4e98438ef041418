import assert from "node:assert/strict";
import { acceptPath } from "../../src/engine/decoding/acceptance.ts";
import { DraftTree, draftSources } from "../../src/engine/decoding/tree.ts";
import { accept, moveAccepted } from "../../src/engine/gpu/acceptReference.ts";
import {
  decodeOutcome,
  finishedByHost,
  outcomeWords,
  poolSize,
  type RoundShape,
  type SequenceStart,
  sequenceOffsets,
  sequenceWords,
} from "../../src/engine/gpu/roundLayout.ts";
import { RoundTrial } from "../../src/engine/gpu/roundTrial.ts";
import { isPadding } from "../../src/engine/gpu/treeReference.ts";
import { randomSource } from "./freshRandom.ts";
import { Rig } from "./rig.ts";
import { planOf, startOf } from "./sequences.ts";

/** Few tokens, so that the same one is proposed in many places; children of one node differ. */
function randomTree(random: () => number, nodes: number, levels: number): DraftTree {
  const tree = new DraftTree(3);
  for (let tries = 0; tries < 50 * nodes && tree.size < nodes; tries++) {
    const parent = Math.floor(random() ** 2 * tree.size);
    if (tree.depth(parent) < levels) tree.add(parent, Math.floor(random() * 9), -random(), draftSources.head);
  }
  return tree;
}

/** One path, as deep as the rows allow. */
function chainTree(levels: number): DraftTree {
  const tree = new DraftTree(3);
  for (let level = 0; level < levels; level++) tree.add(level, level, -1, draftSources.head);
  return tree;
}

/** That has no limits and no end tokens: all of its trees are accepted. */
const chainTrial = 7;

describe("accept on the GPU", () => {
  let rig: Rig;
  before(async () => {
    rig = await Rig.open();
  });
  after(() => rig.close());

  /** Words of a sequence's state behind what the host has written: length, root, emitted, finished, rounds. */
  async function stateOf(round: RoundTrial, sequence: number): Promise<number[]> {
    const words = await rig.read(round.buffers.sequences);
    return [...words.subarray(sequence * sequenceWords + 27, (sequence + 1) * sequenceWords)];
  }

  for (const [rows, levels] of [
    [1, 1],
    [2, 1],
    [7, 3],
    [60, 6],
    [64, 8],
  ] as const) {
    const shape: RoundShape = { sequences: 4, rows, branching: 4, levels, branches: 1 };
    it(`walks trees of up to ${rows} rows as the CPU does and says what comes next`, async () => {
      const cache = { layers: 2, slots: 600, width: 67 };
      const round = await RoundTrial.create(rig.compiler, planOf(shape, { cache }));
      const random = randomSource(rows);
      const reasons = new Set<string | undefined>();
      let longest = 0;
      for (let trial = 0; trial < 12; trial++) {
        const starts = Array.from({ length: shape.sequences }, (_, s): SequenceStart => {
          // Whatever the numbers, the first sequence ends for each reason once; other sequences do in other places.
          const ends = s === 0 ? [...Array(9).keys()] : [Math.floor(random() * 9), 8];
          const end = trial % 3 === 0 ? ends : [];
          return startOf(s, {
            region: 130 * s + 5,
            capacity: 39 + (trial % 4 === 1 ? s * Math.floor(random() * 4) : 81),
            length: 37,
            tokenLimit: trial % 4 === 2 ? 1 + s * Math.floor(random() * 2) : 100,
            endTokens: new Set(end),
            root: 3,
          });
        });
        const trees = starts.map((start, s) => {
          const most = Math.min(2 * rows, poolSize(shape));
          const tree =
            trial === chainTrial ? chainTree(levels) : randomTree(random, 1 + Math.floor(random() * most), levels);
          round.start(s, start);
          round.writeTree(s, tree);
          return tree;
        });
        round.run(round.dispatches.verify);
        const proposed = trees.map((tree, s) => tree.rerank(Math.min(rows, starts[s]!.capacity - 37)));
        const chosen = Uint32Array.from({ length: shape.sequences * rows }, (_, i) => {
          const row = i % rows;
          const { tokens, parents } = proposed[Math.floor(i / rows)]!;
          const children = [...tokens.keys()].filter((child) => parents[child] === row);
          const child = children[Math.floor(random() * (trial === chainTrial ? 1 : 1.1) * children.length)];
          return child === undefined ? Math.floor(random() * 9) : tokens[child]!;
        });
        rig.write(round.buffers.chosen, chosen);
        const words = Uint32Array.from({ length: round.inputs.cache.size / 4 }, () => random() * 2 ** 32);
        rig.write(round.inputs.cache, words);
        rig.poison(round.buffers.outcomes, ...Object.values(round.buffers.first));
        round.run(...round.dispatches.accept);

        const outcomes = await rig.read(round.buffers.outcomes);
        const moves = [];
        for (const [s, start] of starts.entries()) {
          const own = chosen.subarray(s * rows, (s + 1) * rows);
          const expected = accept(proposed[s]!, own, start, { length: 37, root: 3, emitted: 0 });
          const { length, root, emitted, finishReason, path, tokens } = expected;
          const limit = Math.min(start.tokenLimit, start.capacity - 38);
          const { endTokens } = start;
          const walk = acceptPath(proposed[s]!, (row) => own[row]!, 38, { endTokens, limit });
          assert.deepEqual({ path: walk.path, tokens: walk.tokens }, { path, tokens });
          reasons.add(finishReason);
          longest = Math.max(longest, path.length);

          const outcome = decodeOutcome(outcomes, shape, s)!;
          assert.deepEqual(outcome.accepted, walk);
          assert.equal(outcome.finishReason, finishReason);
          assert.deepEqual([outcome.round, outcome.length, outcome.emitted], [1, length, emitted]);
          assert.deepEqual(outcome.drafted, trees[s]!.size);
          assert.deepEqual(outcome.rows, { tokens: proposed[s]!.tokens, parents: proposed[s]!.parents });
          assert.deepEqual(
            outcome.claims.map(({ raw }) => raw * 2 ** 24),
            [...proposed[s]!.nodes].map((node) => 7 * node),
          );
          const reason = ["end", "length", "context"].indexOf(finishReason ?? "") + 1;
          assert.deepEqual(await stateOf(round, s), [length, root, emitted, reason, 1]);
          moves.push({ base: start.region + 37, path });

          const found = await round.rows(round.buffers.first, s, levels + 1);
          const padding = levels + 1 - (finishReason === undefined ? path.length : 0);
          assert.deepEqual(
            found.map(isPadding),
            [...found.keys()].map((i) => i < padding),
          );
          const { headRegion } = start;
          assert.deepEqual(
            found.slice(padding).map(({ path: _, ...row }) => row),
            found.slice(padding).map((_, i) => ({
              token: tokens[i],
              position: 37 + i,
              region: headRegion,
              contiguous: 37,
              slot: headRegion + 37 + i,
              sequence: s,
              parent: s * rows + path[i]!,
              slots: Array.from({ length: i + 1 }, (_, j) => headRegion + 37 + j),
            })),
          );
        }
        assert.deepEqual(await rig.read(round.inputs.cache), moveAccepted(words, cache, moves));
      }
      if (rows < 60) return;
      assert.deepEqual([...reasons].sort(), ["context", "end", "length", undefined]);
      assert.equal(longest, levels + 1);
    });
  }

  it("leaves a sequence that has finished as it is and says that nothing was accepted", async () => {
    const shape: RoundShape = { sequences: 2, rows: 7, branching: 3, levels: 3, branches: 1 };
    const cache = { layers: 1, slots: 2000, width: 5 };
    const round = await RoundTrial.create(rig.compiler, planOf(shape, { cache }));
    for (let s = 0; s < 2; s++) round.start(s, startOf(s, { tokenLimit: s === 0 ? 1 : 100 }));
    rig.write(round.buffers.sequences, Uint32Array.of(finishedByHost), sequenceWords + sequenceOffsets.finished / 4);
    for (let s = 0; s < 2; s++) round.writeTree(s, randomTree(randomSource(s), 20, 3));
    rig.write(round.buffers.chosen, new Uint32Array(14).fill(2));
    round.run(round.dispatches.verify, ...round.dispatches.accept);
    const ended = [await stateOf(round, 0), await stateOf(round, 1)];
    assert.deepEqual(ended, [
      [11, 2, 1, 2, 1],
      [10, 1, 0, finishedByHost, 0],
    ]);
    const cacheBefore = await rig.read(round.inputs.cache);
    rig.poison(round.buffers.outcomes, ...Object.values(round.buffers.first));
    round.run(round.dispatches.verify, ...round.dispatches.accept);
    assert.deepEqual([await stateOf(round, 0), await stateOf(round, 1)], ended);
    const outcomes = await rig.read(round.buffers.outcomes);
    assert.deepEqual(
      [0, 1].map((s) => decodeOutcome(outcomes, shape, s)),
      [undefined, undefined],
    );
    assert.deepEqual(outcomes.subarray(8, outcomeWords(shape)), new Uint32Array(outcomeWords(shape) - 8));
    assert.deepEqual(await rig.read(round.inputs.cache), cacheBefore);
    for (let s = 0; s < 2; s++) assert.ok((await round.rows(round.buffers.first, s, 4)).every(isPadding));
  });
});

import assert from "node:assert/strict";
import { DraftTree, draftSources } from "../../src/engine/decoding/tree.ts";
import { finishedByHost, type RoundShape, sequenceOffsets, sequenceWords } from "../../src/engine/gpu/roundLayout.ts";
import { RoundTrial } from "../../src/engine/gpu/roundTrial.ts";
import { isPadding, ReferenceTree, rerank } from "../../src/engine/gpu/treeReference.ts";
import { randomSource } from "./freshRandom.ts";
import { Rig } from "./rig.ts";
import { planOf, startOf } from "./sequences.ts";

/** A tree of random shape in which a third of the nodes are as likely as their parents. */
function randomTree(random: () => number, nodes: number, levels: number): DraftTree {
  const tree = new DraftTree(1);
  while (tree.size < nodes) {
    const parent = Math.floor(random() * tree.size);
    if (tree.depth(parent) < levels) {
      tree.add(parent, 1000 + tree.size, -Math.floor(random() * 9) / 8, draftSources.head);
    }
  }
  return tree;
}

describe("rerank on the GPU", () => {
  let rig: Rig;
  before(async () => {
    rig = await Rig.open();
  });
  after(() => rig.close());

  for (const [rows, branching, levels] of [
    [64, 10, 6],
    [60, 7, 3],
    [7, 2, 5],
    [2, 3, 4],
    [1, 4, 2],
    [64, 16, 8],
  ] as const) {
    const shape: RoundShape = { sequences: 3, rows, branching, levels, branches: 1 };
    it(`chooses up to ${rows} rows of trees of ${levels} levels as the CPU does`, async () => {
      const round = await RoundTrial.create(rig.compiler, planOf(shape));
      const random = randomSource(rows + branching);
      const most = 1 + branching + (levels - 1) * branching ** 2;
      for (const size of [1, 2, 5, rows, Math.min(most, 77), most]) {
        if (size > most) continue;
        const trees = Array.from({ length: shape.sequences }, () => randomTree(random, size, levels));
        const starts = trees.map((_, s) => startOf(s, { nodes: [1_000, 3, rows][s]!, length: 20 + s }));
        for (const [s, tree] of trees.entries()) {
          round.start(s, starts[s]!);
          round.writeTree(s, tree);
        }
        rig.poison(...Object.values(round.buffers.verification));
        round.run(round.dispatches.verify);
        for (const [s, tree] of trees.entries()) {
          const start = starts[s]!;
          const found = await round.rows(round.buffers.verification, s, rows);
          const used = found.filter((row) => !isPadding(row));
          const expected = rerank(ReferenceTree.of(tree), start.nodes, { ...start, sequence: s }, rows);
          assert.deepEqual(
            used.map(({ path: _, ...row }) => row),
            expected.map(({ node: _, ...row }) => row),
          );
          assert.deepEqual(found.slice(0, used.length), used);
          const cpu = tree.rerank(Math.min(start.nodes, rows));
          assert.deepEqual(
            used.map(({ token }) => token),
            [...cpu.tokens],
          );
          assert.deepEqual(
            used.map(({ parent }) => (parent < 0 ? -1 : parent - s * rows)),
            [...cpu.parents],
          );
          const device = await round.tree(s);
          assert.equal(device.rows, used.length);
          assert.deepEqual(
            device.claims,
            Array.from({ length: rows }, (_, row) => (row < used.length ? 7 * cpu.nodes[row]! : 0)),
          );
        }
      }
    });
  }

  const small: RoundShape = { sequences: 2, rows: 9, branching: 4, levels: 3, branches: 1 };

  it("keeps to the slots that a sequence has", async () => {
    const round = await RoundTrial.create(rig.compiler, planOf(small));
    const tree = randomTree(randomSource(3), 30, 3);
    for (const [s, length] of [95, 98].entries()) {
      round.start(s, startOf(s, { capacity: 100, length }));
      round.writeTree(s, tree);
    }
    round.run(round.dispatches.verify);
    const counts = [];
    for (let s = 0; s < 2; s++) {
      counts.push((await round.rows(round.buffers.verification, s, 9)).filter((row) => !isPadding(row)).length);
    }
    assert.deepEqual(counts, [5, 2]);
  });

  it("writes padding rows alone for a sequence that has finished", async () => {
    const round = await RoundTrial.create(rig.compiler, planOf(small));
    for (let s = 0; s < 2; s++) {
      round.start(s, startOf(s));
      round.writeTree(s, randomTree(randomSource(4), 30, 3));
    }
    rig.write(round.buffers.sequences, Uint32Array.of(finishedByHost), sequenceWords + sequenceOffsets.finished / 4);
    round.run(round.dispatches.verify);
    assert.ok(!(await round.rows(round.buffers.verification, 0, 9)).some(isPadding));
    const rows = await round.rows(round.buffers.verification, 1, 9);
    assert.ok(rows.every(isPadding));
    for (const { region, slots } of rows) assert.deepEqual(slots, [region]);
  });
});

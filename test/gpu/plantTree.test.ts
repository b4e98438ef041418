import assert from "node:assert/strict";
import { nodeWords, noNode, poolSize, type RoundShape, treeWords } from "../../src/engine/gpu/roundLayout.ts";
import { RoundTrial } from "../../src/engine/gpu/roundTrial.ts";
import { ReferenceTree } from "../../src/engine/gpu/treeReference.ts";
import { poison } from "../../src/engine/gpu/trial.ts";
import { randomSource, randomWords } from "./freshRandom.ts";
import { Rig } from "./rig.ts";
import { planOf, startOf } from "./sequences.ts";

/** Larger than any vocabulary that kernels draw from, and smaller than what stands for no token. */
const tokens = 2 ** 24;

describe("plantTree on the GPU", () => {
  let rig: Rig;
  before(async () => {
    rig = await Rig.open();
  });
  after(() => rig.close());

  for (const shape of [
    { sequences: 1, rows: 1, branching: 1, levels: 0, branches: 1 },
    { sequences: 3, rows: 7, branching: 2, levels: 5, branches: 1 },
    { sequences: 2, rows: 60, branching: 8, levels: 7, branches: 2, chain: 31 },
    { sequences: 64, rows: 4, branching: 3, levels: 2, branches: 1 },
  ] as const satisfies RoundShape[]) {
    it(`plants the roots of ${shape.sequences} with room for ${poolSize(shape)} nodes, and writes nothing else`, async () => {
      const round = await RoundTrial.create(rig.compiler, planOf(shape));
      const random = randomSource(shape.sequences);
      const words = treeWords(shape);
      // Twice: what a round before has left is as good as what was never written.
      for (const before of [
        new Uint32Array(shape.sequences * words).fill(poison),
        randomWords(shape.sequences * words, shape.rows),
      ]) {
        rig.write(round.buffers.trees, before);
        const roots = Array.from({ length: shape.sequences }, () => Math.floor(random() * tokens));
        for (const [s, root] of roots.entries()) round.start(s, startOf(s, { root }));
        round.run(round.dispatches.plant);

        const expected = before.slice();
        for (const [s, root] of roots.entries()) {
          const [node, ...others] = new ReferenceTree(root, shape.branching, () => 0).nodes;
          assert.ok(node !== undefined && others.length === 0);
          const [size, level, claim] = [1, 0, 0];
          expected.set([size, level], s * words);
          const parent = node.parent < 0 ? noNode : node.parent;
          const nodes = (s + 1) * words - nodeWords * poolSize(shape);
          // A value of 0 has the same bits as the integer.
          expected.set([node.token, parent, node.depth, node.value, claim], nodes);
        }
        assert.deepEqual(await rig.read(round.buffers.trees), expected);
      }
      round.release();
    });
  }
});

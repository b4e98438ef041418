import assert from "node:assert/strict";
import { mostOutputs, mostRows } from "../../../src/engine/gpu/forwardBuffers.ts";
import { batchShape } from "../../../src/engine/gpu/gpuBatch.ts";
import { checkRoundShape, pathLength } from "../../../src/engine/gpu/roundLayout.ts";

const widths = [1, 2, 4, 8, 16, 32];

describe("batchShape", () => {
  it("shares out what a forward has room for among up to 32 sequences", () => {
    for (const kind of ["jakiro", "jakiro-star", "eagle"] as const) {
      const rows = widths.map((sequences) => {
        const shape = batchShape(kind, {}, sequences)!;
        checkRoundShape(shape);
        assert.ok(sequences * shape.rows <= mostOutputs);
        assert.ok(sequences * shape.branching <= mostOutputs && sequences * pathLength(shape) <= mostRows);
        assert.ok(shape.levels < shape.rows && shape.branching < shape.rows, "no node of these can be verified");
        return shape.rows;
      });
      assert.deepEqual(rows, [16, 16, 16, 8, 4, 2]);
      assert.equal(batchShape(kind, {}, 64), undefined, "a root alone is no tree");
    }
  });

  it("gives plain decoding one row for each of as many sequences as a forward has rows", () => {
    assert.deepEqual(
      [1, 32, mostOutputs, 2 * mostOutputs].map((sequences) => batchShape(undefined, {}, sequences)?.rows),
      [1, 1, 1, undefined],
    );
  });

  it("keeps sizes that were fixed, or refuses", () => {
    assert.deepEqual(
      [1, 2, 4].map((sequences) => batchShape("jakiro", { nodes: 24, depth: 5, branching: 12 }, sequences)),
      [
        { sequences: 1, rows: 24, branching: 12, levels: 5, branches: 1 },
        { sequences: 2, rows: 24, branching: 12, levels: 5, branches: 1 },
        undefined,
      ],
    );
    assert.equal(batchShape("jakiro", { nodes: 60 }, 2), undefined);
  });
});

import assert from "node:assert/strict";
import { ladderOf } from "../../../src/engine/decoding/ladder.ts";
import { mostOutputs, mostRows } from "../../../src/engine/gpu/forwardBuffers.ts";
import { ladderShape, sharedShape } from "../../../src/engine/gpu/gpuBatch.ts";
import { checkRoundShape, pathLength } from "../../../src/engine/gpu/roundLayout.ts";

const widths = [2, 4, 8, 16, 32];

describe("sharedShape", () => {
  it("shares out what a forward has room for among up to 32 sequences", () => {
    for (const kind of ["jakiro", "jakiro-star", "eagle"] as const) {
      const rows = widths.map((sequences) => {
        const shape = sharedShape(kind, {}, sequences)!;
        checkRoundShape(shape);
        assert.ok(sequences * shape.rows <= mostOutputs);
        assert.ok(sequences * shape.branching <= mostOutputs && sequences * pathLength(shape) <= mostRows);
        assert.ok(shape.levels < shape.rows && shape.branching < shape.rows, "no node of these can be verified");
        return shape.rows;
      });
      assert.deepEqual(rows, [16, 16, 8, 4, 2]);
      assert.equal(sharedShape(kind, {}, 64), undefined, "a root alone is no tree");
    }
  });

  it("gives plain decoding one row for each of as many sequences as a forward has rows", () => {
    assert.deepEqual(
      [2, 32, mostOutputs, 2 * mostOutputs].map((sequences) => sharedShape(undefined, {}, sequences)?.rows),
      [1, 1, 1, undefined],
    );
  });

  it("keeps sizes that were fixed, or refuses", () => {
    assert.deepEqual(
      [2, 4].map((sequences) => sharedShape("jakiro", { nodes: 24, depth: 5, branching: 12 }, sequences)),
      [{ sequences: 2, rows: 24, branching: 12, levels: 5, branches: 1 }, undefined],
    );
    assert.equal(sharedShape("jakiro", { nodes: 60 }, 2), undefined);
  });
});

describe("ladderShape", () => {
  it("has room for every rung of a sequence that decodes alone", () => {
    const ladder = ladderOf("auto", "jakiro", {});
    const shape = ladderShape("jakiro", ladder);
    checkRoundShape(shape);
    for (const { rows, levels } of ladder.rungs) assert.ok(rows <= shape.rows && levels <= shape.levels);
    assert.ok(pathLength(shape) > ladder.chain);
  });

  it("gives a tree that is too large as much as fits", () => {
    const shape = ladderShape("eagle", ladderOf("eagle", "eagle", { nodes: 100, depth: 40, branching: 30 }));
    assert.deepEqual([shape.rows, shape.levels, shape.branching], [mostOutputs, 16, 16]);
  });
});

import assert from "node:assert/strict";
import { ladderOf, plainRung } from "../../../src/engine/decoding/ladder.ts";
import { fullestRung, ladderShape, sharedShapes } from "../../../src/engine/gpu/batchShapes.ts";
import { mostRows } from "../../../src/engine/gpu/forwardBuffers.ts";
import { checkRoundShape, pathLength, type RoundShape } from "../../../src/engine/gpu/roundLayout.ts";

const widths = [2, 16, 32, 64];
const rowsOf = (shapes: readonly RoundShape[]) => shapes.map(({ rows }) => rows);

describe("sharedShapes", () => {
  for (const kind of ["jakiro", "jakiro-star", "eagle"] as const) {
    it(`gives trees of a ${kind} head room for all sequences in one forward`, () => {
      const ladder = ladderOf(kind, kind, {});
      const rows = widths.map((sequences) => {
        const shapes = sharedShapes(kind, ladder, sequences);
        for (const shape of shapes) {
          checkRoundShape(shape);
          assert.ok(sequences * Math.max(shape.rows, shape.branching, pathLength(shape)) <= mostRows);
          assert.ok(shape.levels < shape.rows && shape.branching < shape.rows, "no node of these can be verified");
        }
        return rowsOf(shapes);
      });
      assert.deepEqual(rows, [[4, 8, 16], [4, 8, 16], [4, 8], [4]]);
      assert.deepEqual(sharedShapes(kind, ladder, 2 * mostRows), []);
    });
  }

  it("adds plain rounds where the method may decode plainly", () => {
    const shapes = sharedShapes("jakiro", ladderOf("auto", "jakiro", {}), 4);
    assert.deepEqual(rowsOf(shapes), [1, 4, 8, 16]);
    assert.deepEqual(fullestRung("jakiro", shapes[0]!), plainRung);
    assert.deepEqual(fullestRung("jakiro", shapes[1]!), { rows: 4, levels: 3, draftForwards: 2 });
  });

  it("gives plain decoding one row for each of as many sequences as a forward has rows", () => {
    const ladder = ladderOf("plain", undefined, {});
    const rows = [2, mostRows, 2 * mostRows].map((sequences) => rowsOf(sharedShapes(undefined, ladder, sequences)));
    assert.deepEqual(rows, [[1], [1], []]);
  });

  it("keeps sizes that were fixed, or refuses", () => {
    const fixed = ladderOf("jakiro", "jakiro", { nodes: 60, depth: 5, branching: 12 });
    assert.deepEqual(sharedShapes("jakiro", fixed, 4), [
      { sequences: 4, rows: 60, branching: 12, levels: 5, branches: 1 },
    ]);
    assert.deepEqual(sharedShapes("jakiro", fixed, 8), []);
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
    const shape = ladderShape("eagle", ladderOf("eagle", "eagle", { nodes: 1000, depth: 40, branching: 30 }));
    assert.deepEqual([shape.rows, shape.levels, shape.branching], [mostRows, 16, 16]);
  });
});

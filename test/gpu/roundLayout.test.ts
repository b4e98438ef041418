import assert from "node:assert/strict";
import { checkRoundShape, encodeSequence, poolSize, type RoundShape } from "../../src/engine/gpu/roundLayout.ts";
import { startOf } from "./sequences.ts";

describe("roundLayout", () => {
  const shape: RoundShape = { sequences: 1, rows: 60, branching: 10, levels: 7, branches: 1 };

  it("has room for every level's children", () => {
    assert.equal(poolSize(shape), 1 + 10 + 6 * 100);
    assert.equal(poolSize({ ...shape, levels: 1, branches: 2 }), 1 + 20);
    assert.equal(poolSize({ ...shape, rows: 1, levels: 0 }), 1);
    checkRoundShape(shape);
  });

  for (const [name, wrong] of [
    ["no rows", { rows: 0 }],
    ["more rows than a parent's number holds", { rows: 257 }],
    ["too much branching", { branching: 17 }],
    ["fewer levels than none", { levels: -1 }],
    ["more nodes than fit", { branching: 16, levels: 17 }],
  ] as const) {
    it(`refuses ${name}`, () => {
      assert.throws(() => checkRoundShape({ ...shape, ...wrong }), { name: "JakiroError", kind: "usage" });
    });
  }

  it("refuses more end tokens than a sequence holds", () => {
    const endTokens = new Set(Array.from({ length: 17 }, (_, i) => i));
    assert.throws(() => encodeSequence(startOf(0, { endTokens })), /17 different tokens/);
  });
});

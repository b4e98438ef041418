import assert from "node:assert/strict";
import { RotaryTable } from "../../../src/engine/cpu/rotary.ts";
import { masked, rowDepths, treeBias } from "../../../src/engine/cpu/treeMask.ts";

describe("treeMask", () => {
  //  committed: 2 of a bucket of 4; rows: 0 -> 1 -> 3, 0 -> 2, 4 apart
  const rows = { tokens: [10, 11, 12, 13, 14], parents: [-1, 0, 0, 1, -1] };

  it("lets a row see the committed tokens, its ancestors and itself, nothing else", () => {
    const bias = treeBias(rows, 2, 4);
    const picture = Array.from({ length: 5 }, (_, row) =>
      [...bias.subarray(row * 9, row * 9 + 9)]
        .map((value) => (value === 0 ? "1" : value === Math.fround(masked) ? "." : "?"))
        .join(""),
    );
    assert.deepEqual(picture, ["11..1....", "11..11...", "11..1.1..", "11..11.1.", "11......1"]);
  });

  it("counts depths from the committed sequence's end", () => {
    assert.deepEqual([...rowDepths(rows.parents)], [0, 1, 1, 2, 0]);
  });
});

describe("RotaryTable", () => {
  it("turns by position times frequency, scaled ones by their divisors, in any order of asking", () => {
    const table = new RotaryTable({ base: 10_000, frequencyDivisors: Float32Array.of(1, 1, 2, 8) }, 8);
    const divisorOf = [1, 1, 2, 8];
    const positions = [5, 0, 700, 5];
    const { cos, sin } = table.rows(positions);
    for (const [row, position] of positions.entries()) {
      for (let i = 0; i < 4; i++) {
        const angle = position / 10_000 ** (i / 4) / divisorOf[i]!;
        assert.equal(cos[row * 4 + i], Math.fround(Math.cos(angle)));
        assert.equal(sin[row * 4 + i], Math.fround(Math.sin(angle)));
      }
    }
  });
});

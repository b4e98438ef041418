import assert from "node:assert/strict";
import { EmbeddingTable } from "../../../src/engine/cpu/embeddingTable.ts";
import type { Checkpoint } from "../../../src/engine/model/checkpoint.ts";

const hidden = 4;
const vocabulary = 5000;

/** A token's row is token, token + 0.25, ...; counts the rows that are read. */
function countingCheckpoint() {
  let reads = 0;
  const readRows = (_name: string, first: number, count: number) => {
    reads += count;
    return Float32Array.from({ length: count * hidden }, (_, i) => first + Math.floor(i / hidden) + (i % hidden) / 4);
  };
  const checkpoint = { config: { hidden }, readRows } as unknown as Checkpoint;
  return { checkpoint, reads: () => reads };
}

const rowsOf = (tokens: readonly number[]) =>
  tokens.flatMap((token) => [token, token + 0.25, token + 0.5, token + 0.75]);

describe("EmbeddingTable", () => {
  it("reads a row once and hands it out as often as it is asked for", () => {
    const { checkpoint, reads } = countingCheckpoint();
    const table = new EmbeddingTable(checkpoint);
    assert.deepEqual([...table.rows([3, 1, 3])], rowsOf([3, 1, 3]));
    assert.deepEqual([...table.rows([1, 2])], rowsOf([1, 2]));
    assert.equal(reads(), 3);
  });

  it("keeps a bounded number of rows and stays right beyond it", () => {
    const { checkpoint, reads } = countingCheckpoint();
    const table = new EmbeddingTable(checkpoint);
    const all = Array.from({ length: vocabulary }, (_, token) => token);
    assert.deepEqual([...table.rows(all)], rowsOf(all));
    assert.deepEqual([...table.rows(all.slice(-10))], rowsOf(all.slice(-10)));
    assert.equal(reads(), vocabulary, "the rows read last are still there");
    assert.deepEqual([...table.rows([0])], rowsOf([0]));
    assert.equal(reads(), vocabulary + 1, "the rows read first are not");
  });

  it("hands out copies: what a caller writes into them stays its own", () => {
    const table = new EmbeddingTable(countingCheckpoint().checkpoint);
    table.rows([7]).fill(0);
    assert.deepEqual([...table.rows([7])], rowsOf([7]));
  });
});

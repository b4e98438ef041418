import assert from "node:assert/strict";
import type { CpuSequence } from "../../src/engine/cpu/cpuTarget.ts";
import { uniform } from "../../src/engine/decoding/random.ts";
import type { ForwardResult, TokenRows } from "../../src/engine/decoding/target.ts";
import { assertSameBits } from "../unit/cpu/numbers.ts";

export function chain(tokens: readonly number[]): TokenRows {
  return { tokens, parents: tokens.map((_, i) => i - 1) };
}

/** Commits what a text has beyond the sequence's tokens, in chunks. */
export async function extend(sequence: CpuSequence, text: readonly number[], chunk: number): Promise<void> {
  for (let first = sequence.tokens.length; first < text.length; first += chunk) {
    const tokens = text.slice(first, first + chunk);
    await sequence.forward(chain(tokens), "none");
    sequence.commit([...tokens.keys()]);
  }
}

/** A tree of `nodes` rows below `root` that reaches at least `depth`, drawn by seed; siblings have different tokens. */
export function randomTree(
  root: number,
  nodes: number,
  depth: number,
  draw: readonly number[],
  seed: number,
): TokenRows {
  const tokens = [root];
  const parents = [-1];
  for (let row = 1; row < nodes; row++) {
    // First a path down, then anywhere; the rest fills up between.
    const parent = row <= depth ? row - 1 : Math.floor(uniform(seed, row) * row);
    tokens.push(draw[row % draw.length]!);
    parents.push(parent);
  }
  return { tokens, parents };
}

/** What a forward says of one row: features, logits, and keys and values of every layer. */
interface RowBits {
  readonly features: Float32Array;
  readonly logits: Float32Array;
  readonly keysAndValues: ReadonlyMap<string, Float64Array>;
}

/** `sequence` must have run `result` last. */
export function rowBits(sequence: CpuSequence, result: ForwardResult, row: number, rows: number): RowBits {
  const { hidden, vocabulary, kvHeads, headDim } = sequence.config;
  const keysAndValues = [...sequence.pendingKeysAndValues()].map(([name, all]): [string, Float64Array] => {
    const own = new Float64Array(kvHeads * headDim);
    for (let head = 0; head < kvHeads; head++) {
      const start = (head * rows + row) * headDim;
      own.set(all.subarray(start, start + headDim), head * headDim);
    }
    return [name, own];
  });
  return {
    features: result.features.slice(row * hidden, (row + 1) * hidden),
    logits: result.logits!.slice(row * vocabulary, (row + 1) * vocabulary),
    keysAndValues: new Map(keysAndValues),
  };
}

export function assertSameRow(actual: RowBits, expected: RowBits, what: string): void {
  assertSameBits(actual.features, expected.features, `features, ${what}`);
  assertSameBits(actual.logits, expected.logits, `logits, ${what}`);
  assert.equal(actual.keysAndValues.size, expected.keysAndValues.size);
  assert.ok(expected.keysAndValues.size > 0);
  for (const [name, values] of expected.keysAndValues) {
    assertSameBits(actual.keysAndValues.get(name)!, values, `${name}, ${what}`);
  }
}

/**
 * Verifies a tree in one forward of `tree`, then decodes plainly along every path of it with `plain`, and compares each
 * node's bits. Both sequences hold the same tokens before and after.
 */
export async function compareTree(tree: CpuSequence, plain: CpuSequence, rows: TokenRows, what: string): Promise<void> {
  assert.deepEqual(tree.tokens, plain.tokens);
  const count = rows.tokens.length;
  const verified = await tree.forward(rows, "logits");
  const length = plain.tokens.length;
  const visit = async (row: number, depth: number): Promise<void> => {
    const result = await plain.forward({ tokens: [rows.tokens[row]!], parents: [-1] }, "logits");
    const expected = rowBits(plain, result, 0, 1);
    assertSameRow(rowBits(tree, verified, row, count), expected, `${what}, row ${row} of ${count} at depth ${depth}`);
    plain.commit([0]);
    for (let child = row + 1; child < count; child++) if (rows.parents[child] === row) await visit(child, depth + 1);
    plain.trim(length + depth);
  };
  await visit(0, 0);
}

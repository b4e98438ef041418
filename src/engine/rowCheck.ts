import type { TargetSequence, TokenRows } from "./decoding/target.ts";

/** Tokens before the tree: more than an attention block of any device. */
const contextTokens = 160;
/** Rows of one forward that every device takes. */
const chunkRows = 128;
/** A tree with branches at every depth, and a path through it that leaves rows out. */
const parents = [-1, 0, 0, 1, 1, 2, 3, 4, 6, 6, 8, 8, 10, 11, 12, 14];
const path = [0, 1, 3, 6, 8, 10, 12, 14];

/**
 * Whether a device is lossless: rows of one forward have the same features and logits, bit by bit, as the same tokens one by
 * one. What runs is the loaded model itself. The sequence is left empty.
 */
export async function rowsAgree(sequence: TargetSequence): Promise<boolean> {
  const { hidden, vocabulary } = sequence.config;
  const token = (position: number) => (position * 7919 + 13) % vocabulary;
  const context = Math.min(contextTokens, sequence.capacity - parents.length);
  sequence.trim(0);
  for (let first = 0; first < context; first += chunkRows) {
    const chunk = chain(Array.from({ length: Math.min(chunkRows, context - first) }, (_, i) => token(first + i)));
    await sequence.forward(chunk, "none");
    sequence.commit([...chunk.tokens.keys()]);
  }
  const tree = { tokens: parents.map((_, i) => token(contextTokens + i)), parents };
  const together = await sequence.forward(tree, "logits", path);
  let agree = together.features.every(Number.isFinite);
  for (const [i, row] of path.entries()) {
    const alone = await sequence.forward(chain([tree.tokens[row]!]), "logits");
    agree &&= sameBits(alone.features, together.features.subarray(row * hidden, (row + 1) * hidden));
    agree &&= sameBits(alone.logits!, together.logits!.subarray(i * vocabulary, (i + 1) * vocabulary));
    sequence.commit([0]);
  }
  sequence.trim(0);
  return agree;
}

function chain(tokens: readonly number[]): TokenRows & { readonly tokens: readonly number[] } {
  return { tokens, parents: tokens.map((_, i) => i - 1) };
}

function sameBits(a: Float32Array, b: Float32Array): boolean {
  return a.length === b.length && a.every((value, i) => Object.is(value, b[i]));
}

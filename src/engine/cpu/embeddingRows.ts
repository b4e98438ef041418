import type { Checkpoint } from "../model/checkpoint.ts";

/** Embeddings of these tokens, [tokens.length, hidden], read from the model file. */
export function embeddingRows(checkpoint: Checkpoint, tokens: ArrayLike<number>): Float32Array {
  const { hidden } = checkpoint.config;
  const rows = new Float32Array(tokens.length * hidden);
  for (let row = 0; row < tokens.length; row++) {
    checkpoint.readRows("embedding", tokens[row]!, 1, rows.subarray(row * hidden, (row + 1) * hidden));
  }
  return rows;
}

import type { TokenRows } from "../decoding/target.ts";

/** Far below every score, yet finite: a row's own position is always visible, so no row is masked throughout. */
export const masked = -1e30;

/** Depth of each row in its tree: 0 for rows that hang on the committed sequence. */
export function rowDepths(parents: ArrayLike<number>): Int32Array {
  const depths = new Int32Array(parents.length);
  for (let row = 0; row < parents.length; row++) {
    const parent = parents[row]!;
    depths[row] = parent < 0 ? 0 : depths[parent]! + 1;
  }
  return depths;
}

/**
 * Additive mask [rows, bucket + rows]: every row sees the first `length` cached keys, its ancestors among the rows, and itself.
 */
export function treeBias(rows: TokenRows, length: number, bucket: number): Float32Array {
  const count = rows.parents.length;
  const width = bucket + count;
  const bias = new Float32Array(count * width).fill(masked);
  for (let row = 0; row < count; row++) {
    bias.fill(0, row * width, row * width + length);
    for (let node = row; node >= 0; node = rows.parents[node]!) bias[row * width + bucket + node] = 0;
  }
  return bias;
}

import type { HeadKind } from "../model/headKinds.ts";

/** Rows of one forward of the head. */
export interface HeadRows {
  /** The token after each row's feature. */
  readonly tokens: ArrayLike<number>;
  /** The target's features or, below the root, the head's own, [rows, hidden]. */
  readonly features: Float32Array;
  /** Row t pairs feature t with token t + 1 and is rotated to position t. */
  readonly positions: ArrayLike<number>;
  /** Rows whose outputs are wanted. */
  readonly outputRows: readonly number[];
}

export interface HeadOutputs {
  /** y1 of each output row, [outputs, hidden]. */
  readonly mixture: Float32Array;
  /** y2 of each output row: what the parallel level is predicted from; jakiro heads only. */
  readonly contrast?: Float32Array;
  /** a + E of the two selected experts alone; two-branch heads only. */
  readonly branches?: readonly [Float32Array, Float32Array];
}

/** Forwards in which a head drafts so many levels: the last one of a Jakiro head yields two of them. */
export function draftForwards(kind: HeadKind, levels: number): number {
  return kind === "jakiro" && levels > 1 ? levels - 1 : levels;
}

/** Best tokens of each row, best first, [rows, count]. */
export interface Candidates {
  readonly count: number;
  readonly tokens: Int32Array;
  readonly logProbabilities: Float32Array;
}

/** A draft head on a device, with the keys and values of one sequence. */
export interface DraftHead {
  readonly kind: HeadKind;
  readonly hidden: number;
  /** Tokens the draft vocabulary holds. */
  readonly vocabulary: number;
  /** Rows kept for good so far: features whose next token is known. */
  readonly length: number;
  /** Runs rows that extend the kept ones, each seeing all before it, and keeps their keys and values. */
  append(rows: HeadRows): Promise<HeadOutputs>;
  /**
   * Runs rows of the current round: each sees the kept rows, its ancestors among this round's earlier rows, and itself.
   * @param ancestors this round's row numbers (counted over all `explore` calls since the last `append`) each row may see
   */
  explore(rows: HeadRows, ancestors: readonly (readonly number[])[]): Promise<HeadOutputs>;
  /** The `count` most probable tokens after each row of [rows, hidden], in target token ids. */
  candidates(hidden: Float32Array, count: number): Promise<Candidates>;
  /** Forgets kept rows from `length` on. */
  trim(length: number): void;
}

import type { ModelConfig } from "../model/checkpoint.ts";
import type { SamplingOptions } from "./sampling.ts";

/** Rows of one target forward: a tree of new tokens that hangs on the last committed token. */
export interface TokenRows {
  readonly tokens: ArrayLike<number>;
  /** Row index of each row's parent, always smaller than the row's own; -1 hangs on the committed sequence's end. */
  readonly parents: ArrayLike<number>;
}

/**
 * What the forward must produce beside features: nothing, each row's most probable token, full logits, or a token drawn on the
 * device for the position behind each row.
 */
export type LogitsMode = "none" | "argmax" | "logits" | SamplingOptions;

export interface ForwardResult {
  /** Last hidden state after the final norm, [rows, hidden]. */
  readonly features: Float32Array;
  /** Most probable next token of each row in `logitRows` order, ties to the smaller id. */
  readonly argmax?: Int32Array;
  /** Token drawn after each row in `logitRows` order. */
  readonly drawn?: Int32Array;
  /** [logitRows.length, vocabulary]. */
  readonly logits?: Float32Array;
}

/**
 * One sequence's state on a device: committed tokens and their KV cache. Row results depend neither on how many rows run
 * together, nor on which tokens were committed before and which are rows now (design.md 3.5): lossless verification rests on it.
 */
export interface TargetSequence {
  readonly config: ModelConfig;
  /** Tokens committed to the KV cache, in order. */
  readonly tokens: readonly number[];
  readonly capacity: number;
  /** Whether the device draws tokens itself; elsewhere forwards are not to be asked for it. */
  readonly draws: boolean;
  /** Runs all rows in one forward. `logitRows` (default: all rows) names the rows that need `mode`'s output. */
  forward(rows: TokenRows, mode: LogitsMode, logitRows?: ArrayLike<number>): Promise<ForwardResult>;
  /** Appends these rows of the last forward (a path from the root, in order) to the committed sequence. */
  commit(rows: ArrayLike<number>): void;
  /** Forgets every committed token from `length` on. */
  trim(length: number): void;
  /** Gives its room on the device back; it must not be used any more. */
  release(): void;
}

/** A model on a device, shared by its sequences. */
export interface Target {
  /** A fresh sequence of at most `capacity` tokens. Throws JakiroError("model") where no room is left for one. */
  sequence(capacity: number): TargetSequence;
  release(): Promise<void>;
}

/**
 * Thrown by forwards whose device cannot be used any more, with the reason as its message: all that it held is gone, and
 * committed tokens have to be read again elsewhere.
 */
export class DeviceLostError extends Error {
  override readonly name = "DeviceLostError";
}

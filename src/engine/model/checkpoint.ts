import type { HashOptions } from "./verify.ts";

/** Shapes and constants of a Llama or Qwen2 decoder, whatever file it came from. */
export interface ModelConfig {
  readonly architecture: "llama" | "qwen2";
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly intermediate: number;
  readonly vocabulary: number;
  readonly contextLength: number;
  readonly rmsEpsilon: number;
  readonly rope: RopeConfig;
  /** The output matrix is the embedding. */
  readonly tiedEmbeddings: boolean;
}

export interface RopeConfig {
  readonly base: number;
  /** Inverse frequencies are divided by these, [headDim / 2]; ones where the model scales nothing (llama3 and linear scaling end up here). */
  readonly frequencyDivisors: Float32Array;
}

/** One decoder layer's linear layers; weights are [outputs, inputs] row-major, as in PyTorch. */
export type LinearName = "q" | "k" | "v" | "o" | "gate" | "up" | "down";

/**
 * Names every reader maps its file's tensors to. Q and K rows are in half-split (NEOX, Hugging Face) rotary order:
 * a reader of files with interleaved rows permutes them.
 */
export type TensorName =
  | "embedding" // [vocabulary, hidden]
  | "output" // [vocabulary, hidden]; absent where tied
  | "outputNorm" // [hidden]
  | `layers.${number}.${LinearName}` // [outputs, inputs]
  | `layers.${number}.${"q" | "k" | "v"}.bias` // [outputs]; absent where the architecture has none
  | `layers.${number}.${"attentionNorm" | "mlpNorm"}`; // [hidden]

/** A model file opened for reading; tensors are dequantized to float32 on the way out, nothing is kept in memory. */
export interface Checkpoint {
  readonly config: ModelConfig;
  /** Path as the user named it, for messages. */
  readonly path: string;
  /** SHA-256 (hex) that identifies these weights; for a directory, of the weight files' hashes in name order. */
  contentHash(options?: HashOptions): Promise<string>;
  has(name: TensorName): boolean;
  /** [rows, columns]; a vector is [length, 1]. Throws JakiroError("model") that names a missing tensor. */
  shape(name: TensorName): readonly [number, number];
  /** Rows first .. first+count-1, dequantized, row-major into a new or the given array (length >= count * columns). */
  readRows(name: TensorName, first: number, count: number, into?: Float32Array): Float32Array;
  /** Throws JakiroError("model") where a file was written to since it was opened: `readRows` asks by itself. */
  checkUnchanged(): void;
  close(): void;
}

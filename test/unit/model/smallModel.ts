import { integers } from "./fixtures.ts";
import { type Entry, f32, type GgufParts, type TensorBytes, text, u32 } from "./ggufBytes.ts";

/** The smallest Qwen2 with grouped queries: hidden 8, 2 heads of 4, one key head, intermediate 6, vocabulary 5, one layer. */
export const smallShapes: Readonly<Record<string, readonly number[]>> = {
  "token_embd.weight": [8, 5],
  "output_norm.weight": [8],
  "blk.0.attn_q.weight": [8, 8],
  "blk.0.attn_q.bias": [8],
  "blk.0.attn_k.weight": [8, 4],
  "blk.0.attn_k.bias": [4],
  "blk.0.attn_v.weight": [8, 4],
  "blk.0.attn_v.bias": [4],
  "blk.0.attn_output.weight": [8, 8],
  "blk.0.ffn_gate.weight": [8, 6],
  "blk.0.ffn_up.weight": [8, 6],
  "blk.0.ffn_down.weight": [6, 8],
  "blk.0.attn_norm.weight": [8],
  "blk.0.ffn_norm.weight": [8],
};

export function smallMetadata(architecture = "qwen2"): Record<string, Entry> {
  return {
    "general.architecture": text(architecture),
    [`${architecture}.block_count`]: u32(1),
    [`${architecture}.context_length`]: u32(64),
    [`${architecture}.embedding_length`]: u32(8),
    [`${architecture}.feed_forward_length`]: u32(6),
    [`${architecture}.attention.head_count`]: u32(2),
    [`${architecture}.attention.head_count_kv`]: u32(1),
    [`${architecture}.attention.layer_norm_rms_epsilon`]: f32(1e-6),
    [`${architecture}.rope.freq_base`]: f32(10000),
  };
}

export function smallTensors(): TensorBytes[] {
  const next = integers(3);
  return Object.entries(smallShapes).map(([name, dimensions]) => {
    const length = dimensions.reduce((product, dimension) => product * dimension, 1);
    return f32Tensor(
      name,
      dimensions,
      Float32Array.from({ length }, () => next(1000) / 500 - 1),
    );
  });
}

export function f32Tensor(name: string, dimensions: readonly number[], values: Float32Array): TensorBytes {
  return { name, dimensions, type: 0, data: new Uint8Array(values.buffer) };
}

export function smallModel(): { metadata: Record<string, Entry>; tensors: TensorBytes[] } & GgufParts {
  return { metadata: smallMetadata(), tensors: smallTensors() };
}

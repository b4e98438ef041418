import { JakiroError } from "../errors.ts";
import type { ModelConfig } from "./checkpoint.ts";
import type { GgufHeader } from "./gguf.ts";
import { checkedConfig } from "./modelConfig.ts";
import { missingTensor } from "./resolveTensors.ts";

/**
 * ModelConfig from GGUF metadata (key names: ggml's docs/gguf.md). `ropeFactors` is the content of rope_freqs.weight,
 * by which llama.cpp's converter expresses llama3 scaling.
 */
export function ggufModelConfig(header: GgufHeader, path: string, ropeFactors: Float32Array | undefined): ModelConfig {
  const { metadata } = header;
  const architecture = metadata.get("general.architecture");
  if (architecture !== "llama" && architecture !== "qwen2") {
    throw new JakiroError(
      "model",
      `${path} holds a model of the architecture "${String(architecture)}", but Jakiro runs "llama" and "qwen2"; choose another model.`,
    );
  }
  const number = (key: string, fallback?: number): number => {
    const value = metadata.get(`${architecture}.${key}`) ?? fallback;
    if (typeof value === "number") return value;
    throw new JakiroError(
      "model",
      `${path} lacks the number "${architecture}.${key}" in its metadata; convert it again.`,
    );
  };
  if (number("expert_count", 0) > 0) {
    throw new JakiroError(
      "model",
      `${path} is a mixture-of-experts model, which Jakiro does not run; choose a dense model.`,
    );
  }

  const hidden = number("embedding_length");
  const heads = number("attention.head_count");
  const headDim = number("attention.key_length", hidden / heads);
  if (number("attention.value_length", headDim) !== headDim || number("rope.dimension_count", headDim) !== headDim) {
    throw new JakiroError(
      "model",
      `${path} has value heads or rotary dimensions unlike its key heads of ${headDim}, which Jakiro does not run; choose another model.`,
    );
  }
  const embedding = header.tensors.get("token_embd.weight");
  if (embedding === undefined) throw missingTensor(path, "token_embd.weight");
  const shape = {
    architecture,
    hidden,
    layers: number("block_count"),
    heads,
    kvHeads: number("attention.head_count_kv", heads),
    headDim,
    intermediate: number("feed_forward_length"),
    vocabulary: embedding.dimensions[1] ?? 0,
    contextLength: number("context_length"),
    rmsEpsilon: number("attention.layer_norm_rms_epsilon"),
    tiedEmbeddings: !header.tensors.has("output.weight"),
  } as const;
  return checkedConfig(path, shape, (pairs) => ({
    base: number("rope.freq_base", 10000),
    frequencyDivisors: frequencyDivisors(header, path, architecture, pairs, ropeFactors),
  }));
}

function frequencyDivisors(
  { metadata }: GgufHeader,
  path: string,
  architecture: string,
  pairs: number,
  ropeFactors: Float32Array | undefined,
): Float32Array {
  const type = metadata.get(`${architecture}.rope.scaling.type`);
  const oldLinearFactor = metadata.get(`${architecture}.rope.scale_linear`);
  const factor = metadata.get(`${architecture}.rope.scaling.factor`) ?? oldLinearFactor ?? 1;
  if ((type !== undefined && type !== "none" && type !== "linear") || typeof factor !== "number" || !(factor > 0)) {
    throw new JakiroError(
      "model",
      `${path} scales its rotary positions by "${String(type)}" (factor ${String(factor)}), but Jakiro knows "linear" and llama3 scaling; choose another model.`,
    );
  }
  const divisor = type === "none" ? 1 : factor;
  if (ropeFactors !== undefined && ropeFactors.length !== pairs) {
    throw new JakiroError(
      "model",
      `${path} has ${ropeFactors.length} rope factors where ${pairs} belong; convert it again.`,
    );
  }
  return Float32Array.from({ length: pairs }, (_, pair) => divisor * (ropeFactors?.[pair] ?? 1));
}

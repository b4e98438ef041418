import type { ModelConfig } from "../../../src/engine/model/checkpoint.ts";

/** Sizes of Qwen2.5-Coder-0.5B. */
export const defaultConfig = {
  layers: 24,
  hidden: 896,
  heads: 14,
  kvHeads: 2,
  headDim: 64,
  intermediate: 4864,
  vocabulary: 151_936,
} as ModelConfig;

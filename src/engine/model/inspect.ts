import { statSync } from "node:fs";
import type { ModelConfig } from "./checkpoint.ts";
import { readGgufHeader } from "./gguf.ts";
import { openCheckpoint } from "./open.ts";
import { preTokenizationOf } from "./preTokenizers.ts";
import { WeightFile } from "./weightFile.ts";

/** What a model's header tells without reading its weights. */
export type Inspection =
  | {
      readonly usable: true;
      readonly architecture: ModelConfig["architecture"];
      /** Weights that every forward reads: all layers and the output matrix. */
      readonly weights: number;
    }
  /** One sentence: why this engine cannot run it. */
  | { readonly usable: false; readonly reason: string };

/** Reads the header of a GGUF file or a safetensors folder; blocks for some 20 ms where the vocabulary is large. */
export function inspectModel(path: string): Inspection {
  try {
    const checkpoint = openCheckpoint(path);
    checkpoint.close();
    if (!statSync(path).isDirectory()) refuseUnknownTokenizer(path);
    const { architecture } = checkpoint.config;
    return { usable: true, architecture, weights: weightsOf(checkpoint.config) };
  } catch (error) {
    return { usable: false, reason: (error as Error).message };
  }
}

function weightsOf({ hidden, layers, heads, kvHeads, headDim, intermediate, vocabulary }: ModelConfig): number {
  const attention = 2 * hidden * headDim * (heads + kvHeads);
  return layers * (attention + 3 * hidden * intermediate) + vocabulary * hidden;
}

function refuseUnknownTokenizer(path: string): void {
  const file = WeightFile.open(path);
  try {
    const { metadata } = readGgufHeader(file, () => false);
    if (metadata.get("tokenizer.ggml.model") !== "gpt2") return;
    const name = metadata.get("tokenizer.ggml.pre");
    preTokenizationOf(typeof name === "string" ? name : undefined, path);
  } finally {
    file.close();
  }
}

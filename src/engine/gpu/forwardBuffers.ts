import type { ModelConfig } from "../model/checkpoint.ts";
import { rowWords } from "./roundLayout.ts";
import { storage } from "./storage.ts";
import { attentionBlock, type InputFormat, inputWords } from "./targetKernels.ts";

/** Most rows of one forward: a chunk of a prompt. */
export const mostRows = 128;
/** Most rows that need logits in one forward. */
export const mostOutputs = 64;

/** Bytes of what attention leaves for its merge, where a sequence has so many slots. */
export function attentionScratchBytes(
  { heads, headDim }: Pick<ModelConfig, "heads" | "headDim">,
  regionSlots: number,
): number {
  return 4 * mostRows * heads * Math.ceil(regionSlots / attentionBlock) * (headDim + 2);
}

/** Buffers that every forward uses again. */
export interface Scratch {
  readonly rows: GPUBuffer; // [mostRows] Row
  readonly paths: GPUBuffer; // [mostOutputs * mostOutputs] slots
  readonly picks: GPUBuffer; // [mostOutputs] rows that need logits
  readonly hidden: GPUBuffer; // [mostRows, hidden] residual stream
  readonly input: GPUBuffer; // [mostRows] input of qkv, gateUp and the LM head
  readonly queries: GPUBuffer; // [mostRows, heads * headDim]
  readonly partial: GPUBuffer; // [mostRows, heads, blocks, headDim + 2]
  readonly mixed: GPUBuffer; // [mostRows] input of o
  readonly gated: GPUBuffer; // [mostRows] input of down
  readonly features: GPUBuffer; // [mostRows, hidden] after the final norm
  readonly logits: GPUBuffer; // [mostOutputs, vocabulary]
  readonly chosen: GPUBuffer; // [mostOutputs] u32
}

export function makeScratch(device: GPUDevice, config: ModelConfig, quantize: boolean, blocks: number): Scratch {
  const { hidden, heads, headDim, intermediate, vocabulary } = config;
  const width = heads * headDim;
  const format: InputFormat = quantize ? "int8" : "float32";
  const words = (name: string, count: number) => storage(device, name, count);
  return {
    rows: words("rows", mostRows * rowWords),
    paths: words("paths", mostOutputs * mostOutputs),
    picks: words("picks", mostOutputs),
    hidden: words("hidden", mostRows * hidden),
    input: words("input", mostRows * inputWords(format, hidden)),
    queries: words("queries", mostRows * width),
    partial: words("partial", mostRows * heads * blocks * (headDim + 2)),
    mixed: words("mixed", mostRows * inputWords(format, width)),
    gated: words("gated", mostRows * inputWords(quantize ? "int8-blocks" : "float32", intermediate)),
    features: words("features", mostRows * hidden),
    logits: words("logits", mostOutputs * vocabulary),
    chosen: words("chosen", mostOutputs),
  };
}

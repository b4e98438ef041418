import type { ModelConfig } from "../model/checkpoint.ts";
import { rowWords } from "./roundLayout.ts";
import { storage } from "./storage.ts";
import { attentionBlock, type InputFormat, inputWords } from "./targetKernels.ts";

/** Most rows of one forward: trees of several sequences, or a large one. */
export const mostRows = 256;
/** Rows that attend at a time, since what attention leaves for its merge is large; a chunk of a prompt has no more. */
export const attendedRows = 128;
/** Rows whose logits have room at a time. */
export const logitRows = 64;

/** `count` rows, so many at a time. */
export function slicesOf(count: number, size: number): { readonly first: number; readonly count: number }[] {
  return Array.from({ length: Math.ceil(count / size) }, (_, i) => ({
    first: i * size,
    count: Math.min(size, count - i * size),
  }));
}

/** Bytes of what attention leaves for its merge, where a sequence has so many slots. */
export function attentionScratchBytes(
  { heads, headDim }: Pick<ModelConfig, "heads" | "headDim">,
  regionSlots: number,
): number {
  return 4 * attendedRows * heads * Math.ceil(regionSlots / attentionBlock) * (headDim + 2);
}

/** Buffers that every forward uses again. */
export interface Scratch {
  readonly rows: GPUBuffer; // [mostRows] Row
  readonly paths: GPUBuffer; // [mostRows * mostRows] slots
  readonly picks: GPUBuffer; // [logitRows] rows that need logits
  readonly hidden: GPUBuffer; // [mostRows, hidden] residual stream
  readonly input: GPUBuffer; // [mostRows] input of qkv, gateUp and the LM head
  readonly queries: GPUBuffer; // [mostRows, heads * headDim]
  readonly partial: GPUBuffer; // [attendedRows, heads, blocks, headDim + 2]
  readonly mixed: GPUBuffer; // [mostRows] input of o
  readonly gated: GPUBuffer; // [mostRows] input of down
  readonly features: GPUBuffer; // [mostRows, hidden] after the final norm
  readonly logits: GPUBuffer; // [logitRows, vocabulary]
  readonly chosen: GPUBuffer; // [logitRows] u32
}

export function makeScratch(device: GPUDevice, config: ModelConfig, quantize: boolean, blocks: number): Scratch {
  const { hidden, heads, headDim, intermediate, vocabulary } = config;
  const width = heads * headDim;
  const format: InputFormat = quantize ? "int8" : "float32";
  const words = (name: string, count: number) => storage(device, name, count);
  return {
    rows: words("rows", mostRows * rowWords),
    paths: words("paths", mostRows * mostRows),
    picks: words("picks", logitRows),
    hidden: words("hidden", mostRows * hidden),
    input: words("input", mostRows * inputWords(format, hidden)),
    queries: words("queries", mostRows * width),
    partial: words("partial", attendedRows * heads * blocks * (headDim + 2)),
    mixed: words("mixed", mostRows * inputWords(format, width)),
    gated: words("gated", mostRows * inputWords(quantize ? "int8-blocks" : "float32", intermediate)),
    features: words("features", mostRows * hidden),
    logits: words("logits", logitRows * vocabulary),
    chosen: words("chosen", logitRows),
  };
}

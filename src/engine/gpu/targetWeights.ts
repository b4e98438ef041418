import { isQuantized } from "../cpu/packMatrix.ts";
import type { PackedTarget } from "../cpu/packTarget.ts";
import { RotaryTable } from "../cpu/rotary.ts";
import type { Checkpoint, ModelConfig } from "../model/checkpoint.ts";
import { type InputFormat, inputAlignment } from "./targetKernels.ts";
import type { GpuEmbedding, GpuMatrix, WeightUpload } from "./weightUpload.ts";

export interface GpuLayer {
  readonly attentionNorm: GPUBuffer;
  readonly qkv: GpuMatrix;
  readonly o: GpuMatrix;
  readonly mlpNorm: GPUBuffer;
  readonly gateUp: GpuMatrix;
  readonly down: GpuMatrix;
  readonly place: GPUBuffer;
}

/** A target's weights on the device. */
export interface GpuWeights {
  readonly layers: readonly GpuLayer[];
  readonly embedding: GpuEmbedding;
  readonly outputNorm: GPUBuffer;
  readonly lmHead: GpuMatrix;
}

/** Brings a pack's weights to the device. */
export async function uploadWeights(
  upload: WeightUpload,
  checkpoint: Checkpoint,
  packed: PackedTarget,
  progress: ((done: number, total: number) => void) | undefined,
): Promise<GpuWeights> {
  const { hidden, layers } = checkpoint.config;
  const quantize = isQuantized(packed.format);
  const format: InputFormat = quantize ? "int8" : "float32";
  const alignment = inputAlignment[format];
  const blockAlignment = inputAlignment[quantize ? "int8-blocks" : "float32"];
  const uploaded: GpuLayer[] = [];
  for (const [index, layer] of packed.weights.layers.entries()) {
    progress?.(index, layers + 2);
    uploaded.push({
      attentionNorm: upload.gains(layer.attentionNorm, undefined, hidden),
      qkv: await upload.matrix(layer.qkv, alignment, layer.qkvBias),
      o: await upload.matrix(layer.o, alignment),
      mlpNorm: upload.gains(layer.mlpNorm, undefined, hidden),
      gateUp: await upload.matrix(layer.gateUp, alignment),
      down: await upload.matrix(layer.down, blockAlignment),
      place: upload.uniform(`layer ${index}`, [index]),
    });
  }
  progress?.(layers, layers + 2);
  const embedding = await upload.embedding(checkpoint, quantize);
  progress?.(layers + 1, layers + 2);
  const { outputNorm, unsmooth, lmHead } = packed.weights;
  const weights = {
    layers: uploaded,
    embedding,
    outputNorm: upload.gains(outputNorm, unsmooth, hidden),
    lmHead: await upload.matrix(lmHead, alignment),
  };
  progress?.(layers + 2, layers + 2);
  return weights;
}

/** [positions, headDim / 2] (cosine, sine). */
export function rotaryPairs({ rope, headDim }: ModelConfig, positions: number): Float32Array<ArrayBuffer> {
  const { cos, sin } = new RotaryTable(rope, headDim).rows(Array.from({ length: positions }, (_, i) => i));
  const pairs = new Float32Array(cos.length * 2);
  for (let i = 0; i < cos.length; i++) {
    pairs[2 * i] = cos[i]!;
    pairs[2 * i + 1] = sin[i]!;
  }
  return pairs;
}

import { isQuantized, type WeightFormat } from "../cpu/packMatrix.ts";
import { JakiroError } from "../errors.ts";
import type { ModelConfig } from "../model/checkpoint.ts";
import type { Adapter } from "./adapters.ts";
import { attentionScratchBytes, logitRows, mostRows } from "./forwardBuffers.ts";
import { draftTiles } from "./headKernels.ts";
import { mostBranching } from "./roundLayout.ts";
import { attentionBlock, type CacheFormat, cacheWords } from "./targetKernels.ts";

/** How much text a target is to hold. */
export interface Room {
  /** Tokens of one sequence. */
  readonly capacity: number;
  readonly sequences: number;
  /** Further sequences for forks, where they leave the others as long as they are. */
  readonly forks?: number;
}

export interface MemoryPlan extends Required<Room> {
  /** Of all buffers together. */
  readonly bytes: number;
}

/** As they lie on the device: 128 weights of four bits share a scale. */
export const bytesPerWeight: Readonly<Record<WeightFormat, number>> = {
  float32: 4,
  float16: 2,
  int8: 1,
  int4: 17 / 32,
};

/** A context shorter than this is not worth the move to a GPU. */
const leastCapacity = 1024;

/**
 * What of the wanted room the adapter's limits allow: shorter sequences where need be. Throws JakiroError("model") with the
 * numbers where the model does not fit.
 * @param cacheFormat of the target's keys and values; the head's are float32
 */
export function planMemory(
  config: ModelConfig,
  format: WeightFormat,
  { name, limits }: Pick<Adapter, "name" | "limits">,
  wanted: Room,
  cacheFormat: CacheFormat = "float32",
): MemoryPlan {
  const largest = Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize);
  const fixedBuffers = buffersOfShape(config, format);
  const [part, bytes] = Object.entries(fixedBuffers).reduce((a, b) => (b[1] > a[1] ? b : a));
  if (bytes > largest) {
    throw new JakiroError(
      "model",
      `The model needs ${megabytes(bytes)} in one buffer for its ${part}, and ${name} gives ${megabytes(largest)} at most.`,
    );
  }
  const perToken = config.layers * 2 * cacheWords({ ...config, cacheFormat }) * 4;
  const { sequences } = wanted;
  const room = Math.floor(largest / perToken / sequences);
  const attended = Math.floor(largest / attentionScratchBytes(config, attentionBlock)) * attentionBlock;
  const capacity = Math.min(wanted.capacity, Math.min(room, attended) - mostRows);
  if (capacity < Math.min(wanted.capacity, leastCapacity)) {
    const slots = leastCapacity + mostRows;
    const least = Math.max(slots * sequences * perToken, attentionScratchBytes(config, slots));
    throw new JakiroError(
      "model",
      `The model needs ${megabytes(least)} in one buffer for ${sequences} texts of ${leastCapacity} tokens, and ${name} gives ${megabytes(largest)} at most.`,
    );
  }
  const all = Math.floor(largest / perToken / (capacity + mostRows));
  const forks = Math.min(wanted.forks ?? 0, all - sequences);
  const keysAndValues = (capacity + mostRows) * (sequences + forks) * perToken;
  const { layers } = config;
  const layer = layerBytes(config, format);
  const fixed = fixedBuffers.embeddings + fixedBuffers["output layer"] + layers * layer;
  const head = headBytes(config, capacity + mostRows, sequences + forks);
  const bytesOfAll = fixed + keysAndValues + scratchBytes(config, capacity) + head;
  return { capacity, sequences, forks, bytes: bytesOfAll };
}

/** Bytes of the largest buffers whose size the model alone decides, by what a person calls them. */
function buffersOfShape(config: ModelConfig, format: WeightFormat) {
  const { hidden, heads, kvHeads, headDim, intermediate, vocabulary } = config;
  const perWeight = bytesPerWeight[format];
  return {
    embeddings: vocabulary * hidden * bytesPerWeight[isQuantized(format) ? "int8" : "float32"],
    "output layer": vocabulary * hidden * perWeight,
    "feed-forward layers": 2 * hidden * intermediate * perWeight,
    "attention layers": hidden * (heads + 2 * kvHeads) * headDim * perWeight,
    logits: 4 * logitRows * vocabulary,
  };
}

function layerBytes({ hidden, heads, kvHeads, headDim, intermediate }: ModelConfig, format: WeightFormat): number {
  const perWeight = bytesPerWeight[format];
  return hidden * ((2 * heads + 2 * kvHeads) * headDim + 3 * intermediate) * perWeight;
}

/**
 * A draft head of the usual shape: fc, attention and two experts as wide as the model, and the draft vocabulary's output layer; one
 * layer's keys and values of as many slots as the target's, and what its attention leaves.
 */
function headBytes(config: ModelConfig, slots: number, sequences: number): number {
  const { hidden, kvHeads, headDim } = config;
  const usualVocabulary = 16_384;
  const drafts = 2 * mostRows * draftTiles(usualVocabulary) * mostBranching * 8;
  const keysAndValues = 2 * 4 * slots * sequences * kvHeads * headDim;
  return hidden * (12 * hidden + usualVocabulary) + drafts + keysAndValues + attentionScratchBytes(config, slots);
}

function scratchBytes(config: ModelConfig, capacity: number): number {
  return 4 * logitRows * config.vocabulary + attentionScratchBytes(config, capacity + mostRows);
}

function megabytes(bytes: number): string {
  return bytes < 1e9 ? `${Math.ceil(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

/**
 * Asks for the whole memory before anything is uploaded, and gives it back. Throws JakiroError("model") with the numbers
 * where the device has less.
 */
export async function checkMemory(device: GPUDevice, name: string, bytes: number): Promise<void> {
  const largest = Math.min(device.limits.maxBufferSize, device.limits.maxStorageBufferBindingSize);
  device.pushErrorScope("out-of-memory");
  const buffers: GPUBuffer[] = [];
  for (let left = Math.ceil(bytes / 4) * 4; left > 0; left -= largest) {
    buffers.push(device.createBuffer({ size: Math.min(left, largest), usage: GPUBufferUsage.STORAGE }));
  }
  const exhausted = await device.popErrorScope();
  for (const buffer of buffers) buffer.destroy();
  if (exhausted === null) return;
  throw new JakiroError(
    "model",
    `The model needs ${megabytes(bytes)} of graphics memory, and ${name} has less than that to spare.`,
  );
}

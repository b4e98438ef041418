import { isQuantized, type WeightFormat } from "../cpu/packMatrix.ts";
import { JakiroError } from "../errors.ts";
import type { ModelConfig } from "../model/checkpoint.ts";
import type { HeadConfig, HeadTensors } from "../model/headFile.ts";
import type { GpuDevice } from "./device.ts";
import { attentionScratchBytes, mostRows } from "./forwardBuffers.ts";
import type { GpuHeadOptions } from "./gpuHead.ts";
import { draftTiles, expertsOf, gatesOf, listsOf, mixTile } from "./headKernels.ts";
import { largestVocabulary } from "./roundKernels.ts";
import { mostBranching } from "./roundLayout.ts";
import { attentionBlock, attentionBytes, linearColumns, productThreads, tileSizes } from "./targetKernels.ts";

/** A device, as far as its limits decide which kernels it can run. */
export interface ShapeDevice extends Pick<GpuDevice, "name"> {
  readonly device: { readonly limits: Readonly<Record<LimitName, number>> };
}

type LimitName =
  | "maxComputeInvocationsPerWorkgroup"
  | "maxComputeWorkgroupSizeX"
  | "maxComputeWorkgroupStorageSize"
  | "maxComputeWorkgroupsPerDimension"
  | "maxStorageBuffersPerShaderStage"
  | "maxStorageBufferBindingSize"
  | "maxBufferSize";

/** What the kernels of a decoder layer see of a model. */
type LayerShape = Pick<ModelConfig, "heads" | "kvHeads" | "headDim">;

/** Rows of the residual stream, heads and float32 inputs are read four numbers at a time. */
const quad = 4;
/** Inputs of a head that share a scale: its kernels know no half blocks. */
const headBlock = 32;
/** Storage buffers of a head's fc and linearNormed, which have the most. */
const mostStorageBuffers = 8;
/** chooseTokens' counters and rerank's keys of the largest tree take nearly as much, whatever the model: what every WebGPU has. */
const leastWorkgroupBytes = 16_384;
const scratchBytes = 64 * 4;

/**
 * Throws JakiroError("model") with the numbers where the kernels cannot run this model on the device: either they cannot take its
 * shape at all, or the device has too little of something. How much text fits is not decided here (`planMemory`).
 */
export function checkTargetShape(config: ModelConfig, format: WeightFormat, gpu: ShapeDevice): void {
  const { hidden, intermediate, vocabulary, layers } = config;
  refuseFraction("The model's hidden size", hidden, quad);
  refuseFraction("The model's head size", config.headDim, quad);
  if (!isQuantized(format)) refuseFraction("The model's intermediate size", intermediate, quad);
  if (vocabulary > largestVocabulary) {
    throw refusal(
      `The model's vocabulary is ${vocabulary} tokens, and the GPU kernels draw from ${largestVocabulary} at most`,
    );
  }
  checkLayer("The model", config, gpu);
  checkWorkgroups("The model", Math.max(groups(2 * intermediate), groups(vocabulary), 2 * layers, mostRows), gpu);
}

/** Throws JakiroError("model") with the numbers where the kernels cannot run this head on the device. */
export function checkHeadShape(
  { path, config, draftToTarget }: Pick<HeadTensors, "path" | "config" | "draftToTarget">,
  quantize: boolean,
  { regionSlots, sequences, outputs }: GpuHeadOptions,
  gpu: ShapeDevice,
): void {
  const { hidden, intermediate, shape } = config;
  const head = `The draft head ${path}`;
  refuseFraction(`${head}: its hidden size`, hidden, headBlock);
  refuseFraction(`${head}: its intermediate size`, intermediate, headBlock);
  if (shape.heads % shape.kvHeads !== 0) {
    throw refusal(`${head} has ${shape.heads} heads over ${shape.kvHeads} key heads, which do not go together`);
  }
  checkLayer(head, shape, gpu);
  const experts = expertsOf(config);
  refuseMore(`${head} routes to ${experts} experts, which`, mixBytes(config, outputs), gpu);
  const vocabulary = draftToTarget.length;
  checkWorkgroups(head, Math.max(groups(2 * experts * intermediate), groups(vocabulary)), gpu);
  const perWeight = quantize ? 1 : 4;
  const largest = Math.min(gpu.device.limits.maxBufferSize, gpu.device.limits.maxStorageBufferBindingSize);
  for (const [part, bytes] of Object.entries({
    experts: 2 * hidden * experts * intermediate * perWeight,
    "output layer": vocabulary * hidden * perWeight,
    drafts: 4 * roundedUp(2 * outputs, tileSizes.at(-1)!) * draftTiles(vocabulary) * mostBranching * 2,
    "keys and values": 4 * 2 * regionSlots * sequences * shape.kvHeads * shape.headDim,
    attention: attentionScratchBytes(shape, regionSlots),
  })) {
    if (bytes > largest) {
      throw refusal(`${head} needs ${bytes} bytes in one buffer for its ${part}, and ${gpu.name} gives ${largest}`);
    }
  }
}

/** Attention, and what every model's forward and round need. */
function checkLayer(whose: string, { heads, kvHeads, headDim }: LayerShape, gpu: ShapeDevice): void {
  const { limits } = gpu.device;
  const group = heads / kvHeads;
  if (group > attentionBlock) {
    throw refusal(
      `${whose} has ${group} query heads for each key head, and the GPU kernels take ${attentionBlock} at most`,
    );
  }
  // linearQkv's tile is as wide as a head; all other kernels have 256 threads or fewer.
  const most = Math.min(limits.maxComputeInvocationsPerWorkgroup, limits.maxComputeWorkgroupSizeX);
  if (productThreads > most)
    throw refusal(`GPU kernels need ${productThreads} threads that work together, and ${gpu.name} has ${most}`);
  if (headDim > most) {
    throw refusal(
      `${whose}'s heads of ${headDim} need as many threads that work together, and ${gpu.name} has ${most}`,
    );
  }
  // A thread of attention mixes four numbers of a head.
  if (headDim > 4 * attentionBlock) {
    throw refusal(`${whose} has heads of ${headDim} numbers, and the GPU kernels take ${4 * attentionBlock} at most`);
  }
  if (limits.maxStorageBuffersPerShaderStage < mostStorageBuffers) {
    const has = limits.maxStorageBuffersPerShaderStage;
    throw refusal(`GPU kernels need ${mostStorageBuffers} storage buffers at a time, and ${gpu.name} has ${has}`);
  }
  refuseMore("GPU kernels for drawing tokens and for draft trees", leastWorkgroupBytes, gpu);
  refuseMore(`${whose} has heads of ${headDim} numbers, which`, 4 * Math.max(headDim, linearColumns), gpu);
  refuseMore(
    `${whose} has ${group} query heads of ${headDim} for each key head, which`,
    attentionBytes(group, headDim),
    gpu,
  );
  refuseMore(
    `${whose} has ${heads} heads of ${headDim}, which`,
    4 * roundedUp(heads * headDim, 16) + scratchBytes,
    gpu,
  );
  checkWorkgroups(whose, heads + 2 * kvHeads, gpu);
}

/** Workgroup memory of kernels/linearMix.wgsl: a tile of both lists, what the norm and the router summed up, and the experts' weights. */
function mixBytes(config: HeadConfig, outputs: number): number {
  const rows = mixTile(outputs);
  const listed = rows * listsOf(config);
  const experts = expertsOf(config);
  return 4 * (listed * linearColumns + roundedUp(rows * (gatesOf(config) + 1), 4) + roundedUp(listed * experts, 4));
}

function checkWorkgroups(whose: string, wanted: number, { name, device }: ShapeDevice): void {
  const has = device.limits.maxComputeWorkgroupsPerDimension;
  if (wanted > has) throw refusal(`${whose} needs ${wanted} workgroups side by side, and ${name} has ${has}`);
}

function refuseMore(what: string, bytes: number, { name, device }: ShapeDevice): void {
  const has = device.limits.maxComputeWorkgroupStorageSize;
  if (bytes > has) throw refusal(`${what} need ${bytes} bytes of workgroup memory, and ${name} has ${has}`);
}

function refuseFraction(what: string, value: number, unit: number): void {
  if (value % unit !== 0) throw refusal(`${what} is ${value}, and the GPU kernels take multiples of ${unit} only`);
}

function refusal(sentence: string): JakiroError {
  return new JakiroError("model", `${sentence}.`);
}

function roundedUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

function groups(outputs: number): number {
  return Math.ceil(outputs / linearColumns);
}

import { JakiroError } from "../errors.ts";
import { negativeExp } from "./exponential.ts";
import { uniform } from "./random.ts";
import { argmax, selectLargest } from "./selection.ts";

export interface SamplingOptions {
  /** 0 is greedy: the most probable token, ties to the smaller id. */
  readonly temperature: number;
  /** Keep the k most probable tokens; 0 keeps all. */
  readonly topK: number;
  /** Keep the smallest set of most probable tokens whose mass reaches p; 1 keeps all. */
  readonly topP: number;
  /** Integer in 0 .. 2^53 - 1. */
  readonly seed: number;
}

export const greedy: SamplingOptions = { temperature: 0, topK: 0, topP: 1, seed: 0 };

/** Throws JakiroError("usage") that names the option which is out of range. */
export function checkSamplingOptions({ temperature, topK, topP, seed }: SamplingOptions): void {
  if (!(temperature >= 0 && temperature < Number.POSITIVE_INFINITY)) {
    throw new JakiroError("usage", `Temperature ${temperature} is out of range: give a finite number of at least 0.`);
  }
  if (!Number.isSafeInteger(topK) || topK < 0) {
    throw new JakiroError("usage", `Top-k ${topK} is out of range: give an integer of at least 0, where 0 keeps all.`);
  }
  if (!(topP > 0 && topP <= 1)) {
    throw new JakiroError("usage", `Top-p ${topP} is out of range: give a number above 0 and at most 1.`);
  }
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new JakiroError("usage", `Seed ${seed} is out of range: give an integer from 0 to 2^53 - 1.`);
  }
}

/** Tokens a sampler may choose from, in ascending id order, with their weights (not normalised). */
export interface KeptTokens {
  readonly ids: Int32Array;
  readonly weights: Float64Array;
  /** Sum of the weights, added in id order. */
  readonly total: number;
}

/**
 * The next token after a row of logits. Plain decoding and tree verification both call this function with the row of the
 * same context and the same position, hence they choose the same token: that is why speculation changes no output.
 * @param logits one row, [vocabulary]; NaN counts as -Infinity, a row without anything above it yields token 0
 * @param position absolute position of the token being chosen
 */
export function chooseToken(logits: Float32Array, options: SamplingOptions, position: number): number {
  if (!(options.temperature > 0)) return argmax(logits);
  return drawToken(keepTokens(logits, options), uniform(options.seed, position));
}

/**
 * Temperature, then top-k, then top-p, in float64. Equal logits are ranked by smaller id. The arrays are views on memory
 * that the next call overwrites.
 */
export function keepTokens(logits: Float32Array, options: SamplingOptions): KeptTokens {
  reserve(logits.length);
  const { temperature, topK, topP } = options;
  const maximum = logits[argmax(logits)] ?? Number.NEGATIVE_INFINITY;
  if (topK > 0 && topK < logits.length) return keepBest(logits, maximum, options);
  const all = keepAll(logits, maximum, temperature);
  return topP < 1 ? keepNucleus(logits, maximum, options, all) : all;
}

/** The inverse of the cumulative distribution over ascending token ids at `draw` in [0, 1). */
export function drawToken({ ids, weights, total }: KeptTokens, draw: number): number {
  const target = draw * total;
  let cumulative = 0;
  let last = 0;
  for (let i = 0; i < ids.length; i++) {
    const weight = weights[i]!;
    if (weight === 0) continue;
    last = ids[i]!;
    cumulative += weight;
    if (cumulative > target) return last;
  }
  return last;
}

/** Reused between calls: a vocabulary's worth of weights per token would keep the garbage collector busy. */
let scratchIds = new Int32Array(0);
let scratchWeights = new Float64Array(0);

function reserve(vocabulary: number): void {
  if (scratchIds.length >= vocabulary) return;
  scratchIds = new Int32Array(vocabulary);
  scratchWeights = new Float64Array(vocabulary);
  scratchBins = new Uint16Array(vocabulary);
}

/** exp((logit - maximum) / temperature); comparing first keeps infinities from making NaN. */
function weightOf(logit: number, maximum: number, temperature: number): number {
  if (logit === maximum) return logit === Number.NEGATIVE_INFINITY ? 0 : 1;
  return negativeExp((logit - maximum) / temperature);
}

function keepAll(logits: Float32Array, maximum: number, temperature: number): KeptTokens {
  let total = 0;
  for (let id = 0; id < logits.length; id++) {
    const weight = weightOf(logits[id]!, maximum, temperature);
    scratchIds[id] = id;
    scratchWeights[id] = weight;
    total += weight;
  }
  return {
    ids: scratchIds.subarray(0, logits.length),
    weights: scratchWeights.subarray(0, logits.length),
    total,
  };
}

/** Top-k, then top-p within it. */
function keepBest(logits: Float32Array, maximum: number, { temperature, topK, topP }: SamplingOptions): KeptTokens {
  let kept = selectLargest(logits, topK, scratchIds);
  for (let i = 0; i < kept; i++) scratchWeights[i] = weightOf(logits[scratchIds[i]!]!, maximum, temperature);
  if (topP < 1) kept = reach(scratchWeights.subarray(0, kept), topP);
  const ids = scratchIds.subarray(0, kept).sort();
  let total = 0;
  for (let i = 0; i < kept; i++) {
    const weight = weightOf(logits[ids[i]!]!, maximum, temperature);
    scratchWeights[i] = weight;
    total += weight;
  }
  return { ids, weights: scratchWeights.subarray(0, kept), total };
}

/** How many of the weights, in order, hold the given fraction of their sum; at least one. */
function reach(weights: Float64Array, fraction: number): number {
  let total = 0;
  for (let i = 0; i < weights.length; i++) total += weights[i]!;
  let mass = 0;
  for (let i = 0; i < weights.length; i++) {
    mass += weights[i]!;
    if (mass >= fraction * total) return i + 1;
  }
  return weights.length;
}

const bins = 1024;
/** Bins are this many to a factor of e in probability; the last one takes all that is less likely than e^-64 of the best. */
const binsPerUnit = 16;
const binMasses = new Float64Array(bins);
let scratchBins = new Uint16Array(0);

/**
 * Top-p over a whole vocabulary in linear time: a histogram of mass by logit finds the bin where the nucleus ends, and
 * only that bin is sorted. `all` is narrowed in place.
 */
function keepNucleus(
  logits: Float32Array,
  maximum: number,
  { temperature, topP }: SamplingOptions,
  { ids, weights, total }: KeptTokens,
): KeptTokens {
  binMasses.fill(0);
  const scale = binsPerUnit / temperature;
  for (let id = 0; id < logits.length; id++) {
    const distance = (maximum - logits[id]!) * scale;
    const bin = distance < bins - 1 ? distance | 0 : logits[id] === maximum ? 0 : bins - 1;
    scratchBins[id] = bin;
    binMasses[bin]! += weights[id]!;
  }
  const goal = topP * total;
  let mass = 0;
  let boundary = 0;
  while (boundary < bins - 1 && mass + binMasses[boundary]! < goal) mass += binMasses[boundary++]!;

  const members: number[] = [];
  for (let id = 0; id < logits.length; id++) {
    if (scratchBins[id] === boundary && weights[id]! > 0) members.push(id);
  }
  members.sort((a, b) => logits[b]! - logits[a]! || a - b);
  let last = members[0] ?? 0;
  for (const id of members) {
    last = id;
    mass += weights[id]!;
    if (mass >= goal) break;
  }

  const threshold = logits[last]!;
  let kept = 0;
  let keptTotal = 0;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id]!;
    if (!(logit > threshold || (logit === threshold && id <= last))) continue;
    ids[kept] = id;
    weights[kept++] = weights[id]!;
    keptTotal += weights[id]!;
  }
  return { ids: ids.subarray(0, kept), weights: weights.subarray(0, kept), total: keptTotal };
}

import { philox2x32 } from "../decoding/random.ts";
import type { SamplingOptions } from "../decoding/sampling.ts";

const one = 1n << 40n;

/** 2^40 * exp((logit - maximum) / temperature) as the device rounds it: steps of 2^-20 in the binary logarithm, linear between 1024ths. */
export function weightOf(logit: number, maximum: number, temperature: number): bigint {
  if (logit === maximum) return one;
  const sharpness = Math.fround((Math.LOG2E * 2 ** 20) / temperature);
  const steps = Math.fround(Math.fround(maximum - logit) * sharpness);
  if (!(steps < 41 * 2 ** 20)) return 0n;
  const whole = Math.floor(steps);
  const power = (i: number) => BigInt(Math.round(2 ** (31 - i / 1024)));
  const coarse = Math.floor(whole / 1024) % 1024;
  const upper = power(coarse);
  const between = ((upper - power(coarse + 1)) * BigInt(whole % 1024)) >> 10n;
  return ((upper - between) << 9n) >> BigInt(Math.floor(whole / 2 ** 20));
}

/** What a sampler may choose from, ids rising, with weights in units of 2^-40 of the largest. */
export type Kept = readonly (readonly [id: number, weight: bigint])[];

/** Temperature, top-k and top-p: every token sorted, every sum an integer. */
export function keepTokens(logits: Float32Array, { temperature, topK, topP }: SamplingOptions): Kept {
  const order = [...logits.keys()].filter((id) => !Number.isNaN(logits[id]));
  order.sort((a, b) => (logits[a] === logits[b] ? a - b : logits[b]! - logits[a]!));
  const maximum = logits[order[0] ?? 0]!;
  if (!(maximum > Number.NEGATIVE_INFINITY)) return [[0, one]];
  if (!(temperature > 0)) return [[order[0]!, one]];
  const best = topK > 0 ? order.slice(0, topK) : order;
  let kept = best.map((id) => [id, weightOf(logits[id]!, maximum, temperature)] as const);
  if (topP < 1) {
    const goal = (massOf(kept) * BigInt(Math.round(topP * 2 ** 32))) >> 32n;
    let mass = 0n;
    const last = kept.findIndex(([, weight]) => {
      mass += weight;
      return mass >= goal;
    });
    kept = kept.slice(0, last + 1);
  }
  return kept.sort(([a], [b]) => a - b);
}

/** The token at the random bits of a seed and a position. */
export function drawToken(kept: Kept, seed: number, position: number): number {
  const [first, second] = philox2x32(position, Math.floor(seed / 2 ** 32), seed);
  const goal = (((BigInt(first) << 32n) | BigInt(second)) * massOf(kept)) >> 64n;
  let cumulative = 0n;
  return kept.find(([, weight]) => {
    cumulative += weight;
    return cumulative > goal;
  })![0];
}

/** The token that follows a row of logits at a position. */
export function chooseToken(logits: Float32Array, options: SamplingOptions, position: number): number {
  return drawToken(keepTokens(logits, options), options.seed, position);
}

function massOf(kept: Kept): bigint {
  return kept.reduce((sum, [, weight]) => sum + weight, 0n);
}

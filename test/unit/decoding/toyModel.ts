import { uniform } from "../../../src/engine/decoding/random.ts";
import type { SamplingOptions } from "../../../src/engine/decoding/sampling.ts";
import type { TokenRows } from "../../../src/engine/decoding/target.ts";

/** A small integer that depends on every token and on their order. */
export function hashOf(tokens: readonly number[], salt: number): number {
  return tokens.reduce((hash, token) => Math.floor(uniform(hash, token + 1) * 2 ** 48), salt);
}

/** A target whose logits are a hash of the whole context: distinct contexts have unrelated distributions, some with ties. */
export function toyLogits(context: readonly number[], vocabulary: number, salt: number): Float32Array {
  const hash = hashOf(context, salt);
  return Float32Array.from({ length: vocabulary }, (_, token) => Math.round(uniform(hash, token) * 12) / 3);
}

/** A tree of up to `nodes` drafted tokens hung on the last token of a context, drawn by hash. */
export function toyTree(context: readonly number[], vocabulary: number, nodes: number, salt: number): TokenRows {
  const hash = hashOf(context, salt);
  const tokens = [context.at(-1)!];
  const parents = [-1];
  for (let i = 0; i < nodes; i++) {
    const parent = Math.floor(uniform(hash, 2 * i) * tokens.length);
    const token = Math.floor(uniform(hash, 2 * i + 1) * vocabulary);
    if (tokens.some((known, row) => known === token && parents[row] === parent)) continue;
    tokens.push(token);
    parents.push(parent);
  }
  return { tokens, parents };
}

/** The tokens from the tree's root (excluded) down to a row. */
export function pathTo({ tokens, parents }: TokenRows, row: number): number[] {
  return row === 0 ? [] : [...pathTo({ tokens, parents }, parents[row]!), tokens[row]!];
}

/** The processed distribution by the book: sort everything, cut, renormalise. */
export function referenceDistribution(logits: Float32Array, { temperature, topK, topP }: SamplingOptions): number[] {
  const order = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b);
  if (temperature === 0) return order.map((_, token) => (token === order[0] ? 1 : 0));
  const weights = order.map((token) => Math.exp((logits[token]! - logits[order[0]!]!) / temperature));
  const limited = topK > 0 ? weights.slice(0, topK) : weights;
  const limitedSum = limited.reduce((a, b) => a + b, 0);
  let kept = 0;
  for (let mass = 0; kept < limited.length && (kept === 0 || mass < topP * limitedSum); kept++) mass += limited[kept]!;
  const sum = limited.slice(0, kept).reduce((a, b) => a + b, 0);
  const distribution = new Array<number>(logits.length).fill(0);
  for (let i = 0; i < kept; i++) distribution[order[i]!] = limited[i]! / sum;
  return distribution;
}

export const samplers: readonly SamplingOptions[] = [
  { temperature: 0, topK: 0, topP: 1, seed: 0 },
  { temperature: 1, topK: 0, topP: 1, seed: 0 },
  { temperature: 0.8, topK: 0, topP: 1, seed: 0 },
  { temperature: 1.7, topK: 3, topP: 1, seed: 0 },
  { temperature: 0.8, topK: 0, topP: 0.7, seed: 0 },
  { temperature: 1.2, topK: 3, topP: 0.85, seed: 0 },
];

export function nameOf({ temperature, topK, topP }: SamplingOptions): string {
  return `temperature ${temperature}, top-k ${topK}, top-p ${topP}`;
}

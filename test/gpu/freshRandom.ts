import { philox2x32 } from "../../src/engine/decoding/random.ts";
import * as fixed from "../../src/engine/gpu/randomOperands.ts";
import { randomTokens as fixedTokens } from "../engine/scratchTarget.ts";
import { normal as fixedNormal } from "../unit/cpu/numbers.ts";

/** Another one for every run; the runner prints it, and takes it from outside to repeat a run. */
const runSeed = Number(process.env["JAKIRO_TEST_SEED"] ?? 0);

/** The seed that stands in this run for one that a suite names: each of them draws numbers of its own. */
export function fresh(seed: number): number {
  return philox2x32(seed, 0, runSeed)[0];
}

export function randomWords(count: number, seed: number): Uint32Array<ArrayBuffer> {
  return fixed.randomWords(count, fresh(seed));
}

export function randomFloats(count: number, seed: number, size?: number): Float32Array<ArrayBuffer> {
  return fixed.randomFloats(count, fresh(seed), size);
}

/** Numbers in [0, 1), one after the other. */
export function randomSource(seed: number): () => number {
  return fixed.randomNumbers(fresh(seed));
}

export const randomOperands: typeof fixed.randomOperands = (shape, rows, seed, numbers) =>
  fixed.randomOperands(shape, rows, fresh(seed), numbers);

export function normal(length: number, seed: number, deviation?: number): Float32Array {
  return fixedNormal(length, fresh(seed), deviation);
}

export function randomTokens(length: number, vocabulary: number, seed: number): number[] {
  return fixedTokens(length, vocabulary, fresh(seed));
}

/** Different integers in 0 .. limit - 1. */
export function distinct(random: () => number, count: number, limit: number): number[] {
  const found = new Set<number>();
  while (found.size < count) found.add(Math.floor(random() * limit));
  return [...found];
}

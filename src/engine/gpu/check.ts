import type { KernelTrials } from "./kernelTrials.ts";
import { quantizationError, type Row } from "./reference.ts";

/** What is wrong with a kernel. */
export interface Fault {
  /** It does not compile or run, its results are not those of the reference, or a row's bits depend on the rows beside it. */
  readonly fault: "error" | "values" | "rows";
  /** Rows per tile with which it fails; kernels without tiles have none. */
  readonly tile?: number;
  /** For the log. */
  readonly message: string;
}

/** Looks at one kernel; what it throws counts as an error of that kernel. */
export interface Check {
  readonly kernel: string;
  run(): Promise<readonly Fault[]>;
}

/** Beyond half a step only what float32 and exp round before it. */
const mostSteps = 0.52;
/** Sums of float32 whose terms are of the size of 1. */
const closeEnough = 2e-5;

/** Rows that are the input of an int8 or float32 product. */
export function nextInputFailures(
  trials: KernelTrials,
  output: Uint32Array<ArrayBuffer>,
  expected: readonly Float64Array[],
): Fault[] {
  if (!trials.kernels.quantize) {
    return valueFailures(farthest(floats(output), Float64Array.from(expected.flatMap((row) => [...row]))));
  }
  return stepFailures(expected.map((values, row) => quantizationError("int8", output, row, values)));
}

export function stepFailures(errors: readonly number[]): Fault[] {
  const worst = errors.reduce((most, error) => Math.max(most, error), 0);
  return worst <= mostSteps ? [] : [{ fault: "values", message: `off by ${worst} steps of int8` }];
}

export function valueFailures(distance: number, tolerance = closeEnough): Fault[] {
  return distance <= tolerance ? [] : [{ fault: "values", message: `off by ${distance}` }];
}

/** Largest distance of values from what they should be; infinite where one is no number. */
export function farthest(actual: Float32Array, expected: Float64Array): number {
  return expected.reduce((most, value, i) => {
    const distance = Math.abs(actual[i]! - value);
    return distance >= 0 ? Math.max(most, distance) : Number.POSITIVE_INFINITY;
  }, 0);
}

export function sameBits(a: Uint32Array, b: Uint32Array): boolean {
  return a.length === b.length && a.every((word, i) => word === b[i]);
}

export function floats(words: Uint32Array<ArrayBuffer>): Float32Array {
  return new Float32Array(words.buffer);
}

export function plainRow(position: number): Row {
  return { token: 0, position, region: 0, contiguous: position + 1, path: 0, slot: position };
}

import assert from "node:assert/strict";
import type { DenseMatrix } from "../../../src/engine/cpu/packMatrix.ts";
import { uniform } from "../../../src/engine/decoding/random.ts";

/** Normally distributed numbers that depend on the seed alone (Box-Muller). */
export function normal(length: number, seed: number, deviation = 1): Float32Array {
  return Float32Array.from({ length }, (_, i) => {
    const radius = Math.sqrt(-2 * Math.log(1 - uniform(seed, 2 * i)));
    return deviation * radius * Math.cos(2 * Math.PI * uniform(seed, 2 * i + 1));
  });
}

export function randomMatrix(outputs: number, inputs: number, seed: number): DenseMatrix {
  return { outputs, inputs, values: normal(outputs * inputs, seed, 1 / Math.sqrt(inputs)) };
}

/** x [rows, inputs] times the transpose of a matrix [outputs, inputs], summed in float64: [rows, outputs]. */
export function product(x: Float32Array, { outputs, inputs, values }: DenseMatrix): Float64Array {
  const rows = x.length / inputs;
  const result = new Float64Array(rows * outputs);
  for (let row = 0; row < rows; row++) {
    for (let output = 0; output < outputs; output++) {
      let sum = 0;
      for (let i = 0; i < inputs; i++) sum += x[row * inputs + i]! * values[output * inputs + i]!;
      result[row * outputs + output] = sum;
    }
  }
  return result;
}

export type Numbers = Float32Array | Float64Array;

/** Equal to the last bit; of thousands of numbers only the first that differs is worth showing. */
export function assertSameBits(actual: Numbers, expected: Numbers, what: string): void {
  assert.equal(actual.length, expected.length, `${what}: length`);
  const place = actual.findIndex((value, i) => !Object.is(value, expected[i]));
  assert.ok(place < 0, `${what}: ${actual[place]} instead of ${expected[place]} at ${place} of ${actual.length}`);
}

export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what: string,
): void {
  assert.equal(actual.length, expected.length, `${what}: length`);
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!);
    assert.ok(error <= tolerance, `${what}: ${actual[i]} instead of ${expected[i]} at ${i} of ${expected.length}`);
  }
}

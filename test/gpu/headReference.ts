import { type Operands, weightColumn } from "../../src/engine/gpu/reference.ts";
import { inputWords } from "../../src/engine/gpu/targetKernels.ts";

/**
 * What the draft head's kernels compute (jakiro.md section 1), in float64 and in the plainest way. Rows are lists of numbers: what
 * quantized words stand for.
 */

/** Rows of [count, width] as products with scales per 32 inputs read them: steps rounded by the smallest power of two that fits. */
export function quantizeRows(values: Float32Array, width: number): Uint32Array<ArrayBuffer> {
  const stride = inputWords("int8-blocks", width);
  const words = new Uint32Array((values.length / width) * stride);
  const floats = new Float32Array(words.buffer);
  const bytes = new Int8Array(words.buffer);
  for (let row = 0; row < values.length / width; row++) {
    for (let first = 0; first < width; first += 32) {
      const block = values.subarray(row * width + first, row * width + first + 32);
      const largest = block.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const scale = largest > 0 ? 2 ** Math.ceil(Math.log2(largest / 127)) : 2 ** -126;
      floats[row * stride + width / 4 + first / 32] = scale;
      for (const [i, value] of block.entries()) bytes[4 * row * stride + first + i] = Math.round(value / scale);
    }
  }
  return words;
}

/** Rows of numbers times weights and plus biases, [rows][outputs]. */
export function times(rows: readonly ArrayLike<number>[], operands: Operands): Float64Array[] {
  const { outputs } = operands.shape;
  const result = rows.map(() => new Float64Array(outputs));
  for (let column = 0; column < outputs; column++) {
    const w = weightColumn(operands, column);
    for (const [row, x] of rows.entries()) {
      let sum = operands.columns[2 * column + 1]!;
      for (let i = 0; i < w.length; i++) sum += x[i]! * w[i]!;
      result[row]![column] = sum;
    }
  }
  return result;
}

/** A row of the residual stream: its values times the norm's gains, the factor that is still missing, and the router's gates. */
export function normed(
  values: ArrayLike<number>,
  gains: Float32Array,
  router: Float32Array,
  epsilon: number,
): { readonly next: number[]; readonly factor: number; readonly gates: number[] } {
  const x = Array.from(values);
  const next = x.map((value, i) => value * gains[i]!);
  const factor = 1 / Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / x.length + epsilon);
  const count = router.length / x.length;
  const gates = Array.from({ length: count }, (_, g) =>
    next.reduce((sum, value, i) => sum + value * factor * router[i * count + g]!, 0),
  );
  return { next, factor, gates };
}

/** Weights of the experts in both lists: the two with the largest gates, ties to the smaller index. */
export function route(gates: readonly number[], branches: boolean): number[][] {
  const experts = gates.slice(0, -2);
  const order = [...experts.keys()].sort((a, b) => experts[b]! - experts[a]! || a - b);
  const [low, high] = order.slice(0, 2).sort((a, b) => a - b) as [number, number];
  const only = (parts: readonly (readonly [number, number])[]) =>
    experts.map((_, e) => parts.find(([expert]) => expert === e)?.[1] ?? 0);
  if (branches) return [only([[low, 1]]), only([[high, 1]])];
  const share = 1 / (1 + Math.exp(gates[high]! - gates[low]!));
  const [first, other] = gates.slice(-2) as [number, number];
  const strength = 1 / (1 + Math.exp(other - first));
  const sign = first >= other ? 1 : -1;
  return [
    only([
      [low, share],
      [high, 1 - share],
    ]),
    only([
      [low, sign * strength],
      [high, -sign * (1 - strength)],
    ]),
  ];
}

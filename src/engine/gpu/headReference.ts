import type { HeadMatrix, HeadTensors } from "../model/headFile.ts";
import { type Operands, weightColumn } from "./reference.ts";
import { inputWords } from "./targetKernels.ts";

/** What a draft head computes from rows of one text, in float64 and in the plainest way (jakiro.md section 1). */
export interface HeadOutputs {
  /** y1 of the last row. */
  readonly mixture: Float64Array;
  /** y2 of the last row. */
  readonly contrast: Float64Array;
}

const layer = "layers.0";

/**
 * Outputs of a mixture head for the last of some rows.
 * @param inputs of each row, its token's embedding and its feature side by side
 * @param rotary [positions, headDim / 2] (cosine, sine)
 */
export function headOutputs(file: HeadTensors, inputs: readonly Float64Array[], rotary: Float32Array): HeadOutputs {
  const { config } = file;
  const { heads, kvHeads, headDim } = config.shape;
  const bias = (name: string) => (config.qkvBias ? file.vector(`${layer}.self_attn.${name}_proj.bias`) : undefined);
  const projected = (row: Float64Array, name: string) =>
    product(row, file.matrix(`${layer}.self_attn.${name}_proj.weight`), bias(name));
  const x = inputs.map((input) => product(input, file.matrix("fc.weight"), file.vector("fc.bias")));
  const keys = x.map((row, position) => rotated(projected(row, "k"), position, headDim, rotary));
  const values = x.map((row) => projected(row, "v"));
  const last = x.length - 1;
  const query = rotated(projected(x[last]!, "q"), last, headDim, rotary);
  const mixed = new Float64Array(heads * headDim);
  for (let head = 0; head < heads; head++) {
    const own = head * headDim;
    const shared = Math.floor(head / (heads / kvHeads)) * headDim;
    const scores = keys.map((key) => dot(query, own, key, shared, headDim) / Math.sqrt(headDim));
    for (const [position, weight] of softmax(scores).entries()) {
      for (let i = 0; i < headDim; i++) mixed[own + i]! += weight * values[position]![shared + i]!;
    }
  }
  const attended = product(mixed, file.matrix(`${layer}.self_attn.o_proj.weight`)).map(
    (value, i) => value + x[last]![i]!,
  );
  const squares = attended.reduce((sum, value) => sum + value * value, 0);
  const factor = 1 / Math.sqrt(squares / attended.length + config.rmsEpsilon);
  const gains = file.vector(`${layer}.post_attention_layernorm.weight`);
  const normed = attended.map((value, i) => value * factor * gains[i]!);

  const gates = product(normed, file.matrix(`${layer}.mlp_moe.gate.weight`));
  const outputs = Array.from({ length: config.experts }, (_, index) => expert(file, index, normed));
  const [mixture, contrast] = route([...gates], config.kind === "jakiro-star").map((weights) =>
    attended.map((value, i) => weights.reduce((sum, weight, e) => sum + weight * outputs[e]![i]!, value)),
  );
  return { mixture: mixture!, contrast: contrast! };
}

function expert(file: HeadTensors, index: number, input: Float64Array): Float64Array {
  const part = (name: string) => file.matrix(`${layer}.mlp_moe.experts.${index}.${name}_proj.weight`);
  const up = product(input, part("up"));
  const gated = product(input, part("gate")).map((gate, i) => (gate / (1 + Math.exp(-gate))) * up[i]!);
  return product(gated, part("down"));
}

/** One row times a matrix. */
function product(row: Float64Array, { outputs, inputs, values }: HeadMatrix, bias?: Float32Array): Float64Array {
  return Float64Array.from({ length: outputs }, (_, output) => {
    return dot(row, 0, values, output * inputs, inputs) + (bias?.[output] ?? 0);
  });
}

function rotated(row: Float64Array, position: number, headDim: number, rotary: Float32Array): Float64Array {
  const half = headDim / 2;
  return row.map((value, i) => {
    const lane = i % headDim;
    const at = 2 * (position * half + (lane % half));
    const [cosine, sine] = [rotary[at]!, rotary[at + 1]!];
    return lane < half ? value * cosine - row[i + half]! * sine : value * cosine + row[i - half]! * sine;
  });
}

function dot(a: Float64Array, fromA: number, b: Float64Array | Float32Array, fromB: number, count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += a[fromA + i]! * b[fromB + i]!;
  return sum;
}

function softmax(scores: readonly number[]): number[] {
  const largest = scores.reduce((a, b) => Math.max(a, b));
  const weights = scores.map((score) => Math.exp(score - largest));
  const total = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / total);
}

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

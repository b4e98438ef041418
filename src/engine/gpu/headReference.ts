import type { HeadMatrix, HeadTensors } from "../model/headFile.ts";

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
  const byGate = Array.from({ length: config.experts }, (_, i) => i).sort((a, b) => gates[b]! - gates[a]! || a - b);
  const [low, high] = byGate.slice(0, 2).sort((a, b) => a - b) as [number, number];
  const outputs = [low, high].map((index) => expert(file, index, normed)) as [Float64Array, Float64Array];
  const shares = softmax([gates[low]!, gates[high]!]);
  const strengths = softmax([gates[config.experts]!, gates[config.experts + 1]!]);
  const signs = strengths[0]! >= strengths[1]! ? [1, -1] : [-1, 1];
  const sum = (weights: readonly number[]) =>
    attended.map((value, i) => value + weights[0]! * outputs[0][i]! + weights[1]! * outputs[1][i]!);
  return { mixture: sum(shares), contrast: sum(strengths.map((strength, i) => strength * signs[i]!)) };
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

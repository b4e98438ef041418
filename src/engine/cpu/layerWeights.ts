import type { Checkpoint, LinearName, TensorName } from "../model/checkpoint.ts";
import { type DenseMatrix, type Packing, packMatrix } from "./packMatrix.ts";
import type { LayerSmoothing } from "./smoothing.ts";
import type { PackedLayer } from "./targetGraph.ts";
import { packVector, type WeightSink } from "./weightSink.ts";

/** One decoder layer, dequantized. */
export interface LayerWeights {
  readonly linear: Readonly<Record<LinearName, DenseMatrix>>;
  /** [(heads + 2 * kvHeads) * headDim], or none. */
  readonly qkvBias: Float32Array | undefined;
  readonly attentionNorm: Float32Array;
  readonly mlpNorm: Float32Array;
}

export function readVector(checkpoint: Checkpoint, name: TensorName): Float32Array {
  return checkpoint.readRows(name, 0, checkpoint.shape(name)[0]);
}

export function readMatrix(checkpoint: Checkpoint, name: TensorName): DenseMatrix {
  const [outputs, inputs] = checkpoint.shape(name);
  return { outputs, inputs, values: checkpoint.readRows(name, 0, outputs) };
}

/** Reads a layer; q comes divided by sqrt(headDim), as attention wants it. */
export function readLayer(checkpoint: Checkpoint, layer: number): LayerWeights {
  const matrix = (name: LinearName) => readMatrix(checkpoint, `layers.${layer}.${name}`);
  const biases = (["q", "k", "v"] as const)
    .map((name): TensorName => `layers.${layer}.${name}.bias`)
    .filter((name) => checkpoint.has(name))
    .map((name) => readVector(checkpoint, name));
  const q = matrix("q");
  const scale = 1 / Math.sqrt(checkpoint.config.headDim);
  scaleInPlace(q.values, scale);
  if (biases[0] !== undefined) scaleInPlace(biases[0], scale);
  return {
    linear: {
      q,
      k: matrix("k"),
      v: matrix("v"),
      o: matrix("o"),
      gate: matrix("gate"),
      up: matrix("up"),
      down: matrix("down"),
    },
    qkvBias: biases.length > 0 ? concatenate(biases) : undefined,
    attentionNorm: readVector(checkpoint, `layers.${layer}.attentionNorm`),
    mlpNorm: readVector(checkpoint, `layers.${layer}.mlpNorm`),
  };
}

/**
 * Packs a layer with its smoothing folded in: an input's divisor goes into whatever produces that input (norm gain, rows of v,
 * rows of up), its inverse into the columns that read it. Changes the matrices' values in place.
 */
export function packLayer(
  sink: WeightSink,
  name: string,
  packing: Packing,
  headDim: number,
  weights: LayerWeights,
  smoothing?: LayerSmoothing,
): PackedLayer {
  const { q, k, v, o, gate, up, down } = weights.linear;
  let { attentionNorm, mlpNorm, qkvBias } = weights;
  let perQuery: Float32Array | undefined;
  if (smoothing !== undefined) {
    attentionNorm = attentionNorm.map((gain, i) => gain / smoothing.qkv[i]!);
    mlpNorm = mlpNorm.map((gain, i) => gain / smoothing.gateUp[i]!);
    divideRows(v, smoothing.o);
    divideRows(up, smoothing.down);
    const firstValue = q.outputs + k.outputs;
    qkvBias = qkvBias?.map((bias, i) => (i < firstValue ? bias : bias / smoothing.o[i - firstValue]!));
    perQuery = shareOverGroup(smoothing.o, q.outputs / v.outputs, headDim);
  }
  const pack = (part: string, matrices: readonly DenseMatrix[], scale?: Float32Array) =>
    packMatrix(sink, `${name}.${part}`, packing, matrices, scale);
  return {
    qkv: pack("qkv", [q, k, v], smoothing?.qkv),
    ...(qkvBias === undefined ? {} : { qkvBias: packVector(sink, `${name}.qkv.bias`, qkvBias) }),
    o: pack("o", [o], perQuery),
    gateUp: pack("gate_up", [gate, up], smoothing?.gateUp),
    down: pack("down", [down], smoothing?.down),
    attentionNorm: packVector(sink, `${name}.attention_norm`, attentionNorm),
    mlpNorm: packVector(sink, `${name}.mlp_norm`, mlpNorm),
  };
}

/** [kvHeads * headDim] -> [heads * headDim]: every query head of a group reads the same value head. */
function shareOverGroup(perValue: Float32Array, group: number, headDim: number): Float32Array {
  return Float32Array.from({ length: perValue.length * group }, (_, i) => {
    const head = Math.floor(i / headDim);
    return perValue[Math.floor(head / group) * headDim + (i % headDim)]!;
  });
}

function divideRows(matrix: DenseMatrix, divisors: Float32Array): void {
  const { inputs, values } = matrix;
  for (let row = 0; row < matrix.outputs; row++) {
    const inverse = 1 / divisors[row]!;
    for (let i = row * inputs; i < (row + 1) * inputs; i++) values[i]! *= inverse;
  }
}

export function scaleInPlace(values: Float32Array, factor: number): void {
  for (let i = 0; i < values.length; i++) values[i]! *= factor;
}

function concatenate(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

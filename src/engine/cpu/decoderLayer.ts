import { type AttentionMask, type AttentionShape, exactAttention } from "./attention.ts";
import { linear, type PackedMatrix } from "./linear.ts";
import type { ExternalData, GraphBuilder, Value } from "./onnxWriter.ts";

/** A vector of weights in a data file. */
export interface PackedVector {
  readonly name: string;
  readonly length: number;
  readonly data: ExternalData;
}

export interface PackedAttention {
  /** Outputs are q, k, v side by side: [hidden, (heads + 2 * kvHeads) * headDim]. */
  readonly qkv: PackedMatrix;
  readonly qkvBias?: PackedVector;
  readonly o: PackedMatrix;
}

export interface PackedMlp {
  /** Outputs are gate, up side by side: [hidden, 2 * intermediate]. */
  readonly gateUp: PackedMatrix;
  readonly down: PackedMatrix;
}

/** Rotation of the rows, from outside: positions, and scaling of them, are the caller's business. */
export interface Rotation {
  /** [rows, headDim / 2] float32. */
  readonly cos: Value;
  readonly sin: Value;
  /** [1, rows] int64: 0 .. rows - 1. */
  readonly rowIndex: Value;
}

/** Named points inside a layer that calibration looks at: the inputs of its linear layers. */
export type Observer = (point: "qkv" | "o" | "gateUp" | "down", input: Value) => void;

export interface AttentionResult {
  /** [rows, hidden] float32. */
  readonly output: Value;
  /** [kvHeads, headDim, rows] and [kvHeads, rows, headDim] float64. */
  readonly newKeys: Value;
  readonly newValues: Value;
}

/** Q, K, V projections, rotation, exact attention, output projection; x is [rows, hidden], normalized where the model does so. */
export function attentionBlock(
  g: GraphBuilder,
  shape: AttentionShape,
  weights: PackedAttention,
  x: Value,
  rotation: Rotation,
  mask: AttentionMask,
  cache: { readonly pastKeys: Value; readonly pastValues: Value },
  observe?: Observer,
): AttentionResult {
  const { heads, kvHeads, headDim } = shape;
  observe?.("qkv", x);
  let qkv = linear(g, x, weights.qkv);
  if (weights.qkvBias !== undefined) qkv = g.node("Add", [qkv, vector(g, weights.qkvBias)]);
  const rotated = (heads + kvHeads) * headDim;
  const parts = g.integers([rotated, kvHeads * headDim]);
  const [queriesAndKeys, values] = g.nodeWithOutputs("Split", [qkv, parts], 2, { axis: 1 }) as [Value, Value];
  const turned = g.node(
    "RotaryEmbedding",
    [g.node("Reshape", [queriesAndKeys, g.integers([1, -1, rotated])]), rotation.rowIndex, rotation.cos, rotation.sin],
    { num_heads: heads + kvHeads },
  );
  const turnedParts = g.integers([heads * headDim, kvHeads * headDim]);
  const [queries, keys] = g.nodeWithOutputs("Split", [turned, turnedParts], 2, { axis: 2 }) as [Value, Value];
  const { mixed, newKeys, newValues } = exactAttention(g, shape, mask, { queries, keys, values, ...cache });
  observe?.("o", mixed);
  return { output: linear(g, mixed, weights.o), newKeys, newValues };
}

/** down(silu(gate(x)) * up(x)) for x [rows, hidden]. */
export function swiGlu(g: GraphBuilder, weights: PackedMlp, x: Value, observe?: Observer): Value {
  observe?.("gateUp", x);
  const gateUp = linear(g, x, weights.gateUp);
  const [gate, up] = g.nodeWithOutputs("Split", [gateUp], 2, { axis: 1, num_outputs: 2 }) as [Value, Value];
  const product = g.node("Mul", [g.node("QuickGelu", [gate], { alpha: { float: 1 } }), up]);
  observe?.("down", product);
  return linear(g, product, weights.down);
}

/** x / rms(x) * gain, row by row. */
export function rmsNorm(g: GraphBuilder, x: Value, gain: PackedVector, epsilon: number): Value {
  return g.node("SimplifiedLayerNormalization", [x, vector(g, gain)], { axis: -1, epsilon: { float: epsilon } });
}

export function vector(g: GraphBuilder, packed: PackedVector): Value {
  return g.external(packed.name, "float32", [packed.length], packed.data);
}

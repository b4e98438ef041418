import {
  type AttentionMask,
  type AttentionShape,
  type CachedPrefix,
  exactAttention,
  exactSteps,
  fineSteps,
  type NewRowNames,
  type Rotation,
} from "./attention.ts";
import { linear, type PackedMatrix } from "./linear.ts";
import type { ExternalData, GraphBuilder, Value } from "./onnxWriter.ts";
import { isQuantized } from "./packMatrix.ts";

/** A vector of weights in a data file. */
export interface PackedVector {
  readonly name: string;
  readonly length: number;
  readonly data: ExternalData;
}

export interface PackedAttention {
  /** Outputs are q / sqrt(headDim), k, v side by side: [hidden, (heads + 2 * kvHeads) * headDim]. */
  readonly qkv: PackedMatrix;
  readonly qkvBias?: PackedVector;
  readonly o: PackedMatrix;
}

export interface PackedMlp {
  /** Outputs are gate, up side by side: [hidden, 2 * intermediate]. */
  readonly gateUp: PackedMatrix;
  readonly down: PackedMatrix;
}

export interface AttentionSurroundings {
  readonly rotation: Rotation;
  readonly mask: AttentionMask;
  readonly prefix: CachedPrefix;
  readonly names: NewRowNames;
}

/** Named points inside a layer that calibration looks at: the inputs of its linear layers. */
export type Observer = (point: "qkv" | "o" | "gateUp" | "down", input: Value) => void;

/** Q, K, V projections, rotation, exact attention, output projection; x is [rows, hidden], normalized where the model does so. */
export function attentionBlock(
  g: GraphBuilder,
  shape: AttentionShape,
  weights: PackedAttention,
  x: Value,
  surroundings: AttentionSurroundings,
  observe?: Observer,
): Value {
  observe?.("qkv", x);
  let qkv = linear(g, x, weights.qkv);
  if (weights.qkvBias !== undefined) qkv = g.node("Add", [qkv, vector(g, weights.qkvBias)]);
  const { rotation, mask, prefix, names } = surroundings;
  const steps = isQuantized(weights.qkv.format) ? exactSteps : fineSteps;
  const mixed = exactAttention(g, shape, rotation, mask, prefix, qkv, names, steps);
  observe?.("o", mixed);
  return linear(g, mixed, weights.o);
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

/** The norm of x + y, and that sum. */
export function addAndNorm(
  g: GraphBuilder,
  x: Value,
  y: Value,
  gain: PackedVector,
  epsilon: number,
): { normalized: Value; sum: Value } {
  const [normalized, , , sum] = g.nodeWithOutputs(
    "SkipSimplifiedLayerNormalization",
    [x, y, vector(g, gain)],
    4,
    { epsilon: { float: epsilon } },
    [undefined, "", "", undefined],
  ) as [Value, Value, Value, Value];
  return { normalized, sum };
}

export function vector(g: GraphBuilder, packed: PackedVector): Value {
  return g.external(packed.name, "float32", [packed.length], packed.data);
}

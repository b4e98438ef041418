import type { GraphBuilder, Value } from "./onnxWriter.ts";

/**
 * Attention whose result does not depend on how the keys were reached (design.md 3.5): which are cached and which new, how
 * long the cache's bucket is, how many rows run together, in which chunks a prompt came.
 *
 * Float sums depend on their order, so here every sum is made exact instead: all terms are multiples of one fixed step and no
 * sum needs more than float64's 53 bits, so no addition ever rounds and any order gives the same bits.
 *   scores   q and k are rounded to steps of 2^-14; exact while |sum| < 2^25
 *   weights  exp(score - maximum) in [0, 1] is rounded to steps of 2^-20; their sum is exact up to 2^33 keys
 *   values   v is rounded to steps of 2^-16; exact while sum(weight * |v|) < 2^17
 * The steps are far below the noise of int8 weights; a model that left the bounds would lose exactness, not accuracy.
 */
const scoreStepExponent = -14;
const weightStepExponent = -20;
const valueStepExponent = -16;

export interface AttentionShape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

/** What all layers of a graph share: the mask and the shapes that follow from it, computed once per run. */
export interface AttentionMask {
  /** [rows, bucket + rows] float32: 0 where a row may look, hugely negative where not. */
  readonly bias: Value;
  /** int64 [2]: bucket, rows. */
  readonly split: Value;
  /** int64 shapes [kvHeads, group, rows, bucket + rows], [kvHeads, group * rows, bucket], [kvHeads, group * rows, rows]. */
  readonly scoreShape: Value;
  readonly pastShape: Value;
  readonly newShape: Value;
}

/** `split` holds the sizes of the bias's two parts: keys from the cache's bucket, keys of the rows themselves. */
export function attentionMask(g: GraphBuilder, shape: AttentionShape, bias: Value, split: Value): AttentionMask {
  const group = shape.heads / shape.kvHeads;
  const concat = (...parts: Value[]) => g.node("Concat", parts, { axis: 0 });
  const [bucket, rows] = g.nodeWithOutputs("Split", [split], 2, { axis: 0, num_outputs: 2 }) as [Value, Value];
  return {
    bias,
    split,
    scoreShape: concat(g.integers([shape.kvHeads, group]), g.node("Shape", [bias])),
    pastShape: concat(g.integers([shape.kvHeads, -1]), bucket),
    newShape: concat(g.integers([shape.kvHeads, -1]), rows),
  };
}

export interface AttentionInputs {
  /** [1, rows, heads * headDim] float32, rotated. */
  readonly queries: Value;
  /** [1, rows, kvHeads * headDim] float32, rotated. */
  readonly keys: Value;
  /** [rows, kvHeads * headDim] float32. */
  readonly values: Value;
  /** [kvHeads, headDim, bucket] float64. */
  readonly pastKeys: Value;
  /** [kvHeads, bucket, headDim] float64. */
  readonly pastValues: Value;
}

export interface AttentionOutputs {
  /** [rows, heads * headDim] float32. */
  readonly mixed: Value;
  /** [kvHeads, headDim, rows] float64, to be appended to the cache. */
  readonly newKeys: Value;
  /** [kvHeads, rows, headDim] float64. */
  readonly newValues: Value;
}

export function exactAttention(
  g: GraphBuilder,
  shape: AttentionShape,
  mask: AttentionMask,
  inputs: AttentionInputs,
): AttentionOutputs {
  const { heads, kvHeads, headDim } = shape;
  const group = heads / kvHeads;

  // Query heads that share keys become rows of one product: [kvHeads, group * rows, headDim].
  const scaled = g.node("Mul", [inputs.queries, g.scalar("float32", 1 / Math.sqrt(headDim))]);
  const byGroup = g.node("Reshape", [scaled, g.integers([-1, kvHeads, group, headDim])]);
  const groupFirst = g.node("Transpose", [byGroup], { perm: [1, 2, 0, 3] });
  const queries = toSteps(g, g.node("Reshape", [groupFirst, g.integers([kvHeads, -1, headDim])]), scoreStepExponent);

  const byHead = g.integers([-1, kvHeads, headDim]);
  const keys = g.node("Transpose", [g.node("Reshape", [inputs.keys, byHead])], { perm: [1, 2, 0] });
  const newKeys = toSteps(g, keys, scoreStepExponent);
  const values = g.node("Transpose", [g.node("Reshape", [inputs.values, byHead])], { perm: [1, 0, 2] });
  const newValues = toSteps(g, values, valueStepExponent);

  const pastScores = toFloat32(g, g.node("MatMul", [queries, inputs.pastKeys]));
  const newScores = toFloat32(g, g.node("MatMul", [queries, newKeys]));
  const scores = g.node("Reshape", [g.node("Concat", [pastScores, newScores], { axis: 2 }), mask.scoreShape]);

  const masked = g.node("Add", [scores, mask.bias]);
  const maximum = g.node("ReduceMax", [masked, g.integers([-1])], { keepdims: 1 });
  const exponentials = g.node("Exp", [g.node("Sub", [masked, maximum])]);
  const weights = toFloat64(g, roundUnit(g, exponentials, weightStepExponent));
  const total = g.node("ReduceSum", [weights, g.integers([-1])], { keepdims: 1 });
  const [past, fresh] = g.nodeWithOutputs("Split", [weights, mask.split], 2, { axis: 3 }) as [Value, Value];
  const pastSum = g.node("MatMul", [g.node("Reshape", [past, mask.pastShape]), inputs.pastValues]);
  const newSum = g.node("MatMul", [g.node("Reshape", [fresh, mask.newShape]), newValues]);
  const sum = g.node("Reshape", [g.node("Add", [pastSum, newSum]), g.integers([kvHeads, group, -1, headDim])]);
  const mean = toFloat32(g, g.node("Div", [sum, total]));
  const rowsFirst = g.node("Transpose", [mean], { perm: [2, 0, 1, 3] });
  return { mixed: g.node("Reshape", [rowsFirst, g.integers([-1, heads * headDim])]), newKeys, newValues };
}

/** Rounds to a multiple of 2^exponent and widens: adding 1.5 * 2^(52 + exponent) leaves no bits below the step. */
function toSteps(g: GraphBuilder, x: Value, exponent: number): Value {
  const shift = g.scalar("float64", 1.5 * 2 ** (52 + exponent));
  return g.node("Sub", [g.node("Add", [toFloat64(g, x), shift]), shift]);
}

/** The same within float32, for values in [0, 1]: 1.5 * 2^(23 + exponent) stays far above them. */
function roundUnit(g: GraphBuilder, x: Value, exponent: number): Value {
  const shift = g.scalar("float32", 1.5 * 2 ** (23 + exponent));
  return g.node("Sub", [g.node("Add", [x, shift]), shift]);
}

function toFloat64(g: GraphBuilder, x: Value): Value {
  return g.node("Cast", [x], { to: 11 });
}

function toFloat32(g: GraphBuilder, x: Value): Value {
  return g.node("Cast", [x], { to: 1 });
}

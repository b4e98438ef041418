import type { GraphBuilder, Value } from "./onnxWriter.ts";

/**
 * Attention whose result does not depend on how the keys were reached (design.md 3.5): which are cached and which new, how
 * long the cache's bucket is, how many rows run together, in which chunks a prompt came.
 *
 * Float sums depend on their order, so here every sum is made exact instead: all terms are multiples of one fixed step and no
 * sum needs more than float64's 53 bits, so no addition ever rounds and any order gives the same bits.
 *   scores   q and k are rounded to steps of 2^-15; exact while |sum| < 2^23
 *   weights  exp(score - maximum) in [0, 1] is rounded to steps of 2^-20; their sum is exact up to 2^33 keys
 *   values   v is rounded to steps of 2^-15; exact while sum(weight * |v|) < 2^18
 * The steps are far below the noise of int8 weights; a model that left the bounds would lose exactness, not accuracy.
 */
export const exactSteps: AttentionSteps = { projection: -15, weight: -20 };

/** Steps below float32's own rounding, for float32 and float16 weights: their products promise no exactness anyway. */
export const fineSteps: AttentionSteps = { projection: -23, weight: -22 };

/** Binary exponents of the steps that q, k, v and the weights are rounded to. */
export interface AttentionSteps {
  readonly projection: number;
  readonly weight: number;
}

export interface AttentionShape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

/** What all layers of a graph share, computed once per run. */
export interface AttentionMask {
  /** [group * rows, bucket + rows] float32: 0 where a row may look, hugely negative where not. */
  readonly bias: Value;
  /** int64 [2]: bucket, rows. */
  readonly split: Value;
}

/** Repeats the rows' bias [rows, bucket + rows] for every query head of a group; `split` holds the sizes of its two parts. */
export function attentionMask(g: GraphBuilder, shape: AttentionShape, bias: Value, split: Value): AttentionMask {
  const group = shape.heads / shape.kvHeads;
  const repeated = g.node("Tile", [bias, g.integers([group, 1])]);
  return { bias: repeated, split };
}

/** Rotation of the rows, from outside: positions, and scaling of them, are the caller's business. */
export interface Rotation {
  /** [rows, headDim / 2] float32. */
  readonly cos: Value;
  readonly sin: Value;
  /** [1, rows] int64: 0 .. rows - 1. */
  readonly rowIndex: Value;
}

/** Keys and values of the prefix, float64. */
export interface CachedPrefix {
  /** [1, kvHeads, headDim, bucket]. */
  readonly keys: Value;
  /** [1, kvHeads, bucket, headDim]. */
  readonly values: Value;
}

/** Names under which the rows' own keys and values [1, kvHeads, rows, headDim] float64 leave the graph, to be appended to the cache. */
export interface NewRowNames {
  readonly keys: string;
  readonly values: string;
}

/**
 * @param qkv [rows, (heads + 2 * kvHeads) * headDim] float32, q already divided by sqrt(headDim)
 * @returns [rows, heads * headDim] float32
 */
export function exactAttention(
  g: GraphBuilder,
  { heads, kvHeads, headDim }: AttentionShape,
  rotation: Rotation,
  mask: AttentionMask,
  prefix: CachedPrefix,
  qkv: Value,
  names: NewRowNames,
  steps = exactSteps,
): Value {
  const rotated = heads + kvHeads;
  const widths = g.integers([rotated * headDim, kvHeads * headDim]);
  const [turning, still] = g.nodeWithOutputs("Split", [qkv, widths], 2, { axis: 1 }) as [Value, Value];
  const headFirst = (x: Value, count: number) =>
    g.node("Transpose", [g.node("Reshape", [x, g.integers([1, -1, count, headDim])])], { perm: [0, 2, 1, 3] });
  const turned = g.node("RotaryEmbedding", [
    headFirst(turning, rotated),
    rotation.rowIndex,
    rotation.cos,
    rotation.sin,
  ]);
  const queriesAndKeys = toSteps(g, turned, steps.projection);
  const newValues = toSteps(g, headFirst(still, kvHeads), steps.projection, names.values);
  const counts = g.integers([heads, kvHeads]);
  const [perHead, newKeys] = g.nodeWithOutputs("Split", [queriesAndKeys, counts], 2, { axis: 1 }, [
    undefined,
    names.keys,
  ]) as [Value, Value];
  for (const name of [names.keys, names.values]) g.output(name, "float64", [1, kvHeads, "rows", headDim]);

  // Query heads that share keys become rows of one product: [1, kvHeads, group * rows, headDim].
  const queries = g.node("Reshape", [perHead, g.integers([1, kvHeads, -1, headDim])]);
  const pastScores = g.node("MatMul", [queries, prefix.keys]);
  const newScores = g.node("MatMul", [queries, g.node("Transpose", [newKeys], { perm: [0, 1, 3, 2] })]);
  const scores = toFloat32(g, g.node("Concat", [pastScores, newScores], { axis: 3 }));

  const masked = g.node("Add", [scores, mask.bias]);
  const maximum = g.node("ReduceMax", [masked, g.integers([-1])], { keepdims: 1 });
  const exponentials = g.node("Exp", [g.node("Sub", [masked, maximum])]);
  const weights = toFloat64(g, toWeightSteps(g, exponentials, steps.weight));
  const total = g.node("ReduceSum", [weights, g.integers([-1])], { keepdims: 1 });
  const [past, fresh] = g.nodeWithOutputs("Split", [weights, mask.split], 2, { axis: 3 }) as [Value, Value];
  const sum = g.node("Add", [g.node("MatMul", [past, prefix.values]), g.node("MatMul", [fresh, newValues])]);
  const mean = g.node("Reshape", [toFloat32(g, g.node("Div", [sum, total])), g.integers([heads, -1, headDim])]);
  return g.node("Reshape", [g.node("Transpose", [mean], { perm: [1, 0, 2] }), g.integers([-1, heads * headDim])]);
}

/** Widens and rounds to a multiple of the step: adding 1.5 * 2^(52 + exponent) leaves no bits below it. */
function toSteps(g: GraphBuilder, x: Value, exponent: number, name?: string): Value {
  const shift = g.scalar("float64", 1.5 * 2 ** (52 + exponent));
  return g.nodeWithOutputs("Sub", [g.node("Add", [toFloat64(g, x), shift]), shift], 1, {}, [name])[0]!;
}

/** The same within float32, for values in [0, 1]: 1.5 * 2^(23 + exponent) stays far above them. */
function toWeightSteps(g: GraphBuilder, x: Value, exponent: number): Value {
  const shift = g.scalar("float32", 1.5 * 2 ** (23 + exponent));
  return g.node("Sub", [g.node("Add", [x, shift]), shift]);
}

function toFloat64(g: GraphBuilder, x: Value): Value {
  return g.node("Cast", [x], { to: 11 });
}

function toFloat32(g: GraphBuilder, x: Value): Value {
  return g.node("Cast", [x], { to: 1 });
}

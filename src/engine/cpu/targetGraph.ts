import type { ModelConfig } from "../model/checkpoint.ts";
import { type AttentionShape, attentionMask, type Rotation } from "./attention.ts";
import {
  addAndNorm,
  attentionBlock,
  type Observer,
  type PackedAttention,
  type PackedMlp,
  type PackedVector,
  rmsNorm,
  swiGlu,
  vector,
} from "./decoderLayer.ts";
import { type PackedMatrix, unscaledLinear } from "./linear.ts";
import { GraphBuilder, type Value } from "./onnxWriter.ts";
import { rowArgMax } from "./rowArgMax.ts";

export interface PackedLayer extends PackedAttention, PackedMlp {
  readonly attentionNorm: PackedVector;
  readonly mlpNorm: PackedVector;
}

/** Names of the body graph's inputs and outputs; training reads the same graph by these. */
export const bodyNames = {
  hidden: "hidden", // [rows, hidden] float32: embeddings of the rows' tokens
  cos: "cos", // [rows, headDim / 2] float32
  sin: "sin",
  rowIndex: "row_index", // [1, rows] int64: 0 .. rows - 1
  bias: "bias", // [rows, bucket + rows] float32
  split: "split", // [2] int64: bucket, rows
  features: "features", // [rows, hidden] float32, after the final norm
  pastKeys: (layer: number) => `past_keys.${layer}`, // [1, kvHeads, headDim, bucket] float64
  pastValues: (layer: number) => `past_values.${layer}`, // [1, kvHeads, bucket, headDim] float64
  newKeys: (layer: number) => `new_keys.${layer}`, // [1, kvHeads, rows, headDim] float64
  newValues: (layer: number) => `new_values.${layer}`, // [1, kvHeads, rows, headDim] float64
} as const;

/**
 * The decoder without embedding and LM head: rows that hang on a cached prefix in, features and the rows' own keys and values
 * out. The cache goes in as inputs, which are not copied, and never comes out (design.md 3.4).
 * With `outputNorm` left out the graph ends in the residual stream and `observe` sees the layers' inner inputs: calibration.
 */
export function buildBody(
  config: ModelConfig,
  layers: readonly PackedLayer[],
  outputNorm: PackedVector | undefined,
  observe?: (g: GraphBuilder, layer: number) => Observer,
): Uint8Array {
  const g = new GraphBuilder("body");
  let x = g.input(bodyNames.hidden, "float32", ["rows", config.hidden]);
  const rotation = rotationInputs(g, config.headDim);
  const bias = g.input(bodyNames.bias, "float32", ["rows", "keys"]);
  const mask = attentionMask(g, config, bias, g.input(bodyNames.split, "int64", [2]));
  let update: Value | undefined;
  /** Adds what the last block left to the residual stream, and normalizes it for the next one. */
  const normalize = (gain: PackedVector): Value => {
    if (update === undefined) return rmsNorm(g, x, gain, config.rmsEpsilon);
    const { normalized, sum } = addAndNorm(g, x, update, gain, config.rmsEpsilon);
    x = sum;
    return normalized;
  };
  for (const [index, layer] of layers.entries()) {
    const surroundings = { rotation, mask, ...cacheOf(g, config, index) };
    const observer = observe?.(g, index);
    update = attentionBlock(g, config, layer, normalize(layer.attentionNorm), surroundings, observer);
    update = swiGlu(g, layer, normalize(layer.mlpNorm), observer);
  }
  g.rename(outputNorm === undefined ? g.node("Add", [x, update!]) : normalize(outputNorm), bodyNames.features);
  g.output(bodyNames.features, "float32", ["rows", config.hidden]);
  return g.finish();
}

/** The inputs and outputs that carry a layer's keys and values. */
export function cacheOf(g: GraphBuilder, { kvHeads, headDim }: AttentionShape, layer: number) {
  return {
    prefix: {
      keys: g.input(bodyNames.pastKeys(layer), "float64", [1, kvHeads, headDim, "bucket"]),
      values: g.input(bodyNames.pastValues(layer), "float64", [1, kvHeads, "bucket", headDim]),
    },
    names: { keys: bodyNames.newKeys(layer), values: bodyNames.newValues(layer) },
  };
}

export function rotationInputs(g: GraphBuilder, headDim: number): Rotation {
  return {
    cos: g.input(bodyNames.cos, "float32", ["rows", headDim / 2]),
    sin: g.input(bodyNames.sin, "float32", ["rows", headDim / 2]),
    rowIndex: g.input(bodyNames.rowIndex, "int64", [1, "rows"]),
  };
}

export const lmHeadNames = {
  features: "features", // [rows, hidden] float32
  logitRows: "logit_rows", // [wanted] int64: rows whose logits are wanted; empty where the argmax is all that counts
  logits: "logits", // [wanted, vocabulary] float32
  argmax: "argmax", // [rows] int64, ties to the smaller id
} as const;

/**
 * Logits of feature rows; `unsmooth` [hidden] undoes the smoothing that the weights carry. The runtime computes every output
 * whether it is asked for or not, hence the rows by name: 16 rows of unread logits would cost 2 ms.
 */
export function buildLmHead(config: ModelConfig, matrix: PackedMatrix, unsmooth: PackedVector): Uint8Array {
  const g = new GraphBuilder("lm_head");
  const features = g.input(lmHeadNames.features, "float32", ["rows", config.hidden]);
  const wanted = g.input(lmHeadNames.logitRows, "int64", ["wanted"]);
  const { product, rowScale } = unscaledLinear(g, g.node("Mul", [features, vector(g, unsmooth)]), matrix);
  const rowsOf = (value: Value) => g.node("Gather", [value, wanted], { axis: 0 });
  const logits = rowScale === undefined ? rowsOf(product) : g.node("Mul", [rowsOf(product), rowsOf(rowScale)]);
  g.rename(logits, lmHeadNames.logits);
  g.output(lmHeadNames.logits, "float32", ["wanted", config.vocabulary]);
  g.rename(rowArgMax(g, product, config.vocabulary, rowScale), lmHeadNames.argmax);
  g.output(lmHeadNames.argmax, "int64", ["rows"]);
  return g.finish();
}

import type { ModelConfig } from "../model/checkpoint.ts";
import { attentionMask } from "./attention.ts";
import {
  attentionBlock,
  type Observer,
  type PackedAttention,
  type PackedMlp,
  type PackedVector,
  rmsNorm,
  type Rotation,
  swiGlu,
  vector,
} from "./decoderLayer.ts";
import { linear, type PackedMatrix } from "./linear.ts";
import { GraphBuilder, type Value } from "./onnxWriter.ts";

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
  pastKeys: (layer: number) => `past_keys.${layer}`, // [kvHeads, headDim, bucket] float64
  pastValues: (layer: number) => `past_values.${layer}`, // [kvHeads, bucket, headDim] float64
  newKeys: (layer: number) => `new_keys.${layer}`, // [kvHeads, headDim, rows] float64
  newValues: (layer: number) => `new_values.${layer}`, // [kvHeads, rows, headDim] float64
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
  const { kvHeads, headDim } = config;
  let x = g.input(bodyNames.hidden, "float32", ["rows", config.hidden]);
  const rotation = rotationInputs(g, headDim);
  const bias = g.input(bodyNames.bias, "float32", ["rows", "keys"]);
  const mask = attentionMask(g, config, bias, g.input(bodyNames.split, "int64", [2]));
  for (const [index, layer] of layers.entries()) {
    const cache = {
      pastKeys: g.input(bodyNames.pastKeys(index), "float64", [kvHeads, headDim, "bucket"]),
      pastValues: g.input(bodyNames.pastValues(index), "float64", [kvHeads, "bucket", headDim]),
    };
    const observer = observe?.(g, index);
    const normalized = rmsNorm(g, x, layer.attentionNorm, config.rmsEpsilon);
    const attention = attentionBlock(g, config, layer, normalized, rotation, mask, cache, observer);
    g.rename(attention.newKeys, bodyNames.newKeys(index));
    g.output(bodyNames.newKeys(index), "float64", [kvHeads, headDim, "rows"]);
    g.rename(attention.newValues, bodyNames.newValues(index));
    g.output(bodyNames.newValues(index), "float64", [kvHeads, "rows", headDim]);
    const residual = g.node("Add", [x, attention.output]);
    const mlpInput = rmsNorm(g, residual, layer.mlpNorm, config.rmsEpsilon);
    x = g.node("Add", [residual, swiGlu(g, layer, mlpInput, observer)]);
  }
  g.rename(outputNorm === undefined ? x : rmsNorm(g, x, outputNorm, config.rmsEpsilon), bodyNames.features);
  g.output(bodyNames.features, "float32", ["rows", config.hidden]);
  return g.finish();
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
  logits: "logits", // [rows, vocabulary] float32
  argmax: "argmax", // [rows] int64, ties to the smaller id
} as const;

/** Logits of feature rows; `unsmooth` [hidden] undoes the smoothing that the weights carry. */
export function buildLmHead(config: ModelConfig, matrix: PackedMatrix, unsmooth: PackedVector): Uint8Array {
  const g = new GraphBuilder("lm_head");
  const features = g.input(lmHeadNames.features, "float32", ["rows", config.hidden]);
  const logits: Value = linear(g, g.node("Mul", [features, vector(g, unsmooth)]), matrix);
  g.rename(logits, lmHeadNames.logits);
  g.output(lmHeadNames.logits, "float32", ["rows", config.vocabulary]);
  g.rename(g.node("ArgMax", [logits], { axis: 1, keepdims: 0 }), lmHeadNames.argmax);
  g.output(lmHeadNames.argmax, "int64", ["rows"]);
  return g.finish();
}

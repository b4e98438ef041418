import { type AttentionShape, attentionMask } from "./attention.ts";
import {
  attentionBlock,
  type PackedAttention,
  type PackedMlp,
  type PackedVector,
  rmsNorm,
  swiGlu,
  vector,
} from "./decoderLayer.ts";
import { linear, type PackedMatrix } from "./linear.ts";
import { GraphBuilder, type Value } from "./onnxWriter.ts";
import { bodyNames, cacheOf, rotationInputs } from "./targetGraph.ts";

/** A draft head's weights in a data file (jakiro.md section 1). */
export interface PackedHead {
  readonly hidden: number;
  readonly shape: AttentionShape;
  readonly rmsEpsilon: number;
  /** fc over [embedding; feature], cut in two: embeddings and features differ in size by orders of magnitude. */
  readonly fcEmbedding: PackedMatrix;
  readonly fcFeature: PackedMatrix;
  /** [hidden]: inverse of the smoothing that fcFeature carries. */
  readonly unsmooth: PackedVector;
  readonly fcBias: PackedVector;
  readonly attention: PackedAttention;
  readonly mlpNorm: PackedVector;
  readonly mlp: PackedDense | PackedExperts;
}

export interface PackedDense extends PackedMlp {
  readonly kind: "dense";
}

export interface PackedExperts {
  readonly kind: "experts";
  /** [hidden, experts + 2] float32. */
  readonly gate: PackedMatrix;
  readonly experts: readonly PackedMlp[];
}

/** Names of the head graph's inputs and outputs beside those it shares with the body. */
export const headNames = {
  embeddings: "embeddings", // [rows, hidden] float32: of the token after each feature
  features: "previous_features", // [rows, hidden] float32
  outputRows: "output_rows", // [outputs] int64: rows whose outputs are wanted
  mixture: "mixture", // y1, [outputs, hidden]
  contrast: "contrast", // y2, [outputs, hidden]; experts only
  branches: ["branch_0", "branch_1"], // a + E of the selected expert with the smaller, larger index; experts only
} as const;

/** fc, one decoder layer without input norm, and the experts' outputs (jakiro.md section 1). */
export function buildHead(head: PackedHead): Uint8Array {
  const g = new GraphBuilder("head");
  const { hidden } = head;
  const embeddings = g.input(headNames.embeddings, "float32", ["rows", hidden]);
  const features = g.input(headNames.features, "float32", ["rows", hidden]);
  const rotation = rotationInputs(g, head.shape.headDim);
  const bias = g.input(bodyNames.bias, "float32", ["rows", "keys"]);
  const mask = attentionMask(g, head.shape, bias, g.input(bodyNames.split, "int64", [2]));
  const outputRows = g.input(headNames.outputRows, "int64", ["outputs"]);
  const output = (value: Value, name: string) => {
    g.rename(value, name);
    g.output(name, "float32", ["outputs", hidden]);
  };

  const fromFeature = linear(g, g.node("Mul", [features, vector(g, head.unsmooth)]), head.fcFeature);
  const merged = g.node("Add", [linear(g, embeddings, head.fcEmbedding), fromFeature]);
  const x = g.node("Add", [merged, vector(g, head.fcBias)]);
  const surroundings = { rotation, mask, ...cacheOf(g, head.shape, 0) };
  const attention = attentionBlock(g, head.shape, head.attention, x, surroundings);

  // All rows write keys and values; only some go on to the experts.
  const a = g.node("Gather", [g.node("Add", [x, attention]), outputRows], { axis: 0 });
  const z = rmsNorm(g, a, head.mlpNorm, head.rmsEpsilon);
  if (head.mlp.kind === "dense") {
    output(g.node("Add", [a, swiGlu(g, head.mlp, z)]), headNames.mixture);
    return g.finish();
  }
  const { mixture, contrast, branches } = mixExperts(g, head.mlp, a, z);
  output(mixture, headNames.mixture);
  output(contrast, headNames.contrast);
  for (const [i, name] of headNames.branches.entries()) output(branches[i]!, name);
  return g.finish();
}

/**
 * The two experts with the largest gates, in index order, mixed three ways: weighted by the softmax of their own gates (y1),
 * strong minus weak by the contrastive gates (y2), and each alone (the branches of Jakiro*).
 */
function mixExperts(g: GraphBuilder, { gate, experts }: PackedExperts, a: Value, z: Value) {
  const count = experts.length;
  const gates = linear(g, z, gate);
  const parts = g.integers([count, 2]);
  const [routing, contrastive] = g.nodeWithOutputs("Split", [gates, parts], 2, { axis: 1 }) as [Value, Value];
  const [, best] = g.nodeWithOutputs("TopK", [routing, g.integers([2])], 2, { axis: 1 }) as [Value, Value];
  const smaller = g.node("ReduceMin", [best, g.integers([1])], { keepdims: 1 });
  const larger = g.node("ReduceMax", [best, g.integers([1])], { keepdims: 1 });
  const selected = g.node("Concat", [smaller, larger], { axis: 1 }); // [outputs, 2]

  const outputs = experts.map((expert) => g.node("Unsqueeze", [swiGlu(g, expert, z), g.integers([1])]));
  const all = g.node("Concat", outputs, { axis: 1 }); // [outputs, experts, hidden]
  const index = g.node("Unsqueeze", [selected, g.integers([2])]);
  const chosen = g.node("GatherND", [all, index], { batch_dims: 1 }); // [outputs, 2, hidden]

  const weights = g.node("Softmax", [g.node("GatherElements", [routing, selected], { axis: 1 })], { axis: 1 });
  const strength = g.node("Softmax", [contrastive], { axis: 1 });
  // +1 for the stronger one, -1 for the weaker; the first is the stronger one of equals.
  const [first, second] = g.nodeWithOutputs("Split", [strength], 2, { axis: 1, num_outputs: 2 }) as [Value, Value];
  const isFirst = g.node("GreaterOrEqual", [first, second]);
  const sign = g.node("Where", [isFirst, g.scalar("float32", 1), g.scalar("float32", -1)]);
  const signs = g.node("Concat", [sign, g.node("Neg", [sign])], { axis: 1 });
  const contrast = g.node("Mul", [strength, signs]);

  const combine = (factors: Value) => {
    const scaled = g.node("Mul", [chosen, g.node("Unsqueeze", [factors, g.integers([2])])]);
    return g.node("Add", [a, g.node("ReduceSum", [scaled, g.integers([1])], { keepdims: 0 })]);
  };
  const [low, high] = g.nodeWithOutputs("Split", [chosen], 2, { axis: 1, num_outputs: 2 }) as [Value, Value];
  const alone = (expert: Value) => g.node("Add", [a, g.node("Squeeze", [expert, g.integers([1])])]);
  return { mixture: combine(weights), contrast: combine(contrast), branches: [alone(low), alone(high)] };
}

export const draftLmHeadNames = {
  hidden: "hidden", // [rows, hidden] float32
  count: "count", // [1] int64
  ids: "ids", // [rows, count] int64 in the draft vocabulary, best first
  logProbabilities: "log_probabilities", // [rows, count] float32 within the draft vocabulary
} as const;

/** The `count` most probable tokens of each row over the reduced vocabulary (jakiro.md section 5). */
export function buildDraftLmHead(hidden: number, matrix: PackedMatrix, unsmooth: PackedVector): Uint8Array {
  const g = new GraphBuilder("draft_lm_head");
  const rows = g.input(draftLmHeadNames.hidden, "float32", ["rows", hidden]);
  const count = g.input(draftLmHeadNames.count, "int64", [1]);
  const logits = linear(g, g.node("Mul", [rows, vector(g, unsmooth)]), matrix);
  const logProbabilities = g.node("LogSoftmax", [logits], { axis: 1 });
  const [best, ids] = g.nodeWithOutputs("TopK", [logProbabilities, count], 2, { axis: 1 }) as [Value, Value];
  g.rename(best, draftLmHeadNames.logProbabilities);
  g.output(draftLmHeadNames.logProbabilities, "float32", ["rows", "count"]);
  g.rename(ids, draftLmHeadNames.ids);
  g.output(draftLmHeadNames.ids, "int64", ["rows", "count"]);
  return g.finish();
}

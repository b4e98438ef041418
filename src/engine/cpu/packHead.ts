import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Checkpoint } from "../model/checkpoint.ts";
import type { HeadConfig, HeadFile } from "../model/headFile.ts";
import { buildDraftLmHead, buildHead, type PackedDense, type PackedExperts, type PackedHead } from "./headGraph.ts";
import { scaleInPlace } from "./layerWeights.ts";
import { writeOnce } from "./packDirectory.ts";
import { packingFor } from "./packingFor.ts";
import { type DenseMatrix, MatrixPacker, type Packing, packMatrix, type WeightFormat } from "./packMatrix.ts";
import type { PackedTarget } from "./packTarget.ts";
import { FileSink, packVector, type WeightSink } from "./weightSink.ts";

/** A head packed for this engine. */
export interface PackedHeadFiles {
  readonly config: HeadConfig;
  /** Target token of each draft token, [draft vocabulary]. */
  readonly draftToTarget: Int32Array;
  readonly head: string;
  readonly lmHead: string;
}

export interface HeadPackRequest {
  readonly file: HeadFile;
  readonly checkpoint: Checkpoint;
  readonly target: Pick<PackedTarget, "source" | "smoothingHash">;
  /** Divisors of the target's features: what smooths the LM head smooths the head's own reading of features. */
  readonly featureSmoothing: Float32Array | undefined;
  readonly format: WeightFormat;
  readonly root: string;
}

/** Finds the packed form of a head for a target, or makes it. */
export async function packHead(request: HeadPackRequest): Promise<PackedHeadFiles> {
  const { file, root, target } = request;
  const packing = await packingFor(request.format);
  // The draft LM head comes from the target, smoothed as its features are.
  const of = `${target.source.slice(0, 16)}-${target.smoothingHash.slice(0, 8)}`;
  const directory = join(root, `${of}-head-${file.contentHash.slice(0, 16)}-${packing}-v2`);
  await writeOnce(directory, async (draft) => {
    await FileSink.into(join(draft, "head.bin"), (sink) =>
      writeFileSync(join(draft, "head.onnx"), buildHead(packWeights(request, packing, sink))),
    );
    await FileSink.into(join(draft, "draft_lm_head.bin"), (sink) =>
      writeFileSync(join(draft, "draft_lm_head.onnx"), draftLmHead(request, packing, sink)),
    );
  });
  return {
    config: file.config,
    draftToTarget: file.draftToTarget,
    head: join(directory, "head.onnx"),
    lmHead: join(directory, "draft_lm_head.onnx"),
  };
}

function packWeights({ file, featureSmoothing }: HeadPackRequest, packing: Packing, sink: WeightSink): PackedHead {
  const { config } = file;
  const { hidden } = config;
  const pack = (name: string, tensors: readonly string[], own = packing) =>
    packMatrix(
      sink,
      name,
      own,
      tensors.map((tensor) => file.matrix(tensor)),
    );
  const layer = "layers.0";
  const projections = ["q", "k", "v"].map((part) => `${layer}.self_attn.${part}_proj`);
  const fc = file.matrix("fc.weight");
  const [q, k, v] = projections.map((name) => file.matrix(`${name}.weight`));
  const biases = config.qkvBias ? projections.map((name) => file.vector(`${name}.bias`)) : [];
  for (const values of [q!.values, ...biases.slice(0, 1)]) scaleInPlace(values, 1 / Math.sqrt(config.shape.headDim));
  const qkvBias = config.qkvBias ? joined(biases) : undefined;
  const mlp = (name: string, path: string) => ({
    gateUp: pack(`${name}.gate_up`, [`${path}.gate_proj.weight`, `${path}.up_proj.weight`]),
    down: pack(`${name}.down`, [`${path}.down_proj.weight`]),
  });
  const dense = (): PackedDense => ({ kind: "dense", ...mlp("mlp", `${layer}.mlp`) });
  const mixture = (): PackedExperts => ({
    kind: "experts",
    gate: pack("gate", [`${layer}.mlp_moe.gate.weight`], "float32"),
    experts: Array.from({ length: config.experts }, (_, i) => mlp(`experts.${i}`, `${layer}.mlp_moe.experts.${i}`)),
  });
  return {
    hidden,
    shape: config.shape,
    rmsEpsilon: config.rmsEpsilon,
    fcEmbedding: packMatrix(sink, "fc.embedding", packing, [columns(fc, 0, hidden)]),
    fcFeature: packMatrix(sink, "fc.feature", packing, [columns(fc, hidden, 2 * hidden)], featureSmoothing),
    unsmooth: packVector(sink, "fc.unsmooth", inverse(featureSmoothing, hidden)),
    fcBias: packVector(sink, "fc.bias", file.vector("fc.bias")),
    attention: {
      qkv: packMatrix(sink, "qkv", packing, [q!, k!, v!]),
      ...(qkvBias === undefined ? {} : { qkvBias: packVector(sink, "qkv.bias", qkvBias) }),
      o: pack("o", [`${layer}.self_attn.o_proj.weight`]),
    },
    mlpNorm: packVector(sink, "mlp_norm", file.vector(`${layer}.post_attention_layernorm.weight`)),
    mlp: config.kind === "eagle" ? dense() : mixture(),
  };
}

/** The target's LM head, cut down to the rows of the draft vocabulary. */
function draftLmHead(
  { file, checkpoint, featureSmoothing }: HeadPackRequest,
  packing: Packing,
  sink: WeightSink,
): Uint8Array {
  const { hidden, tiedEmbeddings } = checkpoint.config;
  const { draftToTarget } = file;
  const name = tiedEmbeddings ? "embedding" : "output";
  const packer = new MatrixPacker(packing, hidden, draftToTarget.length, featureSmoothing);
  const rows = new Float32Array(draftToTarget.length * hidden);
  for (const [i, token] of draftToTarget.entries()) {
    checkpoint.readRows(name, token, 1, rows.subarray(i * hidden, (i + 1) * hidden));
  }
  packer.addRows(rows, draftToTarget.length);
  const matrix = packer.finish(sink, "draft_lm_head");
  return buildDraftLmHead(
    hidden,
    matrix,
    packVector(sink, "draft_lm_head.unsmooth", inverse(featureSmoothing, hidden)),
  );
}

function inverse(divisors: Float32Array | undefined, length: number): Float32Array {
  return divisors?.map((divisor) => 1 / divisor) ?? new Float32Array(length).fill(1);
}

/** Columns first .. end - 1 of a matrix. */
function columns({ outputs, inputs, values }: DenseMatrix, first: number, end: number): DenseMatrix {
  const width = end - first;
  const cut = new Float32Array(outputs * width);
  for (let row = 0; row < outputs; row++) {
    cut.set(values.subarray(row * inputs + first, row * inputs + end), row * width);
  }
  return { outputs, inputs: width, values: cut };
}

function joined(parts: readonly Float32Array[]): Float32Array {
  return Float32Array.from(parts.flatMap((part) => Array.from(part)));
}

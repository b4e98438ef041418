import { scaleInPlace } from "../cpu/layerWeights.ts";
import { type DenseMatrix, packMatrix, type WeightFormat } from "../cpu/packMatrix.ts";
import { MemorySink, packVector } from "../cpu/weightSink.ts";
import type { Checkpoint } from "../model/checkpoint.ts";
import type { HeadTensors } from "../model/headFile.ts";
import { type GpuMatrix, interleave, memorySource, WeightUpload } from "./weightUpload.ts";

/** A draft head on the device, in the layouts of the kernels that read it. */
export interface GpuHeadWeights {
  /** [2 * hidden, hidden] over embedding and feature. */
  readonly fc: GpuMatrix;
  /** Power of two by which the steps of features are too large for fc: that they need no others than the draft LM head's. */
  readonly featureScale: number;
  readonly qkv: GpuMatrix;
  readonly o: GpuMatrix;
  /** [hidden] */
  readonly normGains: GPUBuffer;
  /** [hidden, experts + 2] float32 */
  readonly router: GPUBuffer;
  /** All experts' gates, then all experts' ups. */
  readonly gateUp: GpuMatrix;
  /** [experts, intermediate, hidden] in kernels/linearMix.wgsl's layout. */
  readonly down: GPUBuffer;
  readonly downColumns: GPUBuffer;
  readonly lmHead: GpuMatrix;
  /** [draft vocabulary] target ids */
  readonly draftToTarget: GPUBuffer;
  readonly upload: WeightUpload;
}

/** Inputs that share a scale. */
const block = 32;

/**
 * Quantizes a head, whose shape the kernels can take (`checkHeadShape`), for the device and uploads it.
 * @param featureSmoothing divisors of the target's features; undefined where the target's weights are float32
 */
export async function uploadHead(
  device: GPUDevice,
  file: HeadTensors,
  checkpoint: Checkpoint,
  featureSmoothing: Float32Array | undefined,
  quantize: boolean,
): Promise<GpuHeadWeights> {
  const { config } = file;
  const { hidden, intermediate } = config;
  const format: WeightFormat = quantize ? "int8" : "float32";
  const sink = new MemorySink();
  const layer = "layers.0";
  const pack = (name: string, matrices: readonly DenseMatrix[], scale?: Float32Array) =>
    packMatrix(sink, name, format, matrices, scale);

  const { fc, featureScale } = balancedFc(file, featureSmoothing, quantize);
  const packedFc = pack("fc", [fc]);
  const fcBias = packVector(sink, "fc.bias", file.vector("fc.bias"));

  const projections = ["q", "k", "v"].map((part) => `${layer}.self_attn.${part}_proj`);
  const [q, k, v] = projections.map((name) => file.matrix(`${name}.weight`));
  const biases = config.qkvBias ? projections.map((name) => file.vector(`${name}.bias`)) : [];
  for (const values of [q!.values, ...biases.slice(0, 1)]) scaleInPlace(values, 1 / Math.sqrt(config.shape.headDim));
  const packedQkv = pack("qkv", [q!, k!, v!]);
  const qkvBias = config.qkvBias ? packVector(sink, "qkv.bias", concatenated(biases)) : undefined;
  const packedO = pack("o", [file.matrix(`${layer}.self_attn.o_proj.weight`)]);

  const paths =
    config.kind === "eagle"
      ? [`${layer}.mlp`]
      : Array.from({ length: config.experts }, (_, i) => `${layer}.mlp_moe.experts.${i}`);
  const part = (name: string) => paths.map((path) => file.matrix(`${path}.${name}_proj.weight`));
  const packedGateUp = pack("gate_up", [...part("gate"), ...part("up")]);
  const downs = part("down").map((matrix, i) => pack(`down.${i}`, [matrix]));

  const factors = featureSmoothing?.map((divisor) => 1 / divisor) ?? new Float32Array(hidden).fill(1);
  const packedLmHead = pack("draft_lm_head", [draftRows(file, checkpoint)], featureSmoothing);

  const source = memorySource(sink);
  const upload = new WeightUpload(device, source);
  const read = (packed: (typeof downs)[number]) => source.read(packed.weights, 0, packed.weights.length);
  const downWords = downs.map((packed) =>
    quantize ? interleave(read(packed), intermediate, hidden) : new Uint32Array(read(packed).buffer),
  );
  const downScales = downs.map((packed) =>
    packed.format === "int8"
      ? new Float32Array(source.read(packed.scales, 0, packed.scales.length).buffer)
      : new Float32Array(hidden).fill(1),
  );
  const blocks = quantize ? block : 4;
  return {
    fc: await upload.matrix(packedFc, blocks, fcBias),
    featureScale,
    qkv: await upload.matrix(packedQkv, blocks, qkvBias),
    o: await upload.matrix(packedO, quantize ? 16 : 4),
    normGains: upload.filled("head norm", file.vector(`${layer}.post_attention_layernorm.weight`).slice()),
    router: upload.filled(
      "router",
      config.kind === "eagle" ? new Float32Array(1) : transposed(file.matrix(`${layer}.mlp_moe.gate.weight`)),
    ),
    gateUp: await upload.matrix(packedGateUp, blocks),
    down: upload.filled("down", joinedWords(downWords)),
    downColumns: upload.filled("down columns", concatenated([...downScales, factors])),
    lmHead: await upload.matrix(packedLmHead, blocks),
    draftToTarget: upload.filled("draft to target", Uint32Array.from(file.draftToTarget)),
    upload,
  };
}

/**
 * fc over embedding and feature as one matrix, for features that are divided by the smoothing of the target's LM head as they are
 * for the draft LM head. One step size serves a whole column of int8 weights, so the two halves' weights are brought to one size: by
 * a power of two, which changes no step of a feature.
 */
function balancedFc(file: HeadTensors, featureSmoothing: Float32Array | undefined, quantize: boolean) {
  const { hidden } = file.config;
  const { outputs, values } = file.matrix("fc.weight");
  let [embeddingSize, featureSize] = [0, 0];
  for (let row = 0; row < outputs; row++) {
    for (let i = 0; i < hidden; i++) {
      const at = row * 2 * hidden + i;
      values[at + hidden]! *= featureSmoothing?.[i] ?? 1;
      embeddingSize += Math.abs(values[at]!);
      featureSize += Math.abs(values[at + hidden]!);
    }
  }
  const comparable = quantize && embeddingSize > 0 && featureSize > 0;
  const balance = comparable ? 2 ** Math.round(Math.log2(embeddingSize / featureSize)) : 1;
  for (let row = 0; row < outputs; row++) {
    for (let i = 0; i < hidden; i++) values[(2 * row + 1) * hidden + i]! *= balance;
  }
  return { fc: { outputs, inputs: 2 * hidden, values }, featureScale: 1 / balance };
}

/** The target's LM head, cut down to the rows of the draft vocabulary. */
function draftRows({ draftToTarget }: HeadTensors, checkpoint: Checkpoint): DenseMatrix {
  const { hidden, tiedEmbeddings } = checkpoint.config;
  const values = new Float32Array(draftToTarget.length * hidden);
  for (const [i, token] of draftToTarget.entries()) {
    checkpoint.readRows(
      tiedEmbeddings ? "embedding" : "output",
      token,
      1,
      values.subarray(i * hidden, (i + 1) * hidden),
    );
  }
  return { outputs: draftToTarget.length, inputs: hidden, values };
}

function transposed({ outputs, inputs, values }: DenseMatrix): Float32Array<ArrayBuffer> {
  return Float32Array.from(
    { length: values.length },
    (_, i) => values[(i % outputs) * inputs + Math.floor(i / outputs)]!,
  );
}

function concatenated(parts: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  return Float32Array.from(parts.flatMap((part) => [...part]));
}

function joinedWords(parts: readonly Uint32Array[]): Uint32Array<ArrayBuffer> {
  const whole = new Uint32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

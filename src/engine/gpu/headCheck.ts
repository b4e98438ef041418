import { greedy } from "../decoding/sampling.ts";
import type { Checkpoint, ModelConfig } from "../model/checkpoint.ts";
import type { HeadConfig, HeadTensors } from "../model/headFile.ts";
import { headShapes } from "../model/headShapes.ts";
import { type Check, type Fault, plainRow, valueFailures } from "./check.ts";
import { draftTopK } from "./draftReference.ts";
import { GpuHead } from "./gpuHead.ts";
import { headOutputs, quantizeRows } from "./headReference.ts";
import { Binder, type KernelCompiler } from "./kernels.ts";
import { encodeRows } from "./kernelTrials.ts";
import { randomFloats } from "./randomOperands.ts";
import { inputRow } from "./reference.ts";
import { noNode, type RoundShape } from "./roundLayout.ts";
import { RoundTrial } from "./roundTrial.ts";
import { tileSizes } from "./targetKernels.ts";
import { rotaryPairs } from "./targetWeights.ts";
import { WeightUpload } from "./weightUpload.ts";

/** Whole blocks, but no whole tile. */
const hidden = 160;
const intermediate = 96;
const experts = 3;
const vocabulary = 2300;
/** More than one tile. */
const draftVocabulary = 2100;
/** Tokens of the text behind which is drafted. */
const text = [7, 2299, 0, 64, 64];
const shape: RoundShape = { sequences: 1, rows: 8, branching: 4, levels: 2, branches: 1 };
const regionSlots = 16;

/**
 * A whole draft, from tokens and features to a tree of two levels. Drafts decide how fast text comes and never which, so that all
 * kernels of the head are looked at together; rounding to int8 may change a hundredth of the outputs' size.
 */
export function headCheck(
  compiler: KernelCompiler,
  config: Pick<ModelConfig, "heads" | "kvHeads" | "headDim" | "rmsEpsilon">,
  quantize: boolean,
): Check {
  return { kernel: "draft head", run: () => checkHead(compiler, randomHead(config), quantize) };
}

async function checkHead(compiler: KernelCompiler, file: HeadTensors, quantize: boolean): Promise<Fault[]> {
  const { device } = compiler;
  const checkpoint = randomEmbeddings(file.config);
  const upload = new WeightUpload(device, { read: () => new Uint8Array() });
  const rotary = rotaryPairs(checkpoint.config, regionSlots);
  const surroundings = {
    device,
    name: "the GPU",
    compiler,
    binder: new Binder(device),
    checkpoint,
    embedding: await upload.embedding(checkpoint, quantize),
    rotary: upload.filled("rotary", rotary),
    quantize,
  };
  const head = await GpuHead.load(surroundings, file, undefined, {
    regionSlots,
    sequences: 1,
    outputs: shape.branching,
  });
  const plan = { shape, vocabulary: 1, draftVocabulary, parallel: true, cache: { layers: 1, slots: 1, width: 1 } };
  const inputs = { draftBest: head.best, draftMasses: head.masses, draftToTarget: head.weights.draftToTarget };
  const round = await RoundTrial.create(compiler, plan, inputs);
  try {
    const count = text.length;
    const last = count - 1;
    const rows = text.map((token, i) => ({ ...plainRow(i), token, parent: count - 1 - i }));
    const features = randomFloats(count * hidden, 91);
    const { trial } = round;
    const forward = {
      rows: trial.buffer(encodeRows(rows, count + tileSizes.at(-1)!)),
      paths: trial.buffer(Uint32Array.of(0)),
      features: trial.buffer(quantize ? quantizeRows(features, hidden) : features),
      count,
      longest: count,
    };
    const picks = trial.buffer(Uint32Array.of(last));
    const outputs = { picks, count: 1, lists: 2, branching: shape.branching } as const;
    trial.write(round.buffers.offsets, new Float32Array(round.buffers.offsets.size / 4));
    round.start(0, { ...idle, root: text[last]! });
    const dispatches = [...(await head.plan(forward, outputs)), ...round.dispatches.level(1, true)];
    const [words] = await trial.run(dispatches, [head.predicted]);
    const format = quantize ? "int8-blocks" : "float32";
    const found = [0, 1].map((list) => inputRow(format, hidden, words!, list).values);

    const beside = rows.map(({ token, parent }) =>
      Float64Array.from([
        ...checkpoint.readRows("embedding", token, 1),
        ...features.subarray(parent * hidden, (parent + 1) * hidden),
      ]),
    );
    const { mixture, contrast } = headOutputs(file, beside, rotary);
    const faults = [mixture, contrast].flatMap((wanted, list) =>
      valueFailures(relativeError(found[list]!, wanted), quantize ? 0.05 : 1e-4),
    );
    const lists = found.map((values) => draftLogits(values, checkpoint, file.draftToTarget));
    return [...faults, ...treeFailures((await round.tree(0)).nodes, lists, file.draftToTarget, quantize ? 0.15 : 1e-3)];
  } finally {
    round.release();
    head.release();
    upload.release();
  }
}

const idle = {
  ...{ region: 0, capacity: 9, headRegion: 0, nodes: 8, tokenLimit: 9, length: 5 },
  ...{ sampling: greedy, endTokens: new Set<number>() },
};

/** Nodes of both levels against the logits that the head's own outputs have; what lies closer than the tolerance may change places. */
function treeFailures(
  nodes: Awaited<ReturnType<RoundTrial["tree"]>>["nodes"],
  lists: readonly Float32Array[],
  draftToTarget: Int32Array,
  tolerance: number,
): Fault[] {
  const { branching } = shape;
  const targets = Uint32Array.from(draftToTarget);
  const ranked = lists.map((logits) => draftTopK(logits, draftVocabulary, targets));
  const faults: Fault[] = [];
  if (nodes.length !== 1 + branching + branching ** 2) faults.push(...valueFailures(Number.POSITIVE_INFINITY));
  for (const [i, { token, parent, depth, value }] of nodes.entries()) {
    const list = ranked[depth - 1];
    const from = nodes[parent];
    if (i === 0 || list === undefined || from === undefined || parent === noNode) continue;
    const conditional = list.logProbabilities[list.tokens.indexOf(token)] ?? Number.NEGATIVE_INFINITY;
    const rank = (i - 1 - (depth - 1) * branching) % branching;
    const distance = Math.max(
      Math.abs(value - from.value - conditional),
      Math.abs(list.logProbabilities[rank]! - conditional) / 2,
    );
    faults.push(...valueFailures(distance, tolerance));
  }
  return faults.slice(0, 1);
}

function draftLogits(values: Float64Array, checkpoint: Checkpoint, draftToTarget: Int32Array): Float32Array {
  return Float32Array.from(draftToTarget, (token) => {
    const row = checkpoint.readRows("embedding", token, 1);
    return row.reduce((sum, weight, i) => sum + weight * values[i]!, 0);
  });
}

function relativeError(actual: Float64Array, expected: Float64Array): number {
  const error = Math.hypot(...expected.map((value, i) => value - actual[i]!));
  return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error / Math.hypot(...expected);
}

/** An untrained head with the heads of the model's attention. */
function randomHead({
  heads,
  kvHeads,
  headDim,
  rmsEpsilon,
}: Pick<ModelConfig, "heads" | "kvHeads" | "headDim" | "rmsEpsilon">): HeadTensors {
  const config: HeadConfig = {
    ...{ kind: "jakiro", hidden, intermediate, experts, rmsEpsilon, ropeBase: 10_000, qkvBias: true },
    shape: { heads: heads / kvHeads, kvHeads: 1, headDim },
  };
  const shapes = headShapes(config);
  const names = [...shapes.keys()];
  const seedOf = (name: string) => 100 + names.indexOf(name);
  return {
    path: "random",
    config,
    draftToTarget: Int32Array.from({ length: draftVocabulary }, (_, id) => id + (id >> 5)),
    matrix(name) {
      const [outputs, inputs] = shapes.get(name) as readonly [number, number];
      return { outputs, inputs, values: randomFloats(outputs * inputs, seedOf(name), Math.sqrt(3 / inputs)) };
    },
    vector(name) {
      const mean = name.endsWith("layernorm.weight") ? 1 : 0;
      return randomFloats(shapes.get(name)![0]!, seedOf(name), 0.3).map((value) => mean + value);
    },
  };
}

/** A target that has nothing but embeddings. */
function randomEmbeddings({ shape: { heads, kvHeads, headDim }, rmsEpsilon }: HeadConfig): Checkpoint {
  const values = randomFloats(vocabulary * hidden, 90, 0.25);
  const frequencyDivisors = new Float32Array(headDim / 2).fill(1);
  return {
    config: {
      ...{ architecture: "llama", layers: 1, hidden, heads, kvHeads, headDim, intermediate, vocabulary, rmsEpsilon },
      ...{ contextLength: regionSlots, rope: { base: 10_000, frequencyDivisors }, tiedEmbeddings: true },
    },
    path: "random",
    contentHash: async () => "random",
    has: (name) => name === "embedding",
    shape: () => [vocabulary, hidden],
    readRows(_, first, count, into = new Float32Array(count * hidden)) {
      into.set(values.subarray(first * hidden, (first + count) * hidden));
      return into;
    },
    checkUnchanged: () => undefined,
    close: () => undefined,
  };
}

import { createHash } from "node:crypto";
import type { Checkpoint, ModelConfig, TensorName } from "../../../src/engine/model/checkpoint.ts";
import { normal } from "./numbers.ts";

/** A decoder small enough for hundreds of runs whose inputs still make whole int4 blocks; grouped queries, biases, untied. */
export const smallConfig: ModelConfig = {
  architecture: "qwen2",
  hidden: 128,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 32,
  intermediate: 256,
  vocabulary: 200,
  contextLength: 1024,
  rmsEpsilon: 1e-6,
  rope: { base: 10_000, frequencyDivisors: new Float32Array(16).fill(1) },
  tiedEmbeddings: false,
};

/** A model in memory whose weights follow from the seed: no file, any shape. */
export function randomCheckpoint(config: ModelConfig = smallConfig, seed = 1): Checkpoint {
  const { hidden, heads, kvHeads, headDim, intermediate, vocabulary } = config;
  const layerShapes = new Map<string, readonly [number, number]>([
    ["q", [heads * headDim, hidden]],
    ["k", [kvHeads * headDim, hidden]],
    ["v", [kvHeads * headDim, hidden]],
    ["o", [hidden, heads * headDim]],
    ["gate", [intermediate, hidden]],
    ["up", [intermediate, hidden]],
    ["down", [hidden, intermediate]],
    ["q.bias", [heads * headDim, 1]],
    ["k.bias", [kvHeads * headDim, 1]],
    ["v.bias", [kvHeads * headDim, 1]],
    ["attentionNorm", [hidden, 1]],
    ["mlpNorm", [hidden, 1]],
  ]);
  const shapes = new Map<string, readonly [number, number]>([
    ["embedding", [vocabulary, hidden]],
    ["outputNorm", [hidden, 1]],
  ]);
  if (!config.tiedEmbeddings) shapes.set("output", [vocabulary, hidden]);
  for (let layer = 0; layer < config.layers; layer++) {
    for (const [name, shape] of layerShapes) shapes.set(`layers.${layer}.${name}`, shape);
  }
  const weights = new Map([...shapes].map(([name, shape], i) => [name, weightsOf(name, shape, seed * 1000 + i)]));
  const shapeOf = (name: TensorName) => shapes.get(name) ?? [0, 0];
  return {
    config,
    path: "random",
    contentHash: async () =>
      createHash("sha256")
        .update(JSON.stringify([config, seed]))
        .digest("hex"),
    has: (name) => shapes.has(name),
    shape: shapeOf,
    readRows(name, first, count, into) {
      const columns = shapeOf(name)[1];
      const rows = into ?? new Float32Array(count * columns);
      rows.set(weights.get(name)!.subarray(first * columns, (first + count) * columns));
      return rows;
    },
    checkUnchanged: () => undefined,
    close: () => undefined,
  };
}

function weightsOf(name: string, [rows, columns]: readonly [number, number], seed: number): Float32Array {
  if (name.endsWith("Norm")) return normal(rows, seed, 0.2).map((gain) => 1 + gain);
  if (name.endsWith(".bias")) return normal(rows, seed, 0.5);
  // Each channel has a size of its own, as in trained models: something for smoothing to even out.
  const sizes = normal(columns, seed + 500_000).map((size) => Math.exp(size / 2));
  const values = normal(rows * columns, seed, name === "embedding" ? 1 : 1.5 / Math.sqrt(columns));
  return values.map((value, i) => value * sizes[i % columns]!);
}

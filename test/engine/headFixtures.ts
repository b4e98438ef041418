import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CpuHead } from "../../src/engine/cpu/cpuHead.ts";
import { packHead } from "../../src/engine/cpu/packHead.ts";
import type { WeightFormat } from "../../src/engine/cpu/packMatrix.ts";
import { RotaryTable } from "../../src/engine/cpu/rotary.ts";
import type { Checkpoint, ModelConfig } from "../../src/engine/model/checkpoint.ts";
import { HeadFile } from "../../src/engine/model/headFile.ts";
import { smallConfig } from "../unit/cpu/randomCheckpoint.ts";
import { fixtures } from "../unit/model/fixtures.ts";
import { tensorsOf } from "../unit/model/safetensorsBytes.ts";

/** Heads and their golden outputs, made by training/make_head_fixtures.py. */
export const headFolder = join(fixtures, "heads");
export const headNames = ["jakiro", "jakiro-4-experts", "jakiro-star", "eagle"] as const;

export interface FloatTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** All tensors of a safetensors file as floats; int8 rows are expanded by their scales. */
export function readTensors(path: string): ReadonlyMap<string, FloatTensor> {
  const parts = tensorsOf(readFileSync(path));
  const aligned = (name: string) => Uint8Array.from(parts[name]!.data).buffer;
  const valuesOf = (name: string): Float32Array => {
    const { dtype, shape } = parts[name]!;
    if (dtype === "F32") return new Float32Array(aligned(name));
    if (dtype === "I32") return Float32Array.from(new Int32Array(aligned(name)));
    const scales = new Float32Array(aligned(`${name}.scale`));
    return Float32Array.from(new Int8Array(aligned(name)), (step, i) => step * scales[Math.floor(i / shape[1]!)]!);
  };
  return new Map(Object.keys(parts).map((name) => [name, { shape: parts[name]!.shape, values: valuesOf(name) }]));
}

/** The imagined target of the fixtures: an embedding and an LM head, and no layers. */
export function fixtureTarget(): Checkpoint {
  const tensors = readTensors(join(headFolder, "target.safetensors"));
  const embedding = tensors.get("embedding")!;
  const output = tensors.get("lm_head")!;
  const [vocabulary, hidden] = embedding.shape as [number, number];
  const config: ModelConfig = {
    ...smallConfig,
    hidden,
    vocabulary,
    headDim: 16,
    rope: { base: 10_000, frequencyDivisors: new Float32Array(8).fill(1) },
  };
  return {
    config,
    path: headFolder,
    contentHash: async () => "0".repeat(64),
    has: (name) => name === "embedding" || name === "output",
    shape: () => [vocabulary, hidden],
    readRows(name, first, count, into) {
      const rows = into ?? new Float32Array(count * hidden);
      const { values } = name === "embedding" ? embedding : output;
      rows.set(values.subarray(first * hidden, (first + count) * hidden));
      return rows;
    },
    checkUnchanged: () => undefined,
    close: () => undefined,
  };
}

export async function loadHead(
  path: string,
  checkpoint: Checkpoint,
  format: WeightFormat,
  root: string,
  featureSmoothing?: Float32Array,
): Promise<CpuHead> {
  const { config } = checkpoint;
  const packed = await packHead({
    file: HeadFile.open(path, config),
    checkpoint,
    target: { source: "fixture", smoothingHash: "none" },
    featureSmoothing,
    format,
    root,
  });
  const surroundings = {
    rotary: new RotaryTable(config.rope, config.headDim),
    embed(tokens: ArrayLike<number>): Float32Array {
      const rows = new Float32Array(tokens.length * config.hidden);
      for (let i = 0; i < tokens.length; i++) {
        checkpoint.readRows("embedding", tokens[i]!, 1, rows.subarray(i * config.hidden, (i + 1) * config.hidden));
      }
      return rows;
    },
  };
  return CpuHead.load(packed, surroundings, 2);
}

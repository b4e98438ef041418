import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CpuTarget } from "../../src/engine/cpu/cpuTarget.ts";
import type { WeightFormat } from "../../src/engine/cpu/packMatrix.ts";
import { packTarget } from "../../src/engine/cpu/packTarget.ts";
import { uniform } from "../../src/engine/decoding/random.ts";
import type { Checkpoint } from "../../src/engine/model/checkpoint.ts";
import { openCheckpoint } from "../../src/engine/model/open.ts";
import { fixtures } from "../unit/model/fixtures.ts";

/** Random models with golden logits (test/golden/tiny_model_fixtures.py), small enough for thousands of forwards. */
export const tinyModels = ["tiny-llama", "tiny-qwen2"] as const;
export type TinyModel = (typeof tinyModels)[number];

export function tinyPath(model: TinyModel, file: "gguf" | "safetensors" = "gguf"): string {
  return join(fixtures, "models", file === "gguf" ? `${model}.gguf` : model);
}

/** `length` tokens that depend on the seed alone. */
export function randomTokens(length: number, vocabulary: number, seed: number): number[] {
  return Array.from({ length }, (_, i) => Math.floor(uniform(seed, i) * vocabulary));
}

/** A model packed into a folder of its own. */
export interface ScratchTarget {
  readonly target: CpuTarget;
  readonly checkpoint: Checkpoint;
  readonly folder: string;
  release(): Promise<void>;
}

export async function packScratch(checkpoint: Checkpoint, format: WeightFormat): Promise<ScratchTarget> {
  const folder = mkdtempSync(join(tmpdir(), "jakiro-"));
  const calibrationTokens = randomTokens(200, checkpoint.config.vocabulary, 77);
  const packed = await packTarget({ checkpoint, format, root: folder, calibrationTokens, threads: 2 });
  const target = await CpuTarget.load(checkpoint, packed, 2);
  return {
    target,
    checkpoint,
    folder,
    async release() {
      await target.release();
      checkpoint.close();
      rmSync(folder, { recursive: true });
    },
  };
}

export function packTiny(
  model: TinyModel,
  format: WeightFormat,
  file?: "gguf" | "safetensors",
): Promise<ScratchTarget> {
  return packScratch(openCheckpoint(tinyPath(model, file)), format);
}

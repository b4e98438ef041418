import { existsSync } from "node:fs";
import { join } from "node:path";
import calibrationText from "../../models/calibration.txt";
import { CpuTarget } from "../../src/engine/cpu/cpuTarget.ts";
import { packTarget } from "../../src/engine/cpu/packTarget.ts";
import { decodeSmoothing } from "../../src/engine/cpu/smoothingFile.ts";
import { packedDirectory } from "../../src/engine/engine.ts";
import { defaultModelName, packageRoot, requireModel } from "../../src/engine/model/catalogue.ts";
import { loadTokenizer, openCheckpoint } from "../../src/engine/model/open.ts";
import type { Tokenizer } from "../../src/engine/model/tokenizer.ts";
import { realModel } from "../unit/model/fixtures.ts";

/** Packing takes a minute on two cores where no earlier run has done it. */
export const packingLimitMs = 300_000;

/** The default model's file; fails with how to get it where it is missing. */
export function defaultModelPath(): string {
  return realModel(requireModel(defaultModelName).file);
}

/** The default model as the engine packs and loads it, down to the same cache. */
export async function openDefaultTarget(): Promise<{ target: CpuTarget; tokenizer: Tokenizer }> {
  const path = defaultModelPath();
  const checkpoint = openCheckpoint(path);
  const tokenizer = loadTokenizer(path);
  const smoothing = join(packageRoot(), requireModel(defaultModelName).heads, "smoothing.safetensors");
  const packed = await packTarget({
    checkpoint,
    format: "int8",
    root: packedDirectory(),
    ...(existsSync(smoothing) ? { smoothing: decodeSmoothing(smoothing) } : {}),
    calibrationTokens: tokenizer.encode(calibrationText),
    threads: 2,
  });
  return { target: await CpuTarget.load(checkpoint, packed, 2), tokenizer };
}

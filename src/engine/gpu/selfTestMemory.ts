import { createHash } from "node:crypto";
import { join } from "node:path";
import { recallJson, rememberJson } from "../memoryFile.ts";
import { cacheDirectory } from "../model/paths.ts";
import type { GpuDevice } from "./device.ts";
import { headSources } from "./headKernels.ts";
import { KernelCompiler } from "./kernels.ts";
import { roundSources } from "./roundKernels.ts";
import { type SelfTestFailure, type SelfTestSubject, type SelfTestVerdict, selfTest } from "./selfTest.ts";
import { forwardSources } from "./targetKernels.ts";

export interface SelfTestMemory {
  /** Names the program that asks: another one may test otherwise. */
  readonly build: string;
  /** Folder of the verdicts. */
  readonly folder?: string;
  readonly compiler?: KernelCompiler;
}

/**
 * The self-test's verdict on an adapter with its driver, from an earlier run of this build where there was one. What could not
 * run is tested again the next time: it may have failed for want of memory.
 */
export async function rememberedSelfTest(
  gpu: GpuDevice,
  subject: SelfTestSubject,
  {
    build,
    folder = join(cacheDirectory(), "gpu"),
    compiler = new KernelCompiler(gpu.device, gpu.lanes),
  }: SelfTestMemory,
): Promise<SelfTestVerdict> {
  const file = join(folder, `${identityOf(gpu, subject, build)}.json`);
  const known = await recall(file);
  if (known !== undefined) return known;
  const verdict = await selfTest(compiler, subject, gpu.tile);
  if (verdict.failures.every(({ fault }) => fault !== "error")) await rememberJson(file, verdict);
  return verdict;
}

function identityOf(
  { name, driver, lanes, tile }: GpuDevice,
  { config, format, cacheFormat }: SelfTestSubject,
  build: string,
): string {
  const { hidden, intermediate, heads, kvHeads, headDim, rmsEpsilon } = config;
  const model = [hidden, intermediate, heads, kvHeads, headDim, rmsEpsilon, format, cacheFormat];
  const identity = JSON.stringify([name, driver, lanes, tile, build, model, forwardSources, roundSources, headSources]);
  return createHash("sha256").update(identity).digest("hex").slice(0, 32);
}

async function recall(file: string): Promise<SelfTestVerdict | undefined> {
  const content = await recallJson(file);
  const failures = content?.["failures"];
  if (!Array.isArray(failures)) return undefined;
  const ok = failures.length === 0;
  return content?.["ok"] === ok ? { ok, failures: failures as readonly SelfTestFailure[] } : undefined;
}

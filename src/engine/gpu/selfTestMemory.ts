import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isObject } from "../model/jsonFile.ts";
import { cacheDirectory } from "../model/paths.ts";
import type { GpuDevice } from "./device.ts";
import { KernelCompiler } from "./kernels.ts";
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
  const verdict = await selfTest(compiler, subject);
  if (verdict.failures.every(({ fault }) => fault !== "error")) await remember(folder, file, verdict);
  return verdict;
}

function identityOf({ name, driver, lanes }: GpuDevice, { config, format }: SelfTestSubject, build: string): string {
  const { hidden, intermediate, heads, kvHeads, headDim, rmsEpsilon } = config;
  const model = [hidden, intermediate, heads, kvHeads, headDim, rmsEpsilon, format];
  const identity = JSON.stringify([name, driver, lanes, build, model, forwardSources]);
  return createHash("sha256").update(identity).digest("hex").slice(0, 32);
}

/** What cannot be read or understood was never there. */
async function recall(file: string): Promise<SelfTestVerdict | undefined> {
  try {
    const content: unknown = JSON.parse(await readFile(file, "utf8"));
    if (!isObject(content) || !Array.isArray(content["failures"])) return undefined;
    const failures = content["failures"] as readonly SelfTestFailure[];
    return content["ok"] === (failures.length === 0) ? { ok: failures.length === 0, failures } : undefined;
  } catch {
    return undefined;
  }
}

/** Failing to write costs the next start a test, never this one its verdict. */
async function remember(folder: string, file: string, verdict: SelfTestVerdict): Promise<void> {
  const temporary = `${file}.${process.pid}`;
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(temporary, `${JSON.stringify(verdict)}\n`);
    await rename(temporary, file);
  } catch {
    // The memory is an optimization.
  }
}

import { isQuantized, type WeightFormat } from "../cpu/packMatrix.ts";
import type { ModelConfig } from "../model/checkpoint.ts";
import type { Check, Fault } from "./check.ts";
import { headCheck } from "./headCheck.ts";
import type { KernelCompiler } from "./kernels.ts";
import { KernelTrials } from "./kernelTrials.ts";
import { productChecks } from "./productChecks.ts";
import { roundChecks } from "./roundChecks.ts";
import { rowChecks } from "./rowChecks.ts";
import { attentionBlock, type CacheFormat, ForwardKernels } from "./targetKernels.ts";

/** What of a model decides which kernels run. */
export interface SelfTestSubject {
  readonly config: Pick<ModelConfig, "hidden" | "intermediate" | "heads" | "kvHeads" | "headDim" | "rmsEpsilon">;
  readonly format: WeightFormat;
  /** How keys and values are kept; float32 where absent. */
  readonly cacheFormat?: CacheFormat;
}

export interface SelfTestFailure extends Fault {
  /** As the compiler names it, format included. */
  readonly kernel: string;
}

export interface SelfTestVerdict {
  readonly ok: boolean;
  readonly failures: readonly SelfTestFailure[];
}

export interface SelfTestRun extends SelfTestVerdict {
  /** How long it took, the compilation of its kernels included; the user waits for it once on an adapter. */
  readonly ms: number;
}

/** KV slots of the trials: more than two attention blocks. */
const slots = 300;

/**
 * Runs every kernel that a model uses, in all its variants, on random data: against its reference, and a row's bits in tiles of
 * every size. Those of the forward have the model's own inputs and heads; only outputs, which repeat, are cut down. What draws
 * up, verifies and accepts drafts works on small trees, and a head is drafted with as a whole.
 * @param tile the only one that forwards are to use; all sizes where absent
 */
export async function selfTest(
  compiler: KernelCompiler,
  { config, format, cacheFormat = "float32" }: SelfTestSubject,
  tile?: number,
): Promise<SelfTestRun> {
  const start = performance.now();
  const shape = {
    heads: config.heads / config.kvHeads,
    kvHeads: 1,
    headDim: config.headDim,
    slots,
    blocks: Math.ceil(slots / attentionBlock),
    cacheFormat,
  };
  const trials = new KernelTrials(compiler.device, new ForwardKernels(compiler, shape, isQuantized(format), tile));
  const checks = [...productChecks(trials, config, format), ...rowChecks(trials, config), ...roundChecks(compiler)];
  const failures = await failuresIn(checks);
  // The head runs on the forward's kernels too, and would only repeat what is wrong with them.
  if (failures.length === 0) failures.push(...(await failuresIn([headCheck(compiler, config, isQuantized(format))])));
  return { ok: failures.length === 0, failures, ms: performance.now() - start };
}

async function failuresIn(checks: readonly Check[]): Promise<SelfTestFailure[]> {
  return (await Promise.all(checks.map(failuresOf))).flat();
}

async function failuresOf({ kernel, run }: Check): Promise<SelfTestFailure[]> {
  try {
    return (await run()).map((failure) => ({ kernel, ...failure }));
  } catch (error) {
    return [{ kernel, fault: "error", message: error instanceof Error ? error.message : String(error) }];
  }
}

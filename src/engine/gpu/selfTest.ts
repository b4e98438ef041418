import type { WeightFormat } from "../cpu/packMatrix.ts";
import type { ModelConfig } from "../model/checkpoint.ts";
import type { Check, Fault } from "./check.ts";
import type { KernelCompiler } from "./kernels.ts";
import { KernelTrials } from "./kernelTrials.ts";
import { productChecks } from "./productChecks.ts";
import { rowChecks } from "./rowChecks.ts";
import { attentionBlock, ForwardKernels } from "./targetKernels.ts";

/** What of a model decides which kernels run. */
export interface SelfTestSubject {
  readonly config: Pick<ModelConfig, "hidden" | "intermediate" | "heads" | "kvHeads" | "headDim" | "rmsEpsilon">;
  readonly format: WeightFormat;
}

export interface SelfTestFailure extends Fault {
  /** As the compiler names it, format included. */
  readonly kernel: string;
}

export interface SelfTestVerdict {
  readonly ok: boolean;
  readonly failures: readonly SelfTestFailure[];
}

/** KV slots of the trials: more than two attention blocks. */
const slots = 300;

/**
 * Runs every kernel that a model's forward uses, in all its variants, on random data: against its reference, and a row's bits
 * in tiles of every size. Kernels have the model's own inputs and heads; only outputs, which repeat, are cut down.
 */
export async function selfTest(
  compiler: KernelCompiler,
  { config, format }: SelfTestSubject,
): Promise<SelfTestVerdict> {
  const shape = {
    heads: config.heads / config.kvHeads,
    kvHeads: 1,
    headDim: config.headDim,
    slots,
    blocks: Math.ceil(slots / attentionBlock),
  };
  const trials = new KernelTrials(compiler.device, new ForwardKernels(compiler, shape, format !== "float32"));
  const checks = [...productChecks(trials, config, format), ...rowChecks(trials, config)];
  const failures = await Promise.all(checks.map(failuresOf));
  return { ok: failures.every(({ length }) => length === 0), failures: failures.flat() };
}

async function failuresOf({ kernel, run }: Check): Promise<SelfTestFailure[]> {
  try {
    return (await run()).map((failure) => ({ kernel, ...failure }));
  } catch (error) {
    return [{ kernel, fault: "error", message: error instanceof Error ? error.message : String(error) }];
  }
}

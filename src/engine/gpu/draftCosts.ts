import type { GpuTarget } from "./gpuTarget.ts";
import type { Dispatch } from "./kernels.ts";
import type { RoundPrograms } from "./roundPrograms.ts";

/** Runs of a program that is timed. */
const timedRuns = 2;
/** Forwards behind the first that are timed together. */
const laterForwards = 2;
/** No measurement tells a cost below this one from none. */
const leastMs = 0.01;

/**
 * Milliseconds of the head's first forward in a round and of each later one, with all that a level takes. No sequence of the round
 * may have been started.
 */
export async function measureDraft(
  target: GpuTarget,
  programs: RoundPrograms,
  path: number,
): Promise<readonly number[]> {
  const draft = (forwards: number) => target.exclusively(() => programs.draft(forwards, path, 1));
  const nothing = await timed(target, []);
  const one = await timed(target, await draft(1));
  const several = await timed(target, await draft(1 + laterForwards));
  return [Math.max(leastMs, one - nothing), Math.max(leastMs, (several - one) / laterForwards)];
}

/** Milliseconds of these dispatches on a device that does nothing else meanwhile; rounds of others go on between two runs. */
export async function measureWork(target: GpuTarget, dispatches: readonly Dispatch[]): Promise<number> {
  const nothing = await timed(target, []);
  return Math.max(leastMs, (await timed(target, dispatches)) - nothing);
}

/** The shortest of a few runs, after one that is not counted: the first run of a pipeline takes longer. */
async function timed(target: GpuTarget, dispatches: readonly Dispatch[]): Promise<number> {
  const { queue } = target.gpu.device;
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i <= timedRuns; i++) {
    const milliseconds = await target.exclusively(async () => {
      // A round of another text may have been submitted and not read.
      await queue.onSubmittedWorkDone();
      const start = performance.now();
      target.submit(dispatches);
      await queue.onSubmittedWorkDone();
      return performance.now() - start;
    });
    if (i > 0) best = Math.min(best, milliseconds);
  }
  return best;
}

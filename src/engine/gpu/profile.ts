import { attendedRows } from "./forwardBuffers.ts";
import type { GpuSequence } from "./gpuSequence.ts";
import type { GpuTarget } from "./gpuTarget.ts";
import type { Dispatch } from "./kernels.ts";
import { PassTimer } from "./passTimer.ts";

/** What one kernel costs in a forward. */
export interface KernelTime {
  readonly kernel: string;
  /** Tells apart what one kernel does for matrices of different sizes. */
  readonly workgroups: Dispatch["workgroups"];
  readonly dispatches: number;
  /** Of all its dispatches together, each in a pass of its own. */
  readonly ms: number;
}

export interface ForwardProfile {
  readonly rows: number;
  /** Tokens before the rows. */
  readonly cached: number;
  /** In the order of their first dispatch. */
  readonly kernels: readonly KernelTime[];
  /** The whole forward in one pass. */
  readonly forwardMs: number;
}

/**
 * Times a forward of `rows` rows (64 at most) behind `cached` tokens, whole and kernel by kernel; undefined where the device
 * has no timestamps. Takes a sequence for itself; no other may run a forward meanwhile.
 */
export async function profileForward(
  target: GpuTarget,
  rows: number,
  cached: number,
): Promise<ForwardProfile | undefined> {
  const timer = PassTimer.on(target.gpu);
  if (timer === undefined) return undefined;
  const sequence = target.sequence();
  try {
    const dispatches = await layOutForward(target, sequence, rows, cached);
    const times = await timer.time(dispatches.map((dispatch) => [dispatch]));
    const [forwardMs] = await timer.time([dispatches]);
    return { rows, cached, kernels: byKernel(dispatches, times), forwardMs: forwardMs! };
  } finally {
    sequence.release();
  }
}

/** The dispatches of a forward whose rows lie in the device's buffers: they can run again and again. */
export async function layOutForward(
  target: GpuTarget,
  sequence: GpuSequence,
  rows: number,
  cached: number,
): Promise<Dispatch[]> {
  const chain = (count: number) => ({
    tokens: new Array<number>(count).fill(0),
    parents: Array.from({ length: count }, (_, i) => i - 1),
  });
  sequence.trim(0);
  for (let done = 0; done < cached; done += attendedRows) {
    const count = Math.min(attendedRows, cached - done);
    await sequence.forward(chain(count), "none");
    sequence.commit([...Array(count).keys()]);
  }
  await sequence.forward(chain(rows), "argmax");
  const { rows: table, paths, features } = target.scratch;
  const plan = { rows: table, paths, features, featureFormat: "values", picked: false, mode: "logits" } as const;
  return [
    ...(await target.plan({ ...plan, count: rows, outputs: rows, longest: cached + rows })),
    ...(await target.draw.plan(rows)),
  ];
}

function byKernel(dispatches: readonly Dispatch[], times: readonly number[]): KernelTime[] {
  const kernels = new Map<string, KernelTime>();
  for (const [i, { kernel, workgroups }] of dispatches.entries()) {
    const key = `${kernel.name} ${workgroups.join()}`;
    const before = kernels.get(key) ?? { kernel: kernel.name, workgroups, dispatches: 0, ms: 0 };
    kernels.set(key, { ...before, dispatches: before.dispatches + 1, ms: before.ms + times[i]! });
  }
  return [...kernels.values()];
}

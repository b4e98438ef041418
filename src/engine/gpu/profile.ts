import { type Ladder, longestPath } from "../decoding/ladder.ts";
import type { RoundTimes } from "../decoding/roundTimes.ts";
import { greedy } from "../decoding/sampling.ts";
import type { HeadKind } from "../model/headKinds.ts";
import { ladderShape } from "./batchShapes.ts";
import { attendedRows } from "./forwardBuffers.ts";
import type { GpuDecodingSequence } from "./gpuDecodingSequence.ts";
import type { GpuHead } from "./gpuHead.ts";
import { GpuRounds } from "./gpuRounds.ts";
import type { GpuSequence } from "./gpuSequence.ts";
import type { GpuTarget } from "./gpuTarget.ts";
import type { Dispatch } from "./kernels.ts";
import { PassTimer } from "./passTimer.ts";
import { type RoundPhases, roundPhases } from "./phaseTimer.ts";

/** What one kernel costs in a forward or a round. */
export interface KernelTime {
  readonly kernel: string;
  /** The part of a round in which it runs; absent in a forward. */
  readonly phase?: keyof RoundTimes;
  /** Tells apart what one kernel does for matrices of different sizes. */
  readonly workgroups: Dispatch["workgroups"];
  readonly dispatches: number;
  /** Of all its dispatches together, each in a pass of its own. */
  readonly ms: number;
}

/** Where the time of a forward of the target goes, or that of a whole round. */
export interface Profile {
  /** What drafts; absent for a forward of the target, and for a round of plain decoding. */
  readonly head?: HeadKind;
  /** That are verified. */
  readonly rows: number;
  /** Tokens before the rows. */
  readonly cached: number;
  /** In the order of their first dispatch. */
  readonly kernels: readonly KernelTime[];
  /** All of it in one pass; of a round, the shortest of several. */
  readonly onePassMs: number;
}

/** How a loaded model is profiled; undefined where the device has no clock. Nothing else may run meanwhile. */
export interface Profiler {
  forward(rows: number, cached: number): Promise<Profile | undefined>;
  /**
   * @param kind of the head that drafts; undefined for plain decoding
   * @param rows most rows of the tree
   */
  round(kind: HeadKind | undefined, rows: number, cached: number): Promise<Profile | undefined>;
}

/**
 * Times a forward of `rows` rows (64 at most) behind `cached` tokens, whole and kernel by kernel; undefined where the device
 * has no timestamps. Takes a sequence for itself; no other may run a forward meanwhile.
 */
export async function profileForward(target: GpuTarget, rows: number, cached: number): Promise<Profile | undefined> {
  const timer = PassTimer.on(target.gpu);
  if (timer === undefined) return undefined;
  const sequence = target.sequence();
  try {
    const dispatches = await layOutForward(target, sequence, rows, cached);
    const times = await timer.time(dispatches.map((dispatch) => [dispatch]));
    const [onePassMs] = await timer.time([dispatches]);
    return { rows, cached, kernels: byKernel(dispatches, times), onePassMs: onePassMs! };
  } finally {
    sequence.release();
  }
}

/** What a round is profiled with; the head, if any, has keys of what the sequence holds. */
export interface ProfiledRound {
  readonly target: GpuTarget;
  readonly head: GpuHead | undefined;
  readonly ladder: Ladder;
  readonly sequence: GpuDecodingSequence;
}

/** Whole rounds that are timed: what else the device does only adds time. */
const timedRounds = 3;

/**
 * Times the fullest round of a ladder behind the sequence's tokens and a round before it, whole and kernel by kernel; undefined where
 * the device has no timestamps. The round is a real one: each kernel reads what those before it have written, and the head's first
 * forward has rows for what the round before may have accepted. No other round may run meanwhile.
 */
export async function profileRound({ target, head, ladder, sequence }: ProfiledRound): Promise<Profile | undefined> {
  const timer = PassTimer.on(target.gpu);
  if (timer === undefined) return undefined;
  const kind = head?.config.kind;
  const { regions, capacity, feature, offsets, tokens } = sequence;
  const rounds = await GpuRounds.create(target, head, ladderShape(kind, ladder));
  try {
    const rung = rounds.fullest;
    const { rows } = rung;
    const { length } = tokens;
    const text = { root: 0, length, tokenLimit: capacity, endTokens: new Set<number>(), sampling: greedy };
    // The paths of both rounds, and the row behind them.
    const longest = length + 2 * longestPath(rung) + 1;
    const run = async (passesOf: (dispatches: readonly Dispatch[]) => (readonly Dispatch[])[]) => {
      await rounds.start(0, { ...regions, capacity, nodes: rows, ...text }, offsets, feature);
      await rounds.read(await rounds.submit(longest, { rung, chain: [], isTimed: false }));
      return await rounds.time(timer, longest, passesOf);
    };
    // The first run of a pipeline takes longer.
    await run((all) => [all]);
    const { phases, times } = await run((all) => all.map((dispatch) => [dispatch]));
    let onePassMs = Number.POSITIVE_INFINITY;
    for (let i = 0; i < timedRounds; i++) onePassMs = Math.min(onePassMs, (await run((all) => [all])).times[0]!);
    return {
      ...(kind === undefined ? {} : { head: kind }),
      ...{ rows, cached: length, kernels: byPhase(phases, times), onePassMs },
    };
  } finally {
    rounds.release();
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

/** @param times of the dispatches, in the order in which a round runs them */
function byPhase(phases: RoundPhases, times: readonly number[]): KernelTime[] {
  let first = 0;
  return roundPhases.flatMap((phase) => {
    const dispatches = phases[phase];
    const own = times.slice(first, first + dispatches.length);
    first += dispatches.length;
    return byKernel(dispatches, own).map((time) => ({ ...time, phase }));
  });
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

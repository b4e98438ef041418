import { readFileSync } from "node:fs";
import { type Profiler, Session } from "node:inspector/promises";
import type { SeenInHost } from "./messages.ts";
import type { Moment } from "./page.ts";

/** Short enough to see what takes a tenth of what a keystroke may take. */
const samplingMicroseconds = 200;
/**
 * Where nobody tells how long the thread ran: what lies between two samples beyond this, in microseconds, it spent waiting for a
 * processor that others had.
 */
const usualLongestStep = 1000;
const reportedFunctions = 20;

/** Part of a thread's time. */
export interface Work {
  readonly at: Moment;
  readonly ms: number;
  /** The same with what it waited for a processor. */
  readonly wallMs: number;
}

/** What a function took by itself: calls of others are theirs. */
export interface FunctionTime {
  /** As in the bundle, with line and column. */
  readonly name: string;
  readonly ms: number;
}

/** Tells when this thread runs code of a script, what that calls included, by sampling its stack. */
export class ThreadProfile {
  private readonly session = new Session();
  private startedAt: number | undefined;

  async start(): Promise<void> {
    this.session.connect();
    await this.session.post("Profiler.enable");
    await this.session.post("Profiler.setSamplingInterval", { interval: samplingMicroseconds });
    await this.session.post("Profiler.start");
    this.startedAt = threadMicroseconds();
  }

  async stop(isOurs: (url: string) => boolean): Promise<Pick<SeenInHost, "work" | "functions" | "longestStepMs">> {
    const endedAt = threadMicroseconds();
    const { profile } = await this.session.post("Profiler.stop");
    // The profiler counts microseconds from a moment of its own.
    const offset = performance.timeOrigin + performance.now() - profile.endTime / 1000;
    this.session.disconnect();
    const ours = nodesOf(profile, isOurs);
    const longestStep =
      this.startedAt === undefined || endedAt === undefined
        ? usualLongestStep
        : longestStepFor(busySteps(profile), endedAt - this.startedAt);
    const work: Work[] = [];
    const byNode = new Map<number, number>();
    let at = profile.startTime;
    profile.samples?.forEach((sample, index) => {
      at += profile.timeDeltas![index]!;
      const next = profile.timeDeltas![index + 1];
      if (next === undefined || !ours.has(sample)) return;
      const ms = Math.min(next, longestStep) / 1000;
      work.push({ at: at / 1000 + offset, ms, wallMs: next / 1000 });
      byNode.set(sample, (byNode.get(sample) ?? 0) + ms);
    });
    return { work, functions: longestFunctions(profile, byNode), longestStepMs: longestStep / 1000 };
  }
}

/** Microseconds that the calling thread has run on a processor; undefined where the system does not tell. */
function threadMicroseconds(): number | undefined {
  if (process.platform !== "linux") return undefined;
  // Synchronous calls read it in the thread itself. Nanoseconds on a processor come first.
  return Number(readFileSync("/proc/thread-self/schedstat", "utf8").split(" ")[0]) / 1000;
}

/** Microseconds from each sample to the next one in which the thread was not idle. */
function busySteps({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): number[] {
  const idle = new Set(nodes.filter(({ callFrame }) => callFrame.functionName === "(idle)").map(({ id }) => id));
  return samples.flatMap((sample, index) => (idle.has(sample) ? [] : (timeDeltas[index + 1] ?? [])));
}

/**
 * The longest step that is time on a processor: what lies between two samples beyond it, the thread spent waiting for a processor
 * that others had (browser, server and engine share the machine with it). Steps cut there add up to the time that the thread ran.
 */
export function longestStepFor(steps: readonly number[], ran: number): number {
  const rising = steps.toSorted((a, b) => a - b);
  let before = 0;
  for (const [index, step] of rising.entries()) {
    const others = rising.length - index;
    if (before + step * others >= ran) return (ran - before) / others;
    before += step;
  }
  return Number.POSITIVE_INFINITY;
}

function longestFunctions({ nodes }: Profiler.Profile, byNode: ReadonlyMap<number, number>): FunctionTime[] {
  const byName = new Map<string, number>();
  for (const { id, callFrame } of nodes) {
    const ms = byNode.get(id);
    if (ms === undefined) continue;
    const { functionName, lineNumber, columnNumber } = callFrame;
    const name = `${functionName || "(anonymous)"}:${lineNumber + 1}:${columnNumber + 1}`;
    byName.set(name, (byName.get(name) ?? 0) + ms);
  }
  return [...byName]
    .map(([name, ms]) => ({ name, ms }))
    .sort((a, b) => b.ms - a.ms)
    .slice(0, reportedFunctions);
}

/** The nodes of the call tree that are, or are called by, functions of the script. */
function nodesOf({ nodes }: Profiler.Profile, isOurs: (url: string) => boolean): Set<number> {
  const ours = new Set<number>();
  // Parents come before their children.
  for (const { id, callFrame, children } of nodes) {
    if (isOurs(callFrame.url)) ours.add(id);
    if (ours.has(id)) for (const child of children ?? []) ours.add(child);
  }
  return ours;
}

import { type Profiler, Session } from "node:inspector/promises";
import type { Moment } from "./page.ts";

/** Short enough to see what takes a tenth of what a keystroke may take. */
const samplingMicroseconds = 200;
/**
 * Samples are taken of a running thread. What lies between two of them beyond this, in microseconds, the thread spent waiting for a
 * processor that others had: browser, server and engine share the machine with it.
 */
const longestStep = 1000;
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

  async start(): Promise<void> {
    this.session.connect();
    await this.session.post("Profiler.enable");
    await this.session.post("Profiler.setSamplingInterval", { interval: samplingMicroseconds });
    await this.session.post("Profiler.start");
  }

  async stop(isOurs: (url: string) => boolean): Promise<{ work: Work[]; functions: FunctionTime[] }> {
    const { profile } = await this.session.post("Profiler.stop");
    // The profiler counts microseconds from a moment of its own.
    const offset = performance.timeOrigin + performance.now() - profile.endTime / 1000;
    this.session.disconnect();
    const ours = nodesOf(profile, isOurs);
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
    return { work, functions: longestFunctions(profile, byNode) };
  }
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

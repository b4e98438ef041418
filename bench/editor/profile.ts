import { type Profiler, Session } from "node:inspector/promises";
import type { Moment } from "./page.ts";

/** Short enough to see what takes a tenth of what a keystroke may take. */
const samplingMicroseconds = 200;

/** Tells when this thread runs code of a script, what that calls included, by sampling its stack. */
export class ThreadProfile {
  private readonly session = new Session();

  async start(): Promise<void> {
    this.session.connect();
    await this.session.post("Profiler.enable");
    await this.session.post("Profiler.setSamplingInterval", { interval: samplingMicroseconds });
    await this.session.post("Profiler.start");
  }

  async stop(isOurs: (url: string) => boolean): Promise<{ at: Moment; ms: number }[]> {
    const { profile } = await this.session.post("Profiler.stop");
    // The profiler counts microseconds from a moment of its own.
    const offset = performance.timeOrigin + performance.now() - profile.endTime / 1000;
    this.session.disconnect();
    const ours = nodesOf(profile, isOurs);
    const work: { at: Moment; ms: number }[] = [];
    let at = profile.startTime;
    profile.samples?.forEach((sample, index) => {
      at += profile.timeDeltas![index]!;
      const next = profile.timeDeltas![index + 1];
      if (next !== undefined && ours.has(sample)) work.push({ at: at / 1000 + offset, ms: next / 1000 });
    });
    return work;
  }
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

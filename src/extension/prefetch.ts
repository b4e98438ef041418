import type { Clock } from "./clock.ts";
import type { CompletionCache } from "./completionCache.ts";
import { continuationOf, type DocumentState } from "./documentState.ts";
import type { EngineAccess } from "./engine.ts";
import { InFlight, type RequestOptions } from "./inFlight.ts";

/** Computes what comes after a suggestion while the user reads it, and gives way to everything else. */
export class Prefetch {
  private flight: InFlight | undefined;

  constructor(
    private readonly engine: Pick<EngineAccess, "complete">,
    private readonly cache: CompletionCache,
    private readonly clock: Clock,
  ) {}

  get isRunning(): boolean {
    return this.flight !== undefined && !this.flight.isOver;
  }

  /** Whether a request was sent for the state; false where the answer is known or on its way. */
  start(state: DocumentState, options: Omit<RequestOptions, "priority" | "alternatives">): boolean {
    if (this.isRunning && isSame(this.flight!.state, state)) return false;
    this.stop();
    if (this.cache.find(state) !== undefined) return false;
    const flight = new InFlight(this.engine, state, { ...options, alternatives: 1, priority: "prefetch" }, this.clock);
    this.flight = flight;
    void flight.ended.then(() => {
      if (flight.result !== undefined && this.flight === flight) this.cache.put(state, flight.result.texts);
    });
    return true;
  }

  stop(): void {
    this.flight?.cancel();
    this.flight = undefined;
  }
}

function isSame(a: DocumentState, b: DocumentState): boolean {
  return continuationOf(a, b, 0)?.closed === "";
}

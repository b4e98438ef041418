/** Milliseconds before the first, second, ... start after an end; the last one stands for all later ones. */
const pausesMs = [0, 500, 1000, 2000, 4000];
const minuteMs = 60_000;
const mostEnds = 5;

/** Decides when an engine that ended is started again: ever later, and not at all once it ended five times within a minute. */
export class EngineBackoff {
  private recent: number[] = [];
  /** Ends since the engine last served for a minute. */
  private inARow = 0;
  private startsFailed = 0;

  /** `now` in milliseconds of any clock that only goes forward. */
  constructor(private readonly now: () => number) {}

  /**
   * Milliseconds until the next start after the engine served for `servedMs`, undefined standing for an engine that never
   * answered; or undefined where there should be none. Starts may fail so slowly that five never fall into one minute:
   * five in a row end it too.
   */
  pauseAfterEnd(servedMs: number | undefined): number | undefined {
    const now = this.now();
    this.recent = [...this.recent.filter((end) => now - end < minuteMs), now];
    this.inARow = (servedMs ?? 0) >= minuteMs ? 1 : this.inARow + 1;
    this.startsFailed = servedMs === undefined ? this.startsFailed + 1 : 0;
    if (this.recent.length >= mostEnds || this.startsFailed >= mostEnds) return undefined;
    return pausesMs[Math.min(this.inARow, pausesMs.length) - 1];
  }

  /** Forgets all ends: the user asked for a new start. */
  reset(): void {
    this.recent = [];
    this.inARow = 0;
    this.startsFailed = 0;
  }
}

/** An engine that shows something within this time is asked at every keystroke. */
const fastMs = 100;
/** An engine that takes this long, or longer, is asked only once the user pauses. */
const slowMs = 400;
const longestDelayMs = 150;
/** A cancelled request ends within one forward; asking again before that only queues. */
const busyDelayMs = 30;
/** Weight of the newest measurement. */
const learningRate = 0.3;
/** A longer gap between two requests is a pause, not the rhythm of typing. */
const longestGapMs = 1000;

/** How long to wait for the next keystroke before the engine is asked, on top of the editor's own 50 ms. */
export class Debounce {
  private latency = 0;
  private rhythm = longestGapMs;
  private lastRequest: number | undefined;

  /** The user typed and a suggestion is wanted, at `now` in milliseconds. */
  typed(now: number): void {
    if (this.lastRequest !== undefined) {
      const gap = Math.min(longestGapMs, now - this.lastRequest);
      this.rhythm += learningRate * (gap - this.rhythm);
    }
    this.lastRequest = now;
  }

  /** The engine took `ms` until it had something to show. */
  answered(ms: number): void {
    // Loading the model takes long once and says nothing about the next request.
    const bounded = Math.min(ms, 2 * slowMs);
    this.latency += (this.latency === 0 ? 1 : learningRate) * (bounded - this.latency);
  }

  /** In milliseconds. @param idle the engine does nothing else */
  delay(idle: boolean): number {
    const least = idle ? 0 : busyDelayMs;
    // Who types more slowly than the engine answers outruns no request.
    if (this.latency <= fastMs || this.rhythm > 2 * this.latency) return least;
    const slowness = Math.min(1, (this.latency - fastMs) / (slowMs - fastMs));
    return Math.max(least, Math.round(slowness * longestDelayMs));
  }
}

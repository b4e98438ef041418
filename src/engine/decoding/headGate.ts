/** Rounds that the assumption made at load weighs. */
const priorRounds = 2;
const roundDecay = 0.97;
const firstPause = 8;
const longestPause = 256;
/** Retrieval that promises this many times plain decoding has taken over: rounds it drives say nothing of the head. */
const retrievalLeads = 1.3;

/** What a round with the head is taken to commit and to take. */
export interface ExpectedRound {
  readonly tokens: number;
  readonly milliseconds: number;
}

/**
 * Decides round by round whether drafting with the head pays, by what its rounds have yielded: tokens per millisecond,
 * drafting included. A head that falls behind is paused and tried again for one round after 8, 16, 32 ... rounds,
 * with what is known of it counting half: the text may have changed.
 */
export class HeadGate {
  #expected: ExpectedRound;
  #hasRun = false;
  #tokens = 0;
  #milliseconds = 0;
  #pause = firstPause;
  #paused = 0;

  /** @param expected what a round with the head should commit and take, before any was run */
  constructor(expected: ExpectedRound) {
    this.#expected = expected;
    this.reset();
  }

  /** Expects something else from now on; of no effect once rounds have told. */
  expect(expected: ExpectedRound): void {
    this.#expected = expected;
    if (!this.#hasRun) this.reset();
  }

  reset(): void {
    this.#hasRun = false;
    this.#tokens = priorRounds * this.#expected.tokens;
    this.#milliseconds = priorRounds * this.#expected.milliseconds;
    this.#pause = firstPause;
    this.#paused = 0;
  }

  /** Tokens per millisecond that rounds with the head yield. */
  get rate(): number {
    return this.#tokens / this.#milliseconds;
  }

  /**
   * Whether to draft with the head in this round.
   * @param rateWithout tokens per millisecond expected of this round without it: of the best tree from retrieval, or plain
   * @param plainRate tokens per millisecond of plain decoding
   */
  wantsHead(rateWithout: number, plainRate: number): boolean {
    if (this.rate >= rateWithout) {
      this.#paused = 0;
      this.#pause = firstPause;
      return true;
    }
    if (rateWithout > retrievalLeads * plainRate) return false;
    if (++this.#paused <= this.#pause) return false;
    this.#paused = 0;
    this.#pause = Math.min(2 * this.#pause, longestPause);
    this.#tokens /= 2;
    this.#milliseconds /= 2;
    return true;
  }

  /** A round that drafted with the head. */
  record(tokens: number, milliseconds: number): void {
    this.#hasRun = true;
    this.#tokens = this.#tokens * roundDecay + tokens;
    this.#milliseconds = this.#milliseconds * roundDecay + milliseconds;
  }
}

/** Share of a deviation that one observation moves the nearest measured size by. */
const learningRate = 0.1;
/** Part of it that moves all sizes: a machine that slows down or a longer context slows every size. */
const commonShare = 0.3;
/** An observation off by more than this factor counts as off by this factor: a machine that sleeps is no slow machine. */
const largestRatio = 2;

/** Tokens behind which verifications are timed. */
export const measuredKeys = 64;

/** Time of a verification of so many rows behind a short text. */
export interface VerifyCost {
  readonly rows: number;
  readonly ms: number;
  /** What each further token of the text adds; 0 where absent. */
  readonly msPerKey?: number;
}

/** What was measured at load, in milliseconds. */
export interface MeasuredCosts {
  /** Time of one verification by rows; rows rise, the first entry is one row: plain decoding. */
  readonly verify: readonly VerifyCost[];
  /** Time of each draft level's forward, first level first; deeper levels cost what the last one does. Empty without a head. */
  readonly draft: readonly number[];
  /** Work of a speculative round besides forwards: building, ranking and walking the tree. */
  readonly overheadMs: number;
}

/** Costs of draft and verification on this machine, kept current by what rounds really take. */
export class CostModel {
  /** Tokens of the text that the next verification follows. */
  keys = measuredKeys;
  readonly #rows: readonly number[];
  readonly #perKey: readonly number[];
  readonly #measured: number[];
  /** Running maximum of #measured: more rows never look cheaper. */
  #monotone: number[];
  readonly #draft: number[];
  #overhead: number;

  constructor({ verify, draft, overheadMs }: MeasuredCosts) {
    this.#rows = verify.map(({ rows }) => rows);
    this.#perKey = runningMaximum(verify.map(({ msPerKey = 0 }) => msPerKey));
    this.#measured = verify.map(({ ms }) => ms);
    this.#monotone = runningMaximum(this.#measured);
    this.#draft = [...draft];
    this.#overhead = overheadMs;
  }

  get overheadMs(): number {
    return this.#overhead;
  }

  /** One token of plain decoding. */
  get plainMs(): number {
    return this.verifyMs(1);
  }

  /**
   * A verification of so many rows, root included, behind `keys` tokens: linear between measured sizes and beyond the largest.
   */
  verifyMs(rows: number): number {
    const [above, share] = this.#place(rows);
    const furtherKeys = Math.max(0, this.keys - measuredKeys);
    return between(this.#monotone, above, share) + furtherKeys * between(this.#perKey, above, share);
  }

  /** One draft forward; level 0 is the first. 0 without a head. */
  draftMs(level: number): number {
    return this.#draft[Math.min(level, this.#draft.length - 1)] ?? 0;
  }

  observeVerify(rows: number, ms: number): void {
    const ratio = boundedRatio(ms, this.verifyMs(rows));
    const [above, share] = this.#place(rows);
    this.#measured.forEach((known, i) => {
      const nearness = i === above ? Math.min(1, share) : i === above - 1 ? Math.max(0, 1 - share) : 0;
      this.#measured[i] = known * (1 + learningRate * (commonShare + (1 - commonShare) * nearness) * (ratio - 1));
    });
    this.#monotone = runningMaximum(this.#measured);
  }

  observeDraft(level: number, ms: number): void {
    if (this.#draft.length === 0) return;
    const slot = Math.min(level, this.#draft.length - 1);
    this.#draft[slot] = corrected(this.#draft[slot]!, ms);
  }

  observeOverhead(ms: number): void {
    this.#overhead += learningRate * (Math.min(ms, largestRatio * this.#overhead + 1) - this.#overhead);
  }

  /** Index of the upper end of the measured segment for `rows`, and how far along it lies (beyond the last: above 1). */
  #place(rows: number): readonly [above: number, share: number] {
    let above = 1;
    while (above < this.#rows.length - 1 && this.#rows[above]! < rows) above++;
    const below = this.#rows[above - 1]!;
    const width = (this.#rows[above] ?? Number.POSITIVE_INFINITY) - below;
    return [above, Math.max(0, rows - below) / width];
  }
}

/** The value at a share of the way from the entry before `above` to that one. */
function between(values: readonly number[], above: number, share: number): number {
  const below = values[above - 1]!;
  return below + share * ((values[above] ?? below) - below);
}

/** What is known of a positive quantity after one more observation of it. */
export function corrected(known: number, observed: number): number {
  return known * (1 + learningRate * (boundedRatio(observed, known) - 1));
}

function runningMaximum(values: readonly number[]): number[] {
  let largest = 0;
  return values.map((value) => (largest = Math.max(largest, value)));
}

/** A time as it counts: a device that was busy with something else, or slept, is no slow one. */
export function boundedMs(observed: number, expected: number): number {
  return expected * boundedRatio(observed, expected);
}

function boundedRatio(observed: number, expected: number): number {
  return Math.min(Math.max(observed / expected, 1 / largestRatio), largestRatio);
}

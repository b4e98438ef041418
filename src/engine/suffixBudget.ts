import { CostModel, corrected, type MeasuredCosts } from "./decoding/costModel.ts";
import { measuredCosts } from "./measure.ts";

/** What reading the text after the cursor may add to the wait for a keystroke's completion, in milliseconds. */
export const suffixMs = 100;

const fewest = 16;
const most = 512;
/** Forwards between two decisions: where a document is longer than the prompt, another budget moves the window of its text. */
const forwardsPerDecision = 64;
/** What is measured must differ so much from what is allowed before the budget follows. */
const margin = 1.25;

/**
 * Tokens of text after the cursor that a keystroke's request can read anew within `milliseconds`: the suffix stands behind
 * the prefix in the prompt, so its keys and values never survive a keystroke. A power of two, so that measurements of one
 * machine that differ a little give the same prompt.
 */
export function affordableSuffix(verify: MeasuredCosts["verify"], milliseconds: number): number {
  const cost = new CostModel(measuredCosts(verify, []));
  let tokens = fewest;
  while (tokens < most && readingMs(cost, 2 * tokens) <= milliseconds) tokens *= 2;
  return tokens;
}

/** A size whose measurement was disturbed costs at most what reading twice the half does. */
function readingMs(cost: CostModel, tokens: number): number {
  const ms = cost.verifyMs(tokens);
  return tokens > fewest ? Math.min(ms, 2 * readingMs(cost, tokens / 2)) : ms;
}

/** The affordable suffix, kept current: a machine that was busy when its costs were measured is not slow for good. */
export class SuffixBudget {
  private readonly cost: CostModel;
  /** Times that a forward takes of what was measured at load: what else the machine does slows all sizes alike. */
  private slowness = 1;
  private forwards = 0;
  private affordable: number;

  /** @param verify costs of verifications by rows, measured at load */
  constructor(private readonly verify: MeasuredCosts["verify"]) {
    this.cost = new CostModel(measuredCosts(verify, []));
    this.affordable = affordableSuffix(verify, suffixMs);
  }

  get tokens(): number {
    return this.affordable;
  }

  /** What a forward that read so many prompt tokens took. */
  observe(rows: number, ms: number): void {
    this.slowness = corrected(this.slowness, ms / readingMs(this.cost, rows));
    this.forwards++;
    if (this.forwards < forwardsPerDecision) return;
    this.forwards = 0;
    const allowedMs = suffixMs / this.slowness;
    const least = affordableSuffix(this.verify, allowedMs / margin);
    const largest = affordableSuffix(this.verify, allowedMs * margin);
    this.affordable = Math.min(Math.max(this.affordable, least), largest);
  }
}

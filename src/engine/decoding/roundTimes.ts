/** Milliseconds of a round's parts, by the clock of the device that ran it. */
export interface RoundTimes {
  readonly draft: number;
  /** Choosing the rows to verify. */
  readonly tree: number;
  readonly verify: number;
  /** Choosing tokens, walking the tree, moving keys and values. */
  readonly accept: number;
}

/**
 * Splits the time that a round took for its caller between drafting and verifying, as the device's clock says of this round or the
 * last one that was timed. Without such times all of it counts as verifying.
 */
export function splitRound(
  milliseconds: number,
  { draftForwards, times }: { readonly draftForwards: number; readonly times?: RoundTimes },
): { readonly draftMs: number; readonly verifyMs: number } {
  if (draftForwards === 0 || times === undefined) return { draftMs: 0, verifyMs: milliseconds };
  const { draft, tree, verify, accept } = times;
  const whole = draft + tree + verify + accept;
  const draftMs = whole > 0 ? (milliseconds * (draft + tree)) / whole : 0;
  return { draftMs, verifyMs: milliseconds - draftMs };
}

import type { MeasuredCosts } from "./decoding/costModel.ts";
import { CostModel } from "./decoding/costModel.ts";
import { measuredCosts } from "./measure.ts";

const fewest = 16;
const most = 512;

/**
 * Tokens of text after the cursor that a keystroke's request can read anew within `milliseconds`: the suffix stands behind
 * the prefix in the prompt, so its keys and values never survive a keystroke. A power of two, so that measurements of one
 * machine that differ a little give the same prompt.
 */
export function affordableSuffix(verify: MeasuredCosts["verify"], milliseconds: number): number {
  const cost = new CostModel(measuredCosts(verify, []));
  let tokens = fewest;
  while (tokens < most && cost.verifyMs(2 * tokens) <= milliseconds) tokens *= 2;
  return tokens;
}

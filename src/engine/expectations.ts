import { planTree, type TreePlan, tokensPerMillisecond, treeProbabilities } from "./decoding/budget.ts";
import type { CostModel } from "./decoding/costModel.ts";

/** What the budget would choose to verify at one acceptance, and what that is worth on this machine. */
export interface Expectation {
  /** Probability that the best proposal for a token is right. */
  readonly acceptance: number;
  /** Rows of a verification, the root included; 1 means that plain decoding is best. */
  readonly nodes: number;
  /** Draft forwards of a round. */
  readonly draftForwards: number;
  readonly tokensPerRound: number;
  readonly speedup: number;
}

const longestChain = 48;
const deepest = 8;
const largestTree = 63;

/** A retrieved chain: costs no draft forward, and each token holds only if all before it do. */
export function expectFromLookup(acceptance: number, cost: CostModel): Expectation {
  const chain = Array.from({ length: longestChain }, (_, i) => acceptance ** (i + 1));
  return expectation(acceptance, 0, planTree(chain, cost, 0), cost);
}

/**
 * A head's tree at the depth that pays best, or plain decoding where none does. The level that a Jakiro head adds with its
 * parallel step is left out.
 */
export function expectFromHead(acceptance: number, cost: CostModel): Expectation {
  let best: Expectation = { acceptance, nodes: 1, draftForwards: 0, tokensPerRound: 1, speedup: 1 };
  let draftMs = 0;
  for (let depth = 1; depth <= deepest; depth++) {
    draftMs += cost.draftMs(depth - 1);
    const plan = planTree(
      treeProbabilities(() => acceptance, depth, largestTree),
      cost,
      draftMs,
    );
    const candidate = expectation(acceptance, depth, plan, cost);
    if (candidate.speedup > best.speedup) best = candidate;
  }
  return best;
}

function expectation(acceptance: number, draftForwards: number, plan: TreePlan, cost: CostModel): Expectation {
  return {
    acceptance,
    nodes: plan.rows,
    draftForwards,
    tokensPerRound: plan.tokens,
    speedup: tokensPerMillisecond(plan) * cost.plainMs,
  };
}

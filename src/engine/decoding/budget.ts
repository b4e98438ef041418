import type { CostModel } from "./costModel.ts";

/** A tree must promise this much more than plain decoding before it is preferred: measured costs are that noisy. */
export const noiseMargin = 1.01;

/** How many of the best nodes to verify, and what that is expected to yield. */
export interface TreePlan {
  /** Rows to verify, the root included; 1 is plain decoding. */
  readonly rows: number;
  /** Expected committed tokens E = 1 + sum of V. */
  readonly tokens: number;
  /** Expected time of the round, drafting included. */
  readonly milliseconds: number;
}

/**
 * The tree size that maximises E(m) / T(m), tokens per millisecond (greedy budget of SpecExec and DDTree). Every size is
 * compared, so that steps in the measured costs cannot hide a better size behind a worse one.
 * @param probabilities V of the nodes besides the root, falling
 * @param spentDraftMs what drafting has cost in this round already
 */
export function planTree(probabilities: ArrayLike<number>, cost: CostModel, spentDraftMs: number): TreePlan {
  let best: TreePlan = { rows: 1, tokens: 1, milliseconds: spentDraftMs + cost.plainMs };
  let bestRate = noiseMargin * tokensPerMillisecond(best);
  let tokens = 1;
  for (let nodes = 1; nodes <= probabilities.length; nodes++) {
    tokens += probabilities[nodes - 1]!;
    const milliseconds = spentDraftMs + cost.verifyMs(nodes + 1) + cost.overheadMs;
    if (tokens > bestRate * milliseconds) {
      best = { rows: nodes + 1, tokens, milliseconds };
      bestRate = tokensPerMillisecond(best);
    }
  }
  return best;
}

/** Rows to verify, the root included: `planTree` for callers that need nothing else. */
export function chooseNodeCount(probabilities: ArrayLike<number>, cost: CostModel, spentDraftMs: number): number {
  return planTree(probabilities, cost, spentDraftMs).rows;
}

export function tokensPerMillisecond({ tokens, milliseconds }: TreePlan): number {
  return tokens / milliseconds;
}

/**
 * Whether one more draft level pays: the tokens it should add must be worth, at the rate of the best tree so far, more
 * than its draft forward and the rows it adds to the verification.
 * @param frontierMass sum of V over the frontier to be expanded
 * @param acceptance probability that some child is accepted once its parent is
 * @param level index of the level to be drafted, 0 for the first
 */
export function shouldDeepen(
  frontierMass: number,
  acceptance: number,
  level: number,
  cost: CostModel,
  current: TreePlan,
): boolean {
  const rowMs = cost.verifyMs(current.rows + 1) - cost.verifyMs(current.rows);
  return frontierMass * acceptance > tokensPerMillisecond(current) * (cost.draftMs(level) + rowMs);
}

/** Rows over whose costs one row's is averaged: measured costs rise in steps. */
const rowsAhead = 4;

/** What a node promises counts twice: the rate that later levels are to beat, and the node's probability, are estimates. */
const doubt = 2;

/**
 * The probability that a node has to exceed for children of it to be drafted: none of them is likelier than the node, and what is less
 * likely than a row's cost at the rate of the best tree so far is not verified. What the node's own row adds to a draft forward is left
 * out: a twentieth of what one adds to a verification.
 */
export function leastParent(cost: CostModel, current: TreePlan): number {
  const rowMs = (cost.verifyMs(current.rows + rowsAhead) - cost.verifyMs(current.rows)) / rowsAhead;
  return (tokensPerMillisecond(current) * rowMs) / doubt;
}

/** Children that a node of a modelled tree has. */
const widest = 8;

/**
 * Probabilities of the best nodes, falling, of a tree in which a node's first child is right with probability a and each
 * further one with probability a where all before it are wrong: a (1 - a)^i.
 * @param acceptance a of the children at a depth, 1 for the root's
 * @param depth levels below the root
 * @param count how many nodes to name at most
 */
export function treeProbabilities(acceptance: (depth: number) => number, depth: number, count: number): number[] {
  const best: number[] = [];
  // A node's next sibling and first child are never likelier than itself, so that these are all that may come next.
  const open = [{ value: acceptance(1), depth: 1, sibling: 1 }];
  while (best.length < count && open.length > 0) {
    let next = 0;
    for (let i = 1; i < open.length; i++) if (open[i]!.value > open[next]!.value) next = i;
    const [node] = open.splice(next, 1);
    const { value, depth: level, sibling } = node!;
    best.push(value);
    if (sibling < widest) open.push({ value: value * (1 - acceptance(level)), depth: level, sibling: sibling + 1 });
    if (level < depth) open.push({ value: value * acceptance(level + 1), depth: level + 1, sibling: 1 });
  }
  return best;
}

/** Weight of what is assumed before anything is observed, in observations. */
const priorWalks = 4;
const walkDecay = 0.97;

/** Running conditional acceptance by depth: of the walks that found children at a depth, how many went on. */
export class LevelAcceptance {
  readonly #prior: number;
  #offered: number[] = [];
  #accepted: number[] = [];

  /** @param prior acceptance to expect at every depth before any is seen */
  constructor(prior = 0.6) {
    this.#prior = prior;
  }

  reset(): void {
    this.#offered = [];
    this.#accepted = [];
  }

  /** One walk that had children to choose from at `depth` (1 for children of the root). */
  observe(depth: number, accepted: boolean): void {
    this.#offered[depth] = (this.#offered[depth] ?? 0) * walkDecay + 1;
    this.#accepted[depth] = (this.#accepted[depth] ?? 0) * walkDecay + (accepted ? 1 : 0);
  }

  /** @param prior what to expect of this depth, where something better is known than the prior of all */
  at(depth: number, prior = this.#prior): number {
    const offered = this.#offered[depth] ?? 0;
    return ((this.#accepted[depth] ?? 0) + prior * priorWalks) / (offered + priorWalks);
  }
}

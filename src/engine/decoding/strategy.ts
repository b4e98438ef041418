import { type AcceptedPath, childWith } from "./acceptance.ts";
import { LevelAcceptance, leastParent, planTree, shouldDeepen, tokensPerMillisecond } from "./budget.ts";
import { Calibration } from "./calibration.ts";
import type { CostModel } from "./costModel.ts";
import type { DraftHead } from "./draftHead.ts";
import { type GrowthPlan, HeadDrafter } from "./headDrafter.ts";
import { type ExpectedRound, HeadGate } from "./headGate.ts";
import { LookupDrafter } from "./lookup.ts";
import type { Method } from "./method.ts";
import { DraftTree, type VerificationRows } from "./tree.ts";

/** Sizes that a user may fix; what is left open follows from measured costs and running acceptance. */
export interface TreeSizes {
  /** Rows of a verification, root included. */
  readonly nodes?: number;
  /** Of trees and of chains of known text. */
  readonly depth?: number;
  /** Of a head's trees: a chain has none. */
  readonly branching?: number;
}

export interface StrategyParts {
  readonly method: Method;
  readonly cost: CostModel;
  readonly sizes: TreeSizes;
  readonly head: DraftHead | undefined;
  /** Milliseconds from any fixed moment on. */
  readonly clock?: () => number;
}

/** Most nodes a retrieved chain may have. */
const longestChain = 48;
/** Levels that are drafted where costs and acceptance decide how many of them. */
const deepestLevel = 8;
/** Children of a node, and nodes of a level, where costs and acceptance decide which of them are expanded. */
const widestLevel = 8;
/** What a round with the head is taken to commit before one was run. */
const expectedTokens = 2;

/**
 * Decides what each round verifies: which sources propose, how far the head drafts, how many nodes are kept. Knows nothing of
 * devices; all methods share tree, budget and acceptance and differ only in the sources they may use.
 */
export class Strategy {
  private readonly calibration = new Calibration();
  private readonly levels = new LevelAcceptance();
  private readonly lookup: LookupDrafter | undefined;
  private readonly drafter: HeadDrafter | undefined;
  private readonly gate: HeadGate;
  private readonly tree = new DraftTree(0);
  private readonly clock: () => number;
  private round: { start: number; draftForwards: number; draftMs: number; usedHead: boolean };

  constructor(private readonly parts: StrategyParts) {
    const { method, head, cost } = parts;
    this.clock = parts.clock ?? (() => performance.now());
    if (method === "lookup" || method === "auto") this.lookup = new LookupDrafter(this.calibration);
    if (head !== undefined && method !== "plain" && method !== "lookup") {
      this.drafter = new HeadDrafter(head, this.calibration);
    }
    this.gate = new HeadGate(expectedRound(cost));
    this.round = { start: 0, draftForwards: 0, draftMs: 0, usedHead: false };
  }

  /** Whether features of committed tokens are of use to this strategy. */
  get wantsFeatures(): boolean {
    return this.drafter !== undefined;
  }

  /** Forgets what earlier requests taught: acceptance statistics and draft history. */
  reset(): void {
    this.calibration.reset();
    this.levels.reset();
    this.gate.reset();
    this.drafter?.trim(0);
  }

  /** A new request: its whole prompt, of which the first `kept` tokens are committed already; `known` as in `DecodeRequest`. */
  start(prompt: readonly number[], kept: number, known?: () => readonly ArrayLike<number>[]): void {
    this.lookup?.start([...(known?.() ?? []), prompt]);
    this.drafter?.trim(kept);
    this.parts.cost.keys = prompt.length;
    this.gate.expect(expectedRound(this.parts.cost));
  }

  /** Committed tokens with the target's features, in order. */
  extend(tokens: ArrayLike<number>, features: Float32Array): void {
    this.drafter?.extend(tokens, features);
  }

  /** Every emitted token, in order: the last one is the root of the next round. */
  emitted(token: number): void {
    this.lookup?.append(token);
    this.parts.cost.keys++;
  }

  /** The rows of the next verification: the root alone where speculation is not expected to pay. */
  async propose(
    root: number,
  ): Promise<VerificationRows & { readonly draftForwards: number; readonly draftMs: number }> {
    const { tree } = this;
    const { nodes, depth = longestChain } = this.parts.sizes;
    const asked = this.clock();
    this.round = { start: asked, draftForwards: 0, draftMs: 0, usedHead: false };
    let readMs = 0;
    tree.reset(root);
    this.lookup?.draft(tree, Math.min(longestChain, depth, (nodes ?? longestChain + 1) - 1));
    if (this.drafter !== undefined && this.headPays()) {
      // A prompt is read once: what a draft costs, and what rounds with the head yield, must not be judged by it.
      await this.drafter.read();
      this.round.start = this.clock();
      readMs = this.round.start - asked;
      this.round.draftForwards = await this.drafter.draft(tree, this.growth());
      this.round.draftMs = this.clock() - this.round.start;
      this.round.usedHead = true;
    }
    const rows = nodes ?? (this.parts.method === "plain" ? 1 : this.plan().rows);
    return { ...tree.rerank(rows), draftForwards: this.round.draftForwards, draftMs: readMs + this.round.draftMs };
  }

  /** What became of the rows proposed last; `verifyMs` is the time of their forward. */
  settle(rows: VerificationRows, accepted: AcceptedPath, verifyMs: number): void {
    const { cost, head } = this.parts;
    const { draftMs, draftForwards, usedHead } = this.round;
    this.calibration.settle(rows, accepted);
    cost.observeVerify(rows.tokens.length, verifyMs);
    for (let level = 0; level < draftForwards; level++) cost.observeDraft(level, draftMs / draftForwards);
    for (const [depth, row] of accepted.path.entries()) {
      if (!rows.parents.includes(row)) continue;
      this.levels.observe(depth + 1, childWith(rows, row, accepted.tokens[depth]!) >= 0);
    }
    if (usedHead && head !== undefined) this.gate.record(accepted.tokens.length, this.usualMs(rows.tokens.length));
  }

  /** What a round like the last one takes by the costs that plain rounds are judged by as well: a disturbance says nothing of the head. */
  private usualMs(rows: number): number {
    const { cost } = this.parts;
    let milliseconds = cost.verifyMs(rows) + cost.overheadMs;
    for (let level = 0; level < this.round.draftForwards; level++) milliseconds += cost.draftMs(level);
    return milliseconds;
  }

  private plan() {
    const ranking = this.tree.ranking();
    return planTree(this.tree.probabilities(ranking), this.parts.cost, this.clock() - this.round.start);
  }

  /** Only `auto` may leave the head out. */
  private headPays(): boolean {
    if (this.parts.method !== "auto") return true;
    return this.gate.wantsHead(tokensPerMillisecond(this.plan()), 1 / this.parts.cost.plainMs);
  }

  private growth(): GrowthPlan {
    const { nodes, depth, branching } = this.parts.sizes;
    const { cost } = this.parts;
    if (depth !== undefined || nodes !== undefined) {
      const shape = usualShape(nodes);
      return { depth: depth ?? shape.depth, branching: branching ?? shape.branching };
    }
    const width = branching ?? widestLevel;
    return {
      depth: deepestLevel,
      branching: width,
      ...(branching === undefined ? { leastParent: () => leastParent(cost, this.plan()) } : {}),
      deepen: (tree, forwards) => {
        const deepest = tree
          .ranking()
          .filter((node) => tree.depth(node) === forwards)
          .slice(0, width);
        const mass = tree.probabilities(deepest).reduce((sum, probability) => sum + probability, 0);
        return shouldDeepen(mass, this.levels.at(forwards + 1), forwards, cost, this.plan());
      },
    };
  }
}

/** What a round with the head is taken to yield before one was run. */
function expectedRound(cost: CostModel): ExpectedRound {
  const milliseconds = cost.verifyMs(4) + cost.draftMs(0) + cost.draftMs(1) + cost.overheadMs;
  return { tokens: expectedTokens, milliseconds };
}

/** How deep and wide a tree is grown of which so many nodes are verified. */
export function usualShape(nodes: number | undefined): { readonly depth: number; readonly branching: number } {
  if (nodes === undefined || nodes < 12) return { depth: 4, branching: 4 };
  return { depth: 6, branching: nodes < 32 ? 6 : 10 };
}

import { type Calibration, headClaim } from "./calibration.ts";
import { type Candidates, type DraftHead, draftForwards, type HeadOutputs } from "./draftHead.ts";
import { type DraftTree, type Frontier, rootNode } from "./tree.ts";

/** How far a head may grow a tree in one round. */
export interface GrowthPlan {
  /** Levels below the root. */
  readonly depth: number;
  /** Children per expanded node, and nodes expanded per level at most. */
  readonly branching: number;
  /** Asked for each level with what has grown so far: the probability that a node has to exceed to be expanded. */
  readonly leastParent?: (tree: DraftTree) => number;
  /** Asked after each level with what has grown so far; false ends the drafting. */
  readonly deepen?: (tree: DraftTree, forwards: number) => boolean;
}

/**
 * Rows of a text that the head reads before it drafts. It was trained on texts of 512 tokens and proposes no better for having read
 * more: behind prompts of 850 to 1,800 tokens tau is 1.70 with 32 rows, and 1.68 with 128, with these, and with all. Reading all took
 * as long as four plain tokens. (bench/suites/files.jsonl, 8 nodes; 64 tokens a text, 48 for the last two.)
 */
const window = 256;
/** More unread rows than a round commits are read ahead of a round. */
const longestRound = 32;

/**
 * Grows the tree of jakiro.md section 2: a first forward over the accepted tokens, autoregressive levels over the best
 * frontier, and with a Jakiro head one parallel level from the last forward's contrastive outputs.
 */
export class HeadDrafter {
  private readonly tokens: number[] = [];
  /** The target's feature at every committed token, [capacity, hidden]. */
  private features = new Float32Array(0);
  /** The committed token that the head's first row stands for. */
  private first = 0;
  /** Tests set this to see the fault of the released code: contrastive rows taken by frontier index, not by parent. */
  wrongParentRows = false;

  constructor(
    private readonly head: DraftHead,
    private readonly calibration: Calibration,
  ) {}

  /**
   * Tells of committed tokens, in order, with the target's features [tokens.length, hidden] at each of them. The token that
   * follows the last one is not committed yet: it is the root of the next tree.
   */
  extend(tokens: ArrayLike<number>, features: Float32Array): void {
    const { hidden } = this.head;
    const start = this.tokens.length * hidden;
    const needed = start + tokens.length * hidden;
    if (needed > this.features.length) {
      const larger = new Float32Array(Math.max(needed, this.features.length * 2, 256 * hidden));
      larger.set(this.features);
      this.features = larger;
    }
    this.features.set(features.subarray(0, tokens.length * hidden), start);
    for (let i = 0; i < tokens.length; i++) this.tokens.push(tokens[i]!);
  }

  /** Forgets every committed token from `length` on. */
  trim(length: number): void {
    this.tokens.length = Math.min(this.tokens.length, length);
    // Row t holds token t + 1, so a row whose token goes has to go too.
    this.head.trim(Math.max(0, length - 1 - this.first));
  }

  /**
   * Reads a text of which the head knows nothing yet, in part or in whole, so that the next `draft` takes no longer than later
   * ones; nothing where a round's worth is unread at most.
   */
  async read(): Promise<void> {
    this.moveWindow();
    const known = this.tokens.length - 1;
    const unread = this.first + this.head.length;
    if (known - unread <= longestRound) return;
    await this.append(this.tokens.slice(unread + 1, known + 1));
  }

  /** Grows the tree below its root and returns the number of draft forwards that took. */
  async draft(tree: DraftTree, plan: GrowthPlan): Promise<number> {
    const { head } = this;
    const forwardLimit = draftForwards(head.kind, plan.depth);
    const parallel = forwardLimit < plan.depth;
    let outputs = await this.catchUp(tree.token(rootNode));
    let forwards = 1;
    let frontier: Frontier = { nodes: Int32Array.of(rootNode), parentRows: Int32Array.of(0) };
    /** Round row of each expanded node, and the rows of its ancestors. */
    const lineage = new Map<number, readonly number[]>([[rootNode, []]]);
    let exploredRows = 0;

    for (;;) {
      const feature = await this.addChildren(tree, frontier, outputs, plan.branching);
      const parents = frontier.nodes;
      frontier = tree.nextFrontier(parents, plan.branching, plan.leastParent?.(tree));
      if (forwards === forwardLimit || frontier.nodes.length === 0 || plan.deepen?.(tree, forwards) === false) {
        if (parallel && frontier.nodes.length > 0) await this.addParallelLevel(tree, frontier, outputs, plan.branching);
        return forwards;
      }
      const firstRow = exploredRows;
      const ancestors = Array.from(frontier.nodes, (node) => lineage.get(tree.parent(node))!);
      for (const [i, node] of frontier.nodes.entries()) lineage.set(node, [...ancestors[i]!, firstRow + i]);
      exploredRows += frontier.nodes.length;
      outputs = await head.explore(
        {
          tokens: frontier.nodes.map((node) => tree.token(node)),
          features: feature(frontier),
          positions: frontier.nodes.map((node) => this.tokens.length - 1 + tree.depth(node)),
          outputRows: Array.from(frontier.nodes.keys()),
        },
        ancestors,
      );
      forwards++;
    }
  }

  /** Feeds the head what was committed since the last round, up to the pair (last feature, root). */
  private async catchUp(root: number): Promise<HeadOutputs> {
    await this.read();
    return await this.append([...this.tokens.slice(this.first + this.head.length + 1), root]);
  }

  /** Forgets rows that stand for other text now, and begins anew where too much is unread, or too little left to see. */
  private moveWindow(): void {
    const { head } = this;
    const { length } = this.tokens;
    // The last row's token was the root of an earlier round whose KV is kept; a round may be repeated after a trim.
    head.trim(Math.max(0, length - 1 - this.first));
    const start = Math.max(0, length - window);
    const isFar = length - (this.first + head.length) > window;
    const isShort = this.first > 0 && length - this.first < window / 2;
    if (!isFar && !isShort) return;
    head.trim(0);
    this.first = start;
  }

  /** Rows that follow the head's own, by the tokens after each. */
  private append(tokens: readonly number[]): Promise<HeadOutputs> {
    const { head } = this;
    const { hidden } = head;
    const first = this.first + head.length;
    return head.append({
      tokens,
      features: this.features.subarray(first * hidden, (first + tokens.length) * hidden),
      positions: tokens.map((_, i) => first + i),
      outputRows: [tokens.length - 1],
    });
  }

  /**
   * Gives each frontier node its best children and returns how to find the feature a child carries on: its parent's mixture,
   * or with two branches the one that proposed it (of both, the more probable one).
   */
  private async addChildren(
    tree: DraftTree,
    { nodes }: Frontier,
    outputs: HeadOutputs,
    branching: number,
  ): Promise<(next: Frontier) => Float32Array> {
    const { hidden } = this.head;
    const variants = this.head.kind === "jakiro-star" ? outputs.branches! : [outputs.mixture];
    const proposer = new Map<number, { variant: number; logProbability: number }>();
    for (const [variant, rows] of variants.entries()) {
      const candidates = await this.head.candidates(rows, branching);
      this.addCandidates(
        tree,
        nodes,
        (i) => i,
        candidates,
        (child, logProbability) => {
          const known = proposer.get(child);
          if (known === undefined || logProbability > known.logProbability)
            proposer.set(child, { variant, logProbability });
        },
      );
    }
    return (next) => {
      const features = new Float32Array(next.nodes.length * hidden);
      for (const [i, node] of next.nodes.entries()) {
        const rows = variants[proposer.get(node)?.variant ?? 0]!;
        const row = next.parentRows[i]!;
        features.set(rows.subarray(row * hidden, (row + 1) * hidden), i * hidden);
      }
      return features;
    };
  }

  /** Children of the frontier from the contrastive outputs of the forward that proposed the frontier: the row of each node's parent. */
  private async addParallelLevel(
    tree: DraftTree,
    frontier: Frontier,
    outputs: HeadOutputs,
    branching: number,
  ): Promise<void> {
    const candidates = await this.head.candidates(outputs.contrast!, branching);
    const rows = candidates.tokens.length / candidates.count;
    const rowOf = (i: number) => (this.wrongParentRows ? i % rows : frontier.parentRows[i]!);
    this.addCandidates(tree, frontier.nodes, rowOf, candidates);
  }

  private addCandidates(
    tree: DraftTree,
    parents: Int32Array,
    rowOf: (parentIndex: number) => number,
    { count, tokens, logProbabilities }: Candidates,
    added?: (child: number, logProbability: number) => void,
  ): void {
    for (const [i, parent] of parents.entries()) {
      const depth = tree.depth(parent) + 1;
      const first = rowOf(i) * count;
      const proposed = Array.from({ length: count }, (_, j) => ({
        token: tokens[first + j]!,
        claim: headClaim(Math.exp(logProbabilities[first + j]!), depth),
      }));
      const children = this.calibration.proposeCandidates(tree, parent, proposed);
      for (const [j, child] of children.entries()) added?.(child, logProbabilities[first + j]!);
    }
  }
}

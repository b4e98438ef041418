import type { AcceptedPath } from "./acceptance.ts";
import { LevelAcceptance, noiseMargin, type TreePlan, tokensPerMillisecond, treeProbabilities } from "./budget.ts";
import { boundedMs, type CostModel } from "./costModel.ts";
import { HeadGate } from "./headGate.ts";
import { isPlain, type Rung } from "./ladder.ts";
import type { TokenRows } from "./target.ts";

/** What a round is taken to commit before one with the head was run, as on the processor. */
const expectedTokens = 2;
/** Tokens beyond the root's that the assumption "trees yield what the model of them says" weighs. */
const priorTokens = 8;
const roundDecay = 0.97;

/** A round that was run. */
export interface RungOutcome {
  readonly rung: Rung;
  readonly rows: TokenRows;
  readonly accepted: AcceptedPath;
  /** From the end of the round before it, or from its submission where the device was idle; undefined where other texts shared it. */
  readonly milliseconds: number | undefined;
  /** Whether the device was idle when it was submitted. */
  readonly wasIdle: boolean;
}

/**
 * Decides which of a ladder's rounds a device runs next, by expected tokens per millisecond: costs that were measured and are kept
 * current, and what rounds have yielded. A head that does not pay is left out and tried again now and then (`HeadGate`).
 *
 * Rounds that draft on the device follow each other without a pause. A chain of known text begins with the token that the round
 * before it ends with, so that the device waits while the host reads that: `cost.overheadMs`.
 */
export class RungChooser {
  private readonly plain: Rung | undefined;
  private readonly chains: readonly Rung[];
  private readonly trees: readonly Rung[];
  private readonly levels = new LevelAcceptance();
  private readonly gate: HeadGate;
  /** What trees yielded beyond the root's token, and what the model of them had promised. */
  private yielded = priorTokens;
  private promised = priorTokens;

  constructor(
    rungs: readonly Rung[],
    private readonly cost: CostModel,
  ) {
    this.plain = rungs.find(isPlain);
    this.chains = rungs.filter(({ rows, levels }) => rows > 1 && levels === 0);
    this.trees = rungs.filter(({ levels }) => levels > 0);
    const milliseconds = Math.min(...this.trees.map((rung) => this.milliseconds(rung)));
    this.gate = new HeadGate({ tokens: expectedTokens, milliseconds });
  }

  /**
   * The next round, or undefined where it pays to wait for the one under way.
   * @param chain probabilities that the known text's continuation is right up to each token, falling; where a round is under way,
   *   of what was known before it
   */
  choose(chain: readonly number[], underWay: Rung | undefined): Rung | undefined {
    if (underWay !== undefined && this.paysToWait(chain, underWay)) return undefined;
    const known = underWay === undefined ? this.bestChain(chain) : undefined;
    const { plain, plainRate } = this;
    const chainRate = known === undefined ? 0 : tokensPerMillisecond(known.plan);
    const tree = this.bestTree();
    if (plain === undefined) return tree;
    if (tree !== undefined && this.gate.wantsHead(Math.max(plainRate, chainRate), plainRate)) return tree;
    return known !== undefined && chainRate > noiseMargin * plainRate ? known.rung : plain;
  }

  /** To be told of every round, in order. */
  settle({ rung, rows, accepted, milliseconds, wasIdle }: RungOutcome): void {
    const expected = this.milliseconds(rung);
    if (milliseconds !== undefined) this.observeCosts(rung, milliseconds, wasIdle);
    if (rung.levels === 0) return;
    const tokens = accepted.tokens.length;
    this.gate.record(tokens, wasIdle || milliseconds === undefined ? expected : boundedMs(milliseconds, expected));
    this.promised = this.promised * roundDecay + this.modelled(rung);
    this.yielded = this.yielded * roundDecay + tokens - 1;
    for (const [depth, row] of accepted.path.entries()) {
      const child = firstChild(rows, row);
      if (child < 0) break;
      this.levels.observe(depth + 1, rows.tokens[child] === accepted.tokens[depth]);
    }
  }

  private observeCosts(rung: Rung, milliseconds: number, wasIdle: boolean): void {
    const { cost } = this;
    const expected = this.milliseconds(rung);
    if (wasIdle) {
      cost.observeOverhead(Math.max(0, milliseconds - expected));
      return;
    }
    const ratio = milliseconds / expected;
    for (let level = 0; level < rung.draftForwards; level++) cost.observeDraft(level, cost.draftMs(level) * ratio);
    cost.observeVerify(rung.rows, cost.verifyMs(rung.rows) * ratio);
  }

  private get plainRate(): number {
    return 1 / this.cost.plainMs;
  }

  private milliseconds({ rows, draftForwards }: Rung): number {
    let sum = this.cost.verifyMs(rows);
    for (let level = 0; level < draftForwards; level++) sum += this.cost.draftMs(level);
    return sum;
  }

  /** Tokens beyond the root's that a tree of this size should yield, by the acceptance at each depth. */
  private modelled({ rows, levels }: Rung): number {
    const acceptance: number[] = [];
    // A depth that was seldom reached is taken to be like the one above.
    for (let depth = 1; depth <= levels; depth++) acceptance.push(this.levels.at(depth, acceptance.at(-1)));
    const best = treeProbabilities((depth) => acceptance[depth - 1]!, levels, rows - 1);
    return best.reduce((sum, probability) => sum + probability, 0);
  }

  private expectTree(rung: Rung): TreePlan {
    const tokens = 1 + (this.modelled(rung) * this.yielded) / this.promised;
    return { rows: rung.rows, tokens, milliseconds: this.milliseconds(rung) };
  }

  private bestTree(): Rung | undefined {
    return fastest(this.trees.map((rung) => ({ rung, plan: this.expectTree(rung) })))?.rung;
  }

  private bestChain(chain: readonly number[]) {
    if (chain.length === 0) return undefined;
    const { cost } = this;
    return fastest(
      this.chains.map((rung) => {
        const tokens = chain.slice(0, rung.rows - 1).reduce((sum, probability) => sum + probability, 1);
        return { rung, plan: { rows: rung.rows, tokens, milliseconds: this.milliseconds(rung) + cost.overheadMs } };
      }),
    );
  }

  /**
   * Whether the known text is likely enough to go on behind the round under way: what follows it there must be worth an idle device,
   * and the wait for nothing where the text has turned elsewhere.
   */
  private paysToWait(chain: readonly number[], underWay: Rung): boolean {
    const ahead = Math.round(underWay.levels > 0 ? this.expectTree(underWay).tokens : underWay.rows);
    const reached = chain[ahead - 1] ?? 0;
    const rest = chain.slice(ahead).map((probability) => probability / reached);
    const known = this.bestChain(rest)?.plan;
    if (known === undefined) return false;
    const rate = this.plain === undefined ? this.gate.rate : Math.max(this.plainRate, this.gate.rate);
    const other = this.cost.plainMs;
    const tokens = reached * known.tokens + (1 - reached) * rate * other;
    const milliseconds = reached * known.milliseconds + (1 - reached) * (other + this.cost.overheadMs);
    return tokens > noiseMargin * rate * milliseconds;
  }
}

function fastest<Choice extends { readonly plan: TreePlan }>(choices: readonly Choice[]): Choice | undefined {
  let best: Choice | undefined;
  for (const choice of choices) {
    if (best === undefined || tokensPerMillisecond(choice.plan) > tokensPerMillisecond(best.plan)) best = choice;
  }
  return best;
}

/** The row that a parent's best proposal has, or -1. */
function firstChild({ tokens, parents }: TokenRows, parent: number): number {
  for (let row = parent + 1; row < tokens.length; row++) if (parents[row] === parent) return row;
  return -1;
}

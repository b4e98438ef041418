import { Calibration } from "./calibration.ts";
import type { CostModel } from "./costModel.ts";
import type { DeviceRound } from "./deviceDecoder.ts";
import type { Ladder, Rung } from "./ladder.ts";
import { type KnownToken, LookupDrafter } from "./lookup.ts";
import { RungChooser } from "./rungChooser.ts";

/** A round as the host asks for it. */
export interface DeviceProposal {
  readonly rung: Rung;
  /** Tokens after the root that are verified instead of a head's tree; empty where the head drafts or nobody does. */
  readonly chain: readonly number[];
}

/** What proposes the rounds of a text, and hears of them in order. */
export type RoundSource = Pick<DeviceStrategy, "start" | "propose" | "join" | "settle">;

/** A proposal that was made and whose round was not settled yet. */
interface Proposed {
  readonly rung: Rung;
  readonly chain: readonly KnownToken[];
  readonly at: number;
  readonly wasIdle: boolean;
  /** Whether other texts took part. */
  readonly isShared: boolean;
}

/** Tokens of the known text's continuation that may lie between the round under way and the one behind it. */
const longestLead = 32;

/**
 * Proposes the rounds of a device that drafts and verifies by itself: `Strategy`'s counterpart where the host decides one round ahead
 * of what it knows.
 */
export class DeviceStrategy {
  private readonly calibration = new Calibration();
  private readonly chooser: RungChooser;
  private readonly lookup: LookupDrafter | undefined;
  private readonly pending: Proposed[] = [];
  /** The texts to look in, until a round is under way that hides the time it takes to index them. */
  private unread: (() => readonly ArrayLike<number>[]) | undefined;
  /** How the known text goes on behind what was emitted so far. */
  private continuation: readonly KnownToken[] = [];
  private settledAt = 0;

  /** @param clock milliseconds from any fixed moment on */
  constructor(
    private readonly ladder: Pick<Ladder, "rungs" | "chain">,
    cost: CostModel,
    private readonly clock: () => number = () => performance.now(),
  ) {
    this.chooser = new RungChooser(ladder.rungs, cost);
    if (ladder.chain > 0) this.lookup = new LookupDrafter(this.calibration);
  }

  /** A new request: its whole prompt; `known` as in `DecodeRequest`. */
  start(prompt: readonly number[], known?: () => readonly ArrayLike<number>[]): void {
    this.pending.length = 0;
    this.continuation = [];
    this.unread = () => [...(known?.() ?? []), prompt];
  }

  /** The round to submit next; undefined where it is to wait for what the one under way brings. */
  propose(): DeviceProposal | undefined {
    const underWay = this.pending.at(-1)?.rung;
    const probabilities = this.continuation.map(({ probability }) => probability);
    const rung = this.chooser.choose(probabilities, underWay);
    if (rung === undefined) return undefined;
    const chain = rung.levels === 0 ? this.continuation.slice(0, rung.rows - 1) : [];
    this.pending.push({ rung, chain, at: this.clock(), wasIdle: underWay === undefined, isShared: false });
    return { rung, chain: chain.map(({ token }) => token) };
  }

  /** Told of a round that was submitted for several texts at once, in the place of a proposal. */
  join({ rung }: DeviceProposal): void {
    this.pending.push({ rung, chain: [], at: this.clock(), wasIdle: false, isShared: true });
  }

  /** What became of the oldest round that was proposed or joined. */
  settle({ rows, accepted }: DeviceRound): void {
    const { rung, chain, at, wasIdle, isShared } = this.pending.shift()!;
    const now = this.clock();
    const milliseconds = isShared ? undefined : now - Math.max(at, this.settledAt);
    this.chooser.settle({ rung, rows, accepted, wasIdle, milliseconds });
    this.settledAt = now;
    if (this.lookup === undefined) return;
    if (chain.length > 0) {
      const claims = [chain[0]!, ...chain].map(({ claim }) => claim);
      this.calibration.settleClaims(rows, accepted, claims);
    }
    if (this.unread !== undefined) {
      this.lookup.start(this.unread());
      this.unread = undefined;
    }
    for (const token of accepted.tokens) this.lookup.append(token);
    this.continuation = this.lookup.continuation(this.ladder.chain + longestLead);
  }
}

import { CostModel, type VerifyCost } from "./costModel.ts";
import type { DeviceRound } from "./deviceDecoder.ts";
import type { Rung } from "./ladder.ts";
import { RungChooser } from "./rungChooser.ts";

/** Rounds between two choices: texts that change to other rounds wait for those under way. */
const steadyRounds = 8;

/** What rounds of one size were measured to take, all texts that have a place together. */
export interface SizeCosts {
  /** All but drafting. */
  readonly verifyMs: number;
  /** Milliseconds of the head's first forward and of each later one; empty where nothing is drafted. */
  readonly draftMs: readonly number[];
}

/** Rounds of one size. */
export interface SizedRounds {
  readonly rung: Rung;
  measure(): Promise<SizeCosts>;
}

/** A round that several texts shared. */
export interface SharedRound {
  readonly rung: Rung;
  /** What it did to each text. */
  readonly texts: readonly Pick<DeviceRound, "rows" | "accepted">[];
  /** From the end of the round before it, or from its submission where the device was idle. */
  readonly milliseconds: number;
  readonly wasIdle: boolean;
}

/**
 * Which size of rounds several texts share, by what each yields and takes: `DeviceStrategy`'s counterpart for all of them together,
 * which hold too many different texts for a chain of any.
 */
export class RoundSizes<Rounds extends SizedRounds> {
  private chosen: Rounds;
  private steady = 0;

  private constructor(
    readonly sizes: readonly Rounds[],
    /** Undefined where there is nothing to choose. */
    private readonly chooser: RungChooser | undefined,
  ) {
    this.chosen = this.choose();
  }

  /** @param sizes at least one; rows rise */
  static async among<Rounds extends SizedRounds>(sizes: readonly Rounds[]): Promise<RoundSizes<Rounds>> {
    if (sizes.length === 1) return new RoundSizes(sizes, undefined);
    const rungs = sizes.map(({ rung }) => rung);
    const costs: SizeCosts[] = [];
    // One after the other, or they would be each other's cost.
    for (const rounds of sizes) costs.push(await rounds.measure());
    const verify = costs.map(({ verifyMs }, i): VerifyCost => ({ rows: rungs[i]!.rows, ms: verifyMs }));
    const [smallest] = verify;
    // Costs begin with a single row, which nobody asks for where there are no plain rounds.
    if (smallest!.rows > 1) verify.unshift({ ...smallest!, rows: 1 });
    const cost = new CostModel({ verify, draft: costs.at(-1)!.draftMs, overheadMs: 0 });
    return new RoundSizes(sizes, new RungChooser(rungs, cost));
  }

  /** Those to run next. */
  get current(): Rounds {
    return this.chosen;
  }

  /** To be told of every round that was run. */
  settle({ rung, texts, milliseconds, wasIdle }: SharedRound): void {
    const { chooser } = this;
    if (chooser === undefined) return;
    for (const [i, { rows, accepted }] of texts.entries()) {
      // The time is every text's, but it was observed once.
      const observed = i === 0 ? milliseconds : undefined;
      chooser.settle({ rung, rows, accepted, milliseconds: observed, wasIdle });
    }
    if (++this.steady < steadyRounds) return;
    this.steady = 0;
    this.chosen = this.choose();
  }

  private choose(): Rounds {
    const rung = this.chooser?.choose([], undefined);
    return this.sizes.find((rounds) => rounds.rung === rung) ?? this.sizes[0]!;
  }
}

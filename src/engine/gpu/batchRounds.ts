import type { DeviceProposal } from "../decoding/deviceStrategy.ts";
import { longestPath, type Rung } from "../decoding/ladder.ts";
import type { SharedRound, SizeCosts, SizedRounds } from "../decoding/roundSizes.ts";
import type { SharedRounds } from "../decoding/roundsScheduler.ts";
import type { GpuDecodingSequence, SeatedOutcome } from "./gpuDecodingSequence.ts";
import type { GpuHead } from "./gpuHead.ts";
import { GpuRounds } from "./gpuRounds.ts";
import type { GpuTarget } from "./gpuTarget.ts";
import { pathLength, type RoundShape } from "./roundLayout.ts";

/** A round that was submitted. */
interface Submitted {
  readonly round: number;
  readonly rung: Rung;
  readonly at: number;
  readonly wasIdle: boolean;
}

/** Rounds of one shape with the sequences that sit in them. */
export class BatchRounds implements SharedRounds<GpuDecodingSequence, SeatedOutcome, DeviceProposal>, SizedRounds {
  readonly usual: DeviceProposal;
  private readonly seated = new Map<number, GpuDecodingSequence>();
  private readonly unread: Submitted[] = [];
  private readAt = 0;

  private constructor(
    private readonly rounds: GpuRounds,
    private readonly heard: (round: SharedRound) => void,
  ) {
    this.usual = { rung: rounds.fullest, chain: [] };
  }

  /**
   * Compiles all that its rounds need.
   * @param rungs of a single sequence; several share the fullest alone
   * @param heard told of every round that was read
   */
  static async create(
    target: GpuTarget,
    head: GpuHead | undefined,
    shape: RoundShape,
    rungs: readonly Rung[] | undefined,
    heard: (round: SharedRound) => void,
  ): Promise<BatchRounds> {
    const rounds = await GpuRounds.create(target, head, shape);
    try {
      await rounds.prepare(rungs ?? [rounds.fullest]);
      return new BatchRounds(rounds, heard);
    } catch (error) {
      rounds.release();
      throw error;
    }
  }

  get rung(): Rung {
    return this.usual.rung;
  }

  get places(): number {
    return this.rounds.shape.sequences;
  }

  measure(): Promise<SizeCosts> {
    return this.rounds.measure();
  }

  measureDraft(): Promise<readonly number[]> {
    return this.rounds.measureDraft();
  }

  async seat(place: number, sequence: GpuDecodingSequence): Promise<void> {
    const { rounds } = this;
    await rounds.start(place, await sequence.standing(rounds.shape), sequence.offsets, sequence.feature);
    this.seated.set(place, sequence);
  }

  clear(place: number): void {
    this.seated.delete(place);
    this.rounds.end(place);
  }

  async submit({ rung, chain }: DeviceProposal): Promise<void> {
    const { rounds, seated, unread } = this;
    if (rung.levels > 0) for (const [place, sequence] of seated) rounds.calibrate(place, sequence.offsets);
    const known = chain.length === 0 ? [] : [[...seated.values()][0]!.root, ...chain];
    const isTimed = [...seated.values()].some(({ isWatched }) => isWatched);
    const submitted = { rung, at: performance.now(), wasIdle: unread.length === 0 };
    const round = await rounds.submit(this.reach(rung), { rung, chain: known, isTimed });
    unread.push({ ...submitted, round });
  }

  async read(): Promise<readonly (SeatedOutcome | undefined)[]> {
    const { round, rung, at, wasIdle } = this.unread.shift()!;
    const outcomes = await this.rounds.read(round);
    const now = performance.now();
    const texts = outcomes.filter((outcome) => outcome !== undefined);
    this.heard({ rung, texts, milliseconds: now - Math.max(at, this.readAt), wasIdle });
    this.readAt = now;
    const { times } = this.rounds;
    return outcomes.map((outcome) => outcome && { ...outcome, rung, times });
  }

  abandon(): void {
    this.unread.length = 0;
    for (const place of this.seated.keys()) this.rounds.end(place);
    this.seated.clear();
  }

  release(): void {
    this.rounds.release();
  }

  /** Positions that a round behind those under way may reach, tree included: each of them may commit a whole path. */
  private reach(rung: Rung): number {
    const paths = [...this.unread.map(({ rung }) => rung), rung].map(longestPath);
    // The head looks one position further than the rows that are verified.
    const ahead = paths.reduce((sum, path) => sum + path, 1);
    const mostAhead = pathLength(this.rounds.shape);
    const reached = [...this.seated.values()].map(({ tokens, capacity }) =>
      Math.min(tokens.length + ahead, capacity + mostAhead),
    );
    return Math.max(...reached);
  }
}

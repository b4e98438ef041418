import { Calibration } from "../decoding/calibration.ts";
import type { DecodeRequest } from "../decoding/decoder.ts";
import type { DeviceRound, DeviceSequence } from "../decoding/deviceDecoder.ts";
import type { DeviceProposal } from "../decoding/deviceStrategy.ts";
import { longestPath, type Rung } from "../decoding/ladder.ts";
import type { GpuRounds } from "./gpuRounds.ts";
import type { GpuSequence } from "./gpuSequence.ts";
import { pathLength, type RoundOutcome } from "./roundLayout.ts";

/** One sequence that decodes by rounds on the GPU. */
export class GpuDecodingSequence implements DeviceSequence {
  private readonly calibration = new Calibration();
  /** Rounds submitted and not yet read. */
  private readonly pending: { readonly round: number; readonly rung: Rung }[] = [];
  private root = 0;

  constructor(
    private readonly rounds: GpuRounds,
    /** Place in the batch. */
    private readonly place: number,
    /** The same KV region as the host sees it: it keeps count of the committed tokens. */
    private readonly host: GpuSequence,
    private readonly giveBack: () => void = () => undefined,
    readonly rungs: readonly Rung[] = [rounds.fullest],
    readonly draftCosts: readonly number[] = [],
  ) {}

  get capacity(): number {
    return this.host.capacity;
  }

  get tokens(): readonly number[] {
    return this.host.tokens;
  }

  trim(length: number): void {
    this.host.trim(length);
  }

  reusable(kept: number): number {
    return this.rounds.head === undefined ? kept : Math.max(0, kept - 1);
  }

  async extend(tokens: readonly number[], next: number): Promise<void> {
    await this.rounds.prefill(this.place, this.tokens.length, [...tokens, next]);
    this.host.adopt(tokens);
  }

  start(root: number, { sampling, endTokens, watched }: DecodeRequest, tokenLimit: number): void {
    this.root = root;
    const { capacity } = this;
    const { rows: nodes } = this.rounds.shape;
    const length = this.tokens.length;
    const start = { capacity, nodes, tokenLimit, sampling, endTokens, length, root };
    this.rounds.start(this.place, start, this.calibration.headOffsets(), watched);
  }

  /** Positions that the next of `underWay` + 1 rounds may reach, tree included: each may commit a whole path. */
  reach(underWay: number): number {
    const path = pathLength(this.rounds.shape);
    return Math.min(this.tokens.length + (underWay + 2) * path, this.capacity + path);
  }

  async submit({ rung, chain }: DeviceProposal = { rung: this.rounds.fullest, chain: [] }): Promise<void> {
    const reached = this.pending.reduce((sum, { rung }) => sum + longestPath(rung), this.tokens.length);
    // The head looks one position further than the rows that are verified.
    const longest = Math.min(reached + longestPath(rung) + 1, this.capacity + pathLength(this.rounds.shape));
    this.pending.push({ round: await this.rounds.submit(longest, rung, [this.root, ...chain]), rung });
  }

  async read(): Promise<DeviceRound | undefined> {
    const { round, rung } = this.pending.shift()!;
    return this.settle(await this.rounds.read(round), rung);
  }

  /** What a round of the whole batch did to this sequence; undefined where its text had ended before. */
  settle(
    outcomes: readonly (RoundOutcome | undefined)[],
    { levels, draftForwards }: Rung = this.rounds.fullest,
  ): DeviceRound | undefined {
    const outcome = outcomes[this.place];
    if (outcome === undefined) return undefined;
    const { rows, accepted, claims, finishReason } = outcome;
    this.host.adopt([this.root, ...accepted.tokens.slice(0, -1)]);
    this.root = accepted.tokens.at(-1)!;
    if (levels > 0) {
      this.calibration.settleClaims(rows, accepted, claims);
      this.rounds.calibrate(this.place, this.calibration.headOffsets());
    }
    const { times } = this.rounds;
    return {
      rows,
      accepted,
      draftForwards,
      ...(times === undefined ? {} : { times }),
      ...(finishReason === undefined ? {} : { finishReason }),
    };
  }

  async firstLogits(root: number): Promise<Float32Array> {
    return (await this.host.forward({ tokens: [root], parents: [-1] }, "logits")).logits!;
  }

  reset(): void {
    this.trim(0);
    this.calibration.reset();
  }

  release(): void {
    this.giveBack();
  }

  end(): void {
    this.rounds.end(this.place);
  }
}

import { Calibration } from "../decoding/calibration.ts";
import type { DecodeRequest } from "../decoding/decoder.ts";
import type { DeviceRound, DeviceSequence } from "../decoding/deviceDecoder.ts";
import type { GpuRounds } from "./gpuRounds.ts";
import { pathLength } from "./roundLayout.ts";

/** One sequence that decodes by rounds on the GPU. */
export class GpuDecodingSequence implements DeviceSequence {
  private readonly committed: number[] = [];
  private readonly calibration = new Calibration();
  /** Rounds submitted and not yet read. */
  private readonly pending: number[] = [];
  private root = 0;
  /** Row of the round's features that holds the last committed token's. */
  private lastFeatureRow = 0;

  constructor(
    private readonly rounds: GpuRounds,
    /** Place in the batch. */
    private readonly place: number,
    /** First KV slot of the target. */
    private readonly region: number,
    readonly capacity: number,
  ) {}

  get tokens(): readonly number[] {
    return this.committed;
  }

  trim(length: number): void {
    this.committed.length = Math.min(this.committed.length, length);
  }

  reusable(kept: number): number {
    return this.rounds.head === undefined ? kept : Math.max(0, kept - 1);
  }

  async extend(tokens: readonly number[], next: number): Promise<void> {
    await this.rounds.prefill(this.place, this.region, this.committed.length, [...tokens, next]);
    this.committed.push(...tokens);
    this.lastFeatureRow = tokens.length - 1;
  }

  start(root: number, { sampling, endTokens, maxTokens }: DecodeRequest): void {
    this.root = root;
    const { region, capacity } = this;
    const { rows: nodes } = this.rounds.shape;
    const length = this.committed.length;
    const start = { region, capacity, nodes, tokenLimit: maxTokens, sampling, endTokens, length, root };
    this.rounds.start(this.place, start, this.lastFeatureRow, this.calibration.headOffsets());
  }

  async submit(): Promise<void> {
    const path = pathLength(this.rounds.shape);
    // Each round under way may have committed a whole path.
    const longest = this.committed.length + (this.pending.length + 2) * path;
    this.pending.push(await this.rounds.submit(Math.min(longest, this.capacity + path)));
  }

  async read(): Promise<DeviceRound | undefined> {
    const outcome = (await this.rounds.read(this.pending.shift()!))[this.place];
    if (outcome === undefined) return undefined;
    const { rows, accepted, claims, finishReason } = outcome;
    this.committed.push(this.root, ...accepted.tokens.slice(0, -1));
    this.root = accepted.tokens.at(-1)!;
    const { head, shape } = this.rounds;
    if (head !== undefined) {
      this.calibration.settleClaims(rows, accepted, claims);
      this.rounds.calibrate(this.place, this.calibration.headOffsets());
    }
    const parallel = head?.config.kind === "jakiro" && shape.levels > 1;
    const draftForwards = head === undefined ? 0 : shape.levels - Number(parallel);
    return { rows, accepted, draftForwards, ...(finishReason === undefined ? {} : { finishReason }) };
  }

  end(): void {
    this.rounds.end(this.place);
  }
}

import type { DeviceProposal } from "../decoding/deviceStrategy.ts";
import type { Ladder, Rung } from "../decoding/ladder.ts";
import { RoundSizes, type SharedRound } from "../decoding/roundSizes.ts";
import { RoundsScheduler } from "../decoding/roundsScheduler.ts";
import { BatchRounds } from "./batchRounds.ts";
import { clamped, ladderShape, sharedShapes } from "./batchShapes.ts";
import type { GpuDecodingSequence, SeatedOutcome } from "./gpuDecodingSequence.ts";
import type { GpuHead } from "./gpuHead.ts";
import type { GpuTarget } from "./gpuTarget.ts";
import type { RoundShape } from "./roundLayout.ts";

/**
 * Sequences that draft with the same head and ladder. One that decodes alone has all rungs of the ladder; whenever several decode at the
 * same time, they share rounds of the size that pays for all of them.
 */
export class GpuBatch {
  readonly scheduler = new RoundsScheduler<GpuDecodingSequence, SeatedOutcome, DeviceProposal>((texts) =>
    this.roundsFor(texts),
  );
  /** What one sequence alone may run. */
  readonly rungs: readonly Rung[];
  /** By the number of places, what they may share. */
  private readonly rounds = new Map<number, RoundSizes<BatchRounds>>();
  private readonly making = new Map<number, Promise<void>>();
  private readonly compiling = new Set<Promise<unknown>>();
  private entered = 0;

  constructor(
    private readonly target: GpuTarget,
    private readonly head: GpuHead | undefined,
    private readonly ladder: Ladder,
  ) {
    this.rungs = ladder.rungs.map(clamped);
  }

  /** Whether one more sequence could take part in the rounds of those that have entered. */
  get hasRoom(): boolean {
    return this.entered === 0 || this.shapesOf(widthFor(this.entered + 1)).length > 0;
  }

  get isEmpty(): boolean {
    return this.entered === 0;
  }

  /** Makes rounds for one sequence more. Rejects with JakiroError where its tree finds no room. */
  async enter(): Promise<void> {
    const widest = widthFor(++this.entered);
    try {
      // As many as have entered need not decode at the same time, and one may be left alone at any time.
      const widths = Array.from({ length: 1 + Math.log2(widest) }, (_, i) => 2 ** i);
      await Promise.all(widths.map((width) => this.make(width)));
    } catch (error) {
      this.entered--;
      throw error;
    }
  }

  leave(): void {
    this.entered--;
  }

  /** What drafting costs, as `GpuRounds.measureDraft` says; to be asked for before any sequence decodes. */
  measureDraft(): Promise<readonly number[]> {
    return this.roundsFor(1).measureDraft();
  }

  /** Gives all buffers back once no round is under way. */
  async release(): Promise<void> {
    await this.scheduler.idle();
    for (const { sizes } of this.rounds.values()) for (const rounds of sizes) rounds.release();
    this.rounds.clear();
  }

  private make(width: number): Promise<void> {
    const known = this.making.get(width);
    if (known !== undefined) return known;
    const making = this.create(width).then((sizes) => {
      this.rounds.set(width, sizes);
    });
    this.making.set(width, making);
    making.catch(() => this.making.delete(width));
    return making;
  }

  private async create(width: number): Promise<RoundSizes<BatchRounds>> {
    const rungs = width === 1 ? this.rungs : undefined;
    const heard = (round: SharedRound) => this.rounds.get(width)!.settle(round);
    const compiled = Promise.allSettled(
      this.shapesOf(width).map((shape) => BatchRounds.create(this.target, this.head, shape, rungs, heard)),
    );
    this.compiling.add(compiled);
    const made = await compiled;
    this.compiling.delete(compiled);
    // What other widths are compiled with would be measured, too.
    await Promise.all(this.compiling);
    const sizes = made.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    const failed = made.find((one) => one.status === "rejected");
    try {
      if (failed !== undefined) throw failed.reason;
      return await RoundSizes.among(sizes);
    } catch (error) {
      for (const rounds of sizes) rounds.release();
      throw error;
    }
  }

  private shapesOf(width: number): readonly RoundShape[] {
    const kind = this.head?.config.kind;
    return width === 1 ? [ladderShape(kind, this.ladder)] : sharedShapes(kind, this.ladder, width);
  }

  private roundsFor(texts: number): BatchRounds {
    return this.rounds.get(widthFor(texts))!.current;
  }
}

/** Kernels are compiled for their number of sequences: powers of two are close enough to any. */
function widthFor(sequences: number): number {
  return 2 ** Math.ceil(Math.log2(sequences));
}

import { draftForwards } from "../decoding/draftHead.ts";
import { longestPath, type Rung } from "../decoding/ladder.ts";
import type { SizeCosts } from "../decoding/roundSizes.ts";
import type { RoundTimes } from "../decoding/roundTimes.ts";
import { measureDraft, measureWork } from "./draftCosts.ts";
import { mostRows } from "./forwardBuffers.ts";
import { featureWords, type GpuHead } from "./gpuHead.ts";
import type { GpuTarget } from "./gpuTarget.ts";
import { type Dispatch, encodePass } from "./kernels.ts";
import { OutcomeRing } from "./outcomeRing.ts";
import type { PassTimer } from "./passTimer.ts";
import { dispatchesOf, PhaseTimer, type RoundPhases } from "./phaseTimer.ts";
import { createRoundBuffers, type RoundBuffers } from "./roundBuffers.ts";
import { RoundKernels, type RoundPlan } from "./roundKernels.ts";
import {
  encodeChain,
  encodeRow,
  encodeSequence,
  finishedByHost,
  noSlot,
  pathLength,
  type RoundOutcome,
  type RoundShape,
  rowWords,
  type SequenceStart,
  sequenceOffsets,
  sequenceWords,
} from "./roundLayout.ts";
import { RoundPrograms } from "./roundPrograms.ts";
import { allocated, storage } from "./storage.ts";

/** How a round is to be run. */
export interface RoundOrder {
  /** One that was prepared; batches take the fullest alone. */
  readonly rung: Rung;
  /** The root and the tokens behind it, for rungs that verify what the host knows; all rounds before must have been read. */
  readonly chain: readonly number[];
  /** Whether its parts are to be timed, which makes it a little slower. */
  readonly isTimed: boolean;
}

/**
 * Decoding rounds that run on the device from the draft to the moved keys: one submission each, of which the host reads what was
 * accepted, and may submit the next before it has.
 */
export class GpuRounds {
  private round = 0;
  /** Most tokens that the last submitted round may accept, or that a request begins with. */
  private freshTokens = 1;
  /** Rows that the only sequence asks for, and those that the device has been told of. */
  private readonly nodes = { asked: 0, told: 0 };
  private readonly timer: PhaseTimer | undefined;
  private draftedRounds = 0;
  private readonly going: GPUBindGroup;
  private lastTimes: RoundTimes | undefined;

  private constructor(
    readonly target: GpuTarget,
    readonly head: GpuHead | undefined,
    readonly shape: RoundShape,
    private readonly buffers: RoundBuffers,
    private readonly programs: RoundPrograms,
    private readonly ring: OutcomeRing,
    /**
     * [sequences * rows + sequences] as the head reads them: features of the last verification, which its first forward carries on, and
     * behind them each sequence's last one of its prompt.
     */
    private readonly features: GPUBuffer,
  ) {
    this.timer = PhaseTimer.on(target.gpu);
    this.going = target.kernels.compiler.switchedBy(buffers.going);
  }

  /** What the parts of the newest round took that was timed and read; undefined before, and where the device has no timestamps. */
  get times(): RoundTimes | undefined {
    return this.lastTimes;
  }

  /** Rounds of plain decoding have no head and one row. Throws JakiroError("usage") where a size is out of range. */
  static async create(target: GpuTarget, head: GpuHead | undefined, shape: RoundShape): Promise<GpuRounds> {
    const { device } = target.gpu;
    const { layers, vocabulary } = target.config;
    const verified = shape.sequences * shape.rows;
    if (verified > mostRows) throw new RangeError(`a round verifies at most ${mostRows} rows, not ${verified}`);
    const plan = {
      shape,
      vocabulary,
      draftVocabulary: head?.draftVocabulary ?? 1,
      parallel: head !== undefined && draftForwards(head.config.kind, shape.levels) < shape.levels,
      cache: { layers, slots: target.slots, width: target.cacheWords },
    };
    const kernels = await RoundKernels.compile(target.kernels.compiler, plan);
    return await allocated(
      device,
      () => GpuRounds.over(target, head, plan, kernels),
      (rounds) => rounds.release(),
    );
  }

  private static over(target: GpuTarget, head: GpuHead | undefined, plan: RoundPlan, kernels: RoundKernels): GpuRounds {
    const { device } = target.gpu;
    const { shape } = plan;
    const buffers = createRoundBuffers(device, plan);
    const none = storage(device, "no draft head", 2);
    const inputs = {
      draftBest: head?.best ?? none,
      draftMasses: head?.masses ?? none,
      draftToTarget: head?.weights.draftToTarget ?? none,
      logits: target.scratch.logits,
      cache: target.cache,
    };
    const feature = featureWords(target.config.hidden, target.kernels.quantize);
    const features = storage(device, "round features", shape.sequences * (shape.rows + 1) * feature);
    const dispatches = kernels.bind(buffers, inputs);
    const programs = new RoundPrograms({ target, head, shape, buffers, dispatches, features });
    const ring = new OutcomeRing(device, buffers.outcomes, shape);
    const rounds = new GpuRounds(target, head, shape, buffers, programs, ring, features);
    for (let s = 0; s < shape.sequences; s++) rounds.writeFirstRows(s, 0);
    return rounds;
  }

  /** The round that uses all the room of the shape. */
  get fullest(): Rung {
    return this.programs.fullest;
  }

  /**
   * Compiles what rounds of these rungs need, behind each other in any order, so that no text waits for that. Rejects where one of
   * them does not fit into the shape.
   */
  async prepare(rungs: readonly Rung[]): Promise<void> {
    await this.target.beside(() => this.programs.prepare(rungs));
  }

  /** What drafting costs, as `measureDraft` says; to be asked for before any sequence was started. */
  measureDraft(): Promise<readonly number[]> {
    return measureDraft(this.target, this.programs, pathLength(this.shape));
  }

  /** What the fullest round costs; to be asked for before any sequence was started. */
  async measure(): Promise<SizeCosts> {
    const { target, programs, fullest } = this;
    const phases = await target.exclusively(() => programs.of(fullest, pathLength(this.shape), 1));
    const verifyMs = await measureWork(target, dispatchesOf({ ...phases, draft: [] }));
    return { verifyMs, draftMs: fullest.levels === 0 ? [] : await this.measureDraft() };
  }

  /**
   * Runs the fullest round behind `start` as the passes into which `passesOf` cuts its dispatches.
   * @param longest bound of the positions that it may reach, tree included
   */
  time(
    timer: PassTimer,
    longest: number,
    passesOf: (dispatches: readonly Dispatch[]) => readonly (readonly Dispatch[])[],
  ): Promise<{ readonly phases: RoundPhases; readonly times: readonly number[] }> {
    return this.target.exclusively(async () => {
      const phases = await this.programs.of(this.fullest, this.freshTokens, longest);
      return { phases, times: await timer.time(passesOf(dispatchesOf(phases))) };
    });
  }

  /**
   * Begins a request whose tokens but the last are committed, or goes on with one.
   * @param offsets of calibration: `Calibration.headOffsets`
   * @param feature of the last committed token, as the head reads it
   */
  start(sequence: number, start: SequenceStart, offsets: Float32Array, feature: GPUBuffer): Promise<void> {
    const { buffers, shape, target } = this;
    const { device } = target.gpu;
    const { headRegion, root: token, length, nodes } = start;
    const words = encodeSequence(start);
    return target.exclusively(async () => {
      this.freshTokens = 1;
      this.nodes.asked = nodes;
      this.nodes.told = nodes;
      device.queue.writeBuffer(buffers.sequences, sequence * sequenceWords * 4, words.buffer);
      device.queue.writeBuffer(buffers.going, 0, Uint32Array.of(1));
      this.calibrate(sequence, offsets);
      this.writeFirstRows(sequence, headRegion, length > 0 ? { token, position: length - 1 } : undefined);
      const encoder = device.createCommandEncoder();
      const kept = keptFeature(shape, sequence);
      encoder.copyBufferToBuffer(feature, 0, this.features, kept * feature.size, feature.size);
      this.programs.keepLast(encoder, this.freshTokens);
      device.queue.submit([encoder.finish()]);
    });
  }

  /** The rows of the next round's first forward of the head: one whose feature was kept, or none. */
  private writeFirstRows(sequence: number, region: number, own?: { token: number; position: number }): void {
    const { head, shape, buffers, target } = this;
    if (head === undefined) return;
    const path = pathLength(shape);
    const first = sequence * path;
    const parent = keptFeature(shape, sequence);
    const table = new Uint32Array(path * rowWords);
    for (let i = 0; i < path; i++) {
      const row =
        own !== undefined && i === path - 1
          ? { ...own, contiguous: own.position + 1, slot: region + own.position }
          : { token: 0, position: 0, contiguous: 0, slot: noSlot };
      table.set(encodeRow({ ...row, region, path: (first + i) * path, sequence, parent }), i * rowWords);
    }
    target.gpu.device.queue.writeBuffer(buffers.first.rows, first * rowWords * 4, table);
  }

  /** What the device adds to the head's probabilities from the next round on. */
  calibrate(sequence: number, offsets: Float32Array): void {
    this.target.gpu.device.queue.writeBuffer(
      this.buffers.offsets,
      sequence * offsets.byteLength,
      Float32Array.from(offsets).buffer,
    );
  }

  /** Ends a sequence: rounds that are submitted from now on pass over it, and leave the slots that it had alone. */
  end(sequence: number): void {
    this.writeFirstRows(sequence, 0);
    const offset = sequence * sequenceWords * 4 + sequenceOffsets.finished;
    this.target.gpu.device.queue.writeBuffer(this.buffers.sequences, offset, Uint32Array.of(finishedByHost));
  }

  /**
   * Submits a round and returns its number, by which it is read.
   * @param longest bound of the positions that it may reach, tree included
   */
  submit(longest: number, { rung, chain, isTimed }: RoundOrder): Promise<number> {
    if (this.shape.sequences > 1 && longestPath(rung) !== longestPath(this.fullest))
      throw new RangeError("sequences of a batch share one kind of round");
    if (rung.levels === 0 && rung.rows > 1 && (chain.length < 2 || chain.length > rung.rows))
      throw new RangeError(`a chain of ${chain.length} tokens is no round of ${rung.rows} rows`);
    return this.target.exclusively(() => this.encodeRound(longest, { rung, chain, isTimed }));
  }

  private async encodeRound(longest: number, { rung, chain, isTimed }: RoundOrder): Promise<number> {
    const { device } = this.target.gpu;
    const phases = await this.programs.of(rung, this.freshTokens, longest);
    if (this.shape.sequences === 1) this.tellNodes(Math.min(rung.rows, this.nodes.asked));
    if (rung.levels === 0 && rung.rows > 1) {
      for (const { offset, words } of encodeChain(this.shape, chain))
        device.queue.writeBuffer(this.buffers.trees, offset * 4, words);
    }
    this.freshTokens = longestPath(rung);
    const encoder = device.createCommandEncoder();
    const { timer } = this;
    if (timer !== undefined && this.timesParts(rung, isTimed)) timer.encode(encoder, this.round, phases, this.going);
    else encodePass(encoder, dispatchesOf(phases), this.going);
    this.programs.keepLast(encoder, this.freshTokens);
    this.ring.copy(encoder, this.round);
    device.queue.submit([encoder.finish()]);
    return this.round++;
  }

  /** Rounds that draft nothing have no parts to be told apart: all of their time is verification. */
  private timesParts({ draftForwards }: Rung, isWanted: boolean): boolean {
    if (draftForwards === 0) return false;
    return PhaseTimer.isDue(this.draftedRounds++) || isWanted;
  }

  /** No more rows may be chosen than the round's forward computes. */
  private tellNodes(nodes: number): void {
    if (nodes === this.nodes.told) return;
    this.nodes.told = nodes;
    this.target.gpu.device.queue.writeBuffer(this.buffers.sequences, sequenceOffsets.nodes, Uint32Array.of(nodes));
  }

  /** What a submitted round did to each sequence; undefined for those that had finished before. */
  read(round: number): Promise<(RoundOutcome | undefined)[]> {
    return this.target.exclusively(async () => {
      const outcomes = await this.ring.read(round);
      const times = await this.timer?.read(round);
      // A round behind the end of its texts computes nothing: what it took says nothing of others.
      if (times !== undefined && outcomes.some((outcome) => outcome !== undefined)) this.lastTimes = times;
      return outcomes;
    });
  }

  release(): void {
    const { first, levels, verification, ...own } = this.buffers;
    for (const group of [own, first, levels, verification]) {
      for (const buffer of Object.values(group) as GPUBuffer[]) buffer.destroy();
    }
    this.features.destroy();
    this.programs.release();
    this.ring.release();
    this.timer?.release();
  }
}

/** Row of the features that holds the last one of a sequence's prompt. */
function keptFeature({ sequences, rows }: RoundShape, sequence: number): number {
  return sequences * rows + sequence;
}

import { draftForwards } from "../decoding/draftHead.ts";
import { longestPath, type Rung } from "../decoding/ladder.ts";
import type { RoundTimes } from "../decoding/roundTimes.ts";
import { measureDraft } from "./draftCosts.ts";
import { mostOutputs, mostRows } from "./forwardBuffers.ts";
import { featureWords, type GpuHead } from "./gpuHead.ts";
import type { GpuTarget } from "./gpuTarget.ts";
import { encodePass } from "./kernels.ts";
import { OutcomeRing } from "./outcomeRing.ts";
import { dispatchesOf, PhaseTimer } from "./phaseTimer.ts";
import { createRoundBuffers, type RoundBuffers } from "./roundBuffers.ts";
import { RoundKernels } from "./roundKernels.ts";
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
import { storage } from "./storage.ts";

/** A request, as rounds take it: where its keys and values lie is known from its place. */
export type RoundStart = Omit<SequenceStart, "region" | "headRegion">;

/** First KV slots of a sequence of the batch. */
export interface RoundPlace {
  readonly region: number;
  /** Of the draft head; nothing without one. */
  readonly headRegion: number;
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
  /** Whether somebody looks at single rounds, as each sequence's request says. */
  private readonly watched = new Map<number, () => boolean>();
  private readonly timer: PhaseTimer | undefined;
  private draftedRounds = 0;
  private lastTimes: RoundTimes | undefined;

  private constructor(
    readonly target: GpuTarget,
    readonly head: GpuHead | undefined,
    readonly shape: RoundShape,
    private readonly places: readonly RoundPlace[],
    private readonly buffers: RoundBuffers,
    private readonly programs: RoundPrograms,
    private readonly ring: OutcomeRing,
    /**
     * [rows + sequences] as the head reads them: features of the last verification or prefill, which its first forward carries on,
     * and behind them each sequence's last one of its prompt.
     */
    private readonly features: GPUBuffer,
    /** One feature, on the way from one row of `features` to another. */
    private readonly feature: GPUBuffer,
    private readonly prompt: { readonly rows: GPUBuffer; readonly paths: GPUBuffer },
  ) {
    this.timer = PhaseTimer.on(target.gpu);
  }

  /** What the parts of the newest round took that was timed and read; undefined before, and where the device has no timestamps. */
  get times(): RoundTimes | undefined {
    return this.lastTimes;
  }

  /**
   * Rounds of plain decoding have no head and one row. Throws JakiroError("usage") where a size is out of range.
   * @param places one for each sequence of the shape
   */
  static async create(
    target: GpuTarget,
    head: GpuHead | undefined,
    shape: RoundShape,
    places: readonly RoundPlace[],
  ): Promise<GpuRounds> {
    if (places.length !== shape.sequences)
      throw new RangeError(`${places.length} places for ${shape.sequences} sequences`);
    const { device } = target.gpu;
    const { layers, vocabulary, hidden } = target.config;
    const verified = shape.sequences * shape.rows;
    if (verified > mostOutputs) throw new RangeError(`a round verifies at most ${mostOutputs} rows, not ${verified}`);
    const plan = {
      shape,
      vocabulary,
      draftVocabulary: head?.draftVocabulary ?? 1,
      parallel: head !== undefined && draftForwards(head.config.kind, shape.levels) < shape.levels,
      cache: { layers, slots: target.slots, width: target.cacheWords },
    };
    const kernels = await RoundKernels.compile(target.kernels.compiler, plan);
    const buffers = createRoundBuffers(device, plan);
    const none = storage(device, "no draft head", 2);
    const inputs = {
      draftBest: head?.best ?? none,
      draftMasses: head?.masses ?? none,
      draftToTarget: head?.weights.draftToTarget ?? none,
      logits: target.scratch.logits,
      cache: target.cache,
    };
    const feature = featureWords(hidden, target.kernels.quantize);
    const features = storage(device, "round features", (mostRows + shape.sequences) * feature);
    const dispatches = kernels.bind(buffers, inputs);
    return new GpuRounds(
      target,
      head,
      shape,
      places,
      buffers,
      new RoundPrograms({ target, head, shape, buffers, dispatches, features }),
      new OutcomeRing(device, buffers.outcomes, shape),
      features,
      storage(device, "feature", feature),
      {
        rows: storage(device, "prompt rows", mostRows * rowWords),
        paths: storage(device, "prompt paths", 1),
      },
    );
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
    await this.target.exclusively(() => this.programs.prepare(rungs));
  }

  /** What drafting costs, as `measureDraft` says; to be asked for before any sequence was started. */
  measureDraft(): Promise<readonly number[]> {
    return measureDraft(this.target, this.programs, this.shape.levels + 1);
  }

  /**
   * Reads up to `mostRows` tokens of a prompt into the caches of target and head; returns once the device has.
   * @param tokens behind those that the sequence holds, with the token that follows the last of them at the end
   */
  prefill(sequence: number, first: number, tokens: readonly number[]): Promise<void> {
    return this.target.exclusively(() => this.readPrompt(sequence, first, tokens));
  }

  private async readPrompt(sequence: number, first: number, tokens: readonly number[]): Promise<void> {
    const { target, head, prompt, features } = this;
    const { region, headRegion } = this.places[sequence]!;
    const { queue } = target.gpu.device;
    const count = tokens.length - 1;
    const longest = first + count;
    const plan = { ...prompt, count, outputs: 0, picked: false, features, longest } as const;
    const ownDispatches = await target.plan({ ...plan, featureFormat: "head", mode: "none" });
    const headForward = { ...prompt, features, count, longest };
    const headDispatches = head === undefined ? [] : await head.planKeys(headForward);
    // Target and head differ in tokens and slots alone, so that one buffer serves both, one after the other.
    queue.writeBuffer(prompt.rows, 0, promptRows(tokens.slice(0, -1), first, region, sequence));
    target.submit(ownDispatches);
    if (head !== undefined) {
      queue.writeBuffer(prompt.rows, 0, promptRows(tokens.slice(1), first, headRegion, sequence));
      target.submit(headDispatches);
      this.keepFeature(count - 1, mostRows + sequence);
    }
    await queue.onSubmittedWorkDone();
  }

  /**
   * Begins a request whose tokens but the last are committed; with a head, the sequence's last prefill must have ended with them.
   * @param offsets of calibration: `Calibration.headOffsets`
   * @param watched whether somebody looks at single rounds now: each of them is timed then, which makes it a little slower
   */
  start(sequence: number, start: RoundStart, offsets: Float32Array, watched: () => boolean = () => false): void {
    this.watched.set(sequence, watched);
    const { buffers, shape, target } = this;
    const { queue } = target.gpu.device;
    const { headRegion } = this.places[sequence]!;
    const path = pathLength(shape);
    const words = encodeSequence({ ...start, ...this.places[sequence]! });
    this.freshTokens = 1;
    this.nodes.asked = start.nodes;
    this.nodes.told = start.nodes;
    queue.writeBuffer(buffers.sequences, sequence * sequenceWords * 4, words.buffer);
    this.calibrate(sequence, offsets);
    if (this.head === undefined) return;
    const position = start.length - 1;
    for (let i = 0; i < path; i++) {
      const place = sequence * path + i;
      const used = i === path - 1 && position >= 0;
      const row = used
        ? { token: start.root, position, contiguous: position + 1, slot: headRegion + position }
        : { token: 0, position: 0, contiguous: 0, slot: noSlot };
      const words = encodeRow({
        ...row,
        region: headRegion,
        path: place * path,
        sequence,
        parent: mostRows + sequence,
      });
      queue.writeBuffer(buffers.first.rows, place * rowWords * 4, words.buffer);
    }
    const encoder = target.gpu.device.createCommandEncoder();
    this.programs.keepLast(encoder, this.freshTokens);
    queue.submit([encoder.finish()]);
  }

  private keepFeature(from: number, to: number): void {
    const { device } = this.target.gpu;
    const { size } = this.feature;
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(this.features, from * size, this.feature, 0, size);
    encoder.copyBufferToBuffer(this.feature, 0, this.features, to * size, size);
    device.queue.submit([encoder.finish()]);
  }

  /** What the device adds to the head's probabilities from the next round on. */
  calibrate(sequence: number, offsets: Float32Array): void {
    this.target.gpu.device.queue.writeBuffer(
      this.buffers.offsets,
      sequence * offsets.byteLength,
      Float32Array.from(offsets).buffer,
    );
  }

  /** Ends a sequence: rounds that are submitted from now on pass over it. */
  end(sequence: number): void {
    const offset = sequence * sequenceWords * 4 + sequenceOffsets.finished;
    this.target.gpu.device.queue.writeBuffer(this.buffers.sequences, offset, Uint32Array.of(finishedByHost));
  }

  /**
   * Submits a round and returns its number, by which it is read.
   * @param longest bound of the positions that it may reach, tree included
   * @param rung one that was prepared, the fullest where absent; batches take no other
   * @param chain the root and the tokens behind it, for rungs that verify what the host knows; all rounds before must have been read
   */
  submit(longest: number, rung = this.fullest, chain: readonly number[] = []): Promise<number> {
    if (this.shape.sequences > 1 && longestPath(rung) !== longestPath(this.fullest))
      throw new RangeError("sequences of a batch share one kind of round");
    if (rung.levels === 0 && rung.rows > 1 && (chain.length < 2 || chain.length > rung.rows))
      throw new RangeError(`a chain of ${chain.length} tokens is no round of ${rung.rows} rows`);
    return this.target.exclusively(() => this.encodeRound(longest, rung, chain));
  }

  private async encodeRound(longest: number, rung: Rung, chain: readonly number[]): Promise<number> {
    const { device } = this.target.gpu;
    const phases = await this.programs.of(rung, this.freshTokens, longest);
    if (this.shape.sequences === 1) this.tellNodes(Math.min(rung.rows, this.nodes.asked));
    if (rung.levels === 0 && rung.rows > 1) {
      for (const { offset, words } of encodeChain(this.shape, chain))
        device.queue.writeBuffer(this.buffers.trees, offset * 4, words);
    }
    this.freshTokens = longestPath(rung);
    const encoder = device.createCommandEncoder();
    if (this.timer !== undefined && this.isTimed(rung)) this.timer.encode(encoder, this.round, phases);
    else encodePass(encoder, dispatchesOf(phases));
    this.programs.keepLast(encoder, this.freshTokens);
    this.ring.copy(encoder, this.round);
    device.queue.submit([encoder.finish()]);
    return this.round++;
  }

  /** Rounds that draft nothing have no parts to be told apart: all of their time is verification. */
  private isTimed({ draftForwards }: Rung): boolean {
    if (draftForwards === 0) return false;
    const isDue = PhaseTimer.isDue(this.draftedRounds++);
    return isDue || [...this.watched.values()].some((isWatched) => isWatched());
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
      this.lastTimes = (await this.timer?.read(round)) ?? this.lastTimes;
      return outcomes;
    });
  }

  release(): void {
    const { first, levels, verification, ...own } = this.buffers;
    for (const group of [own, first, levels, verification, this.prompt]) {
      for (const buffer of Object.values(group) as GPUBuffer[]) buffer.destroy();
    }
    this.features.destroy();
    this.feature.destroy();
    this.programs.release();
    this.ring.release();
    this.timer?.release();
  }
}

/** Rows of a run of tokens, padded with rows that store nothing. */
function promptRows(
  tokens: readonly number[],
  first: number,
  region: number,
  sequence: number,
): Uint32Array<ArrayBuffer> {
  const table = new Uint32Array(mostRows * rowWords);
  for (let i = 0; i < mostRows; i++) {
    const position = first + i;
    const used = i < tokens.length;
    const row = used
      ? { token: tokens[i]!, position, contiguous: position + 1, slot: region + position }
      : { token: 0, position: 0, contiguous: 0, slot: noSlot };
    // The head carries on the features of the same forward of the target.
    table.set(encodeRow({ ...row, region, path: 0, sequence, parent: i }), i * rowWords);
  }
  return table;
}

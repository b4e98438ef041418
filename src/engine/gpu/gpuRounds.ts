import { draftForwards } from "../decoding/draftHead.ts";
import { longestPath, type Rung } from "../decoding/ladder.ts";
import { measureDraft } from "./draftCosts.ts";
import { mostOutputs } from "./forwardBuffers.ts";
import type { GpuHead } from "./gpuHead.ts";
import type { GpuTarget } from "./gpuTarget.ts";
import { encoded } from "./kernels.ts";
import { OutcomeRing } from "./outcomeRing.ts";
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

  private constructor(
    readonly target: GpuTarget,
    readonly head: GpuHead | undefined,
    readonly shape: RoundShape,
    private readonly buffers: RoundBuffers,
    private readonly programs: RoundPrograms,
    private readonly ring: OutcomeRing,
    /**
     * [sequences * rows + sequences, hidden]: features of the last verification, which the head's first forward reads, and behind
     * them each sequence's last one of its prompt.
     */
    private readonly features: GPUBuffer,
  ) {}

  /** Rounds of plain decoding have no head and one row. Throws JakiroError("usage") where a size is out of range. */
  static async create(target: GpuTarget, head: GpuHead | undefined, shape: RoundShape): Promise<GpuRounds> {
    const { device } = target.gpu;
    const { layers, kvHeads, headDim, vocabulary, hidden } = target.config;
    const verified = shape.sequences * shape.rows;
    if (verified > mostOutputs) throw new RangeError(`a round verifies at most ${mostOutputs} rows, not ${verified}`);
    const plan = {
      shape,
      vocabulary,
      draftVocabulary: head?.draftVocabulary ?? 1,
      parallel: head !== undefined && draftForwards(head.config.kind, shape.levels) < shape.levels,
      cache: { layers, slots: target.slots, width: kvHeads * headDim },
    };
    const kernels = await RoundKernels.compile(target.kernels.compiler, plan);
    const buffers = createRoundBuffers(device, plan);
    const draftLogits = head?.draftLogits ?? storage(device, "no draft logits", 1);
    const draftToTarget = head?.weights.draftToTarget ?? storage(device, "no draft vocabulary", 1);
    const inputs = { draftLogits, draftToTarget, logits: target.scratch.logits, cache: target.cache };
    const features = storage(device, "round features", (verified + shape.sequences) * hidden);
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
    await this.target.exclusively(() => this.programs.prepare(rungs));
  }

  /** What drafting costs, as `measureDraft` says; to be asked for before any sequence was started. */
  measureDraft(): Promise<readonly number[]> {
    return measureDraft(this.target, this.programs, this.shape.levels + 1);
  }

  /**
   * Begins a request whose tokens but the last are committed, or goes on with one.
   * @param offsets of calibration: `Calibration.headOffsets`
   * @param feature [hidden] of the last committed token
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
    const table = new Uint32Array(path * rowWords);
    for (let i = 0; i < path; i++) {
      const row =
        own !== undefined && i === path - 1
          ? { ...own, contiguous: own.position + 1, slot: region + own.position }
          : { token: 0, position: 0, contiguous: 0, slot: noSlot };
      table.set(encodeRow({ ...row, region, path: (first + i) * path, sequence, parent: -1 }), i * rowWords);
    }
    const { queue } = target.gpu.device;
    queue.writeBuffer(buffers.first.rows, first * rowWords * 4, table);
    const featureRows = new Uint32Array(path).fill(keptFeature(shape, sequence));
    queue.writeBuffer(buffers.first.featureRows, first * 4, featureRows);
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
    const dispatches = await this.programs.of(rung, this.freshTokens, longest);
    if (this.shape.sequences === 1) this.tellNodes(Math.min(rung.rows, this.nodes.asked));
    if (rung.levels === 0 && rung.rows > 1) {
      for (const { offset, words } of encodeChain(this.shape, chain))
        device.queue.writeBuffer(this.buffers.trees, offset * 4, words);
    }
    this.freshTokens = longestPath(rung);
    const encoder = encoded(device, dispatches);
    this.programs.keepLast(encoder, this.freshTokens);
    this.ring.copy(encoder, this.round);
    device.queue.submit([encoder.finish()]);
    return this.round++;
  }

  /** No more rows may be chosen than the round's forward computes. */
  private tellNodes(nodes: number): void {
    if (nodes === this.nodes.told) return;
    this.nodes.told = nodes;
    this.target.gpu.device.queue.writeBuffer(this.buffers.sequences, sequenceOffsets.nodes, Uint32Array.of(nodes));
  }

  /** What a submitted round did to each sequence; undefined for those that had finished before. */
  read(round: number): Promise<(RoundOutcome | undefined)[]> {
    return this.target.exclusively(() => this.ring.read(round));
  }

  release(): void {
    const { first, levels, verification, ...own } = this.buffers;
    for (const group of [own, first, levels, verification]) {
      for (const buffer of Object.values(group) as GPUBuffer[]) buffer.destroy();
    }
    this.features.destroy();
    this.programs.release();
    this.ring.release();
  }
}

/** Row of the features that holds the last one of a sequence's prompt. */
function keptFeature({ sequences, rows }: RoundShape, sequence: number): number {
  return sequences * rows + sequence;
}

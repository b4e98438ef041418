import { mostOutputs } from "./forwardBuffers.ts";
import type { GpuHead } from "./gpuHead.ts";
import type { GpuTarget } from "./gpuTarget.ts";
import { type Dispatch, encoded } from "./kernels.ts";
import { OutcomeRing } from "./outcomeRing.ts";
import { createRoundBuffers, type RoundBuffers } from "./roundBuffers.ts";
import { type RoundDispatches, RoundKernels } from "./roundKernels.ts";
import {
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
import { storage } from "./storage.ts";
import { attentionBlock } from "./targetKernels.ts";

/**
 * Decoding rounds that run on the device from the draft to the moved keys: one submission each, of which the host reads what was
 * accepted, and may submit the next before it has.
 */
export class GpuRounds {
  private round = 0;
  private readonly rounds = new Map<number, readonly Dispatch[]>();

  private constructor(
    readonly target: GpuTarget,
    readonly head: GpuHead | undefined,
    readonly shape: RoundShape,
    private readonly buffers: RoundBuffers,
    private readonly dispatches: RoundDispatches,
    private readonly ring: OutcomeRing,
    /**
     * [sequences * rows + sequences, hidden]: features of the last verification, which the head's first forward reads, and behind
     * them each sequence's last one of its prompt.
     */
    private readonly features: GPUBuffer,
    /** Rows of the first forward's outputs, and of a level's. */
    private readonly picks: { readonly first: GPUBuffer; readonly level: GPUBuffer },
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
      parallel: draftsInParallel(head, shape),
      cache: { layers, slots: target.slots, width: kvHeads * headDim },
    };
    const kernels = await RoundKernels.compile(target.kernels.compiler, plan);
    const buffers = createRoundBuffers(device, plan);
    const draftLogits = head?.draftLogits ?? storage(device, "no draft logits", 1);
    const draftToTarget = head?.weights.draftToTarget ?? storage(device, "no draft vocabulary", 1);
    const inputs = { draftLogits, draftToTarget, logits: target.scratch.logits, cache: target.cache };
    const indices = (label: string, values: readonly number[]) => {
      const buffer = storage(device, label, values.length);
      device.queue.writeBuffer(buffer, 0, Uint32Array.from(values));
      return buffer;
    };
    const range = (count: number) => Array.from({ length: count }, (_, i) => i);
    const path = pathLength(shape);
    const rounds = new GpuRounds(
      target,
      head,
      shape,
      buffers,
      kernels.bind(buffers, inputs),
      new OutcomeRing(device, buffers.outcomes, shape),
      storage(device, "round features", (verified + shape.sequences) * hidden),
      {
        first: indices(
          "first picks",
          range(shape.sequences).map((s) => (s + 1) * path - 1),
        ),
        level: indices("level picks", range(shape.sequences * shape.branching)),
      },
    );
    for (let s = 0; s < shape.sequences; s++) rounds.writeFirstRows(s, 0);
    return rounds;
  }

  /** Forwards of the head in a round. */
  get draftForwards(): number {
    return this.head === undefined ? 0 : this.shape.levels - Number(draftsInParallel(this.head, this.shape));
  }

  /**
   * Begins a request whose tokens but the last are committed, or goes on with one.
   * @param offsets of calibration: `Calibration.headOffsets`
   * @param feature [hidden] of the last committed token
   */
  start(sequence: number, start: SequenceStart, offsets: Float32Array, feature: GPUBuffer): Promise<void> {
    const { buffers, shape, target } = this;
    const { device } = target.gpu;
    const { headRegion, root: token, length } = start;
    const words = encodeSequence(start);
    return target.exclusively(async () => {
      device.queue.writeBuffer(buffers.sequences, sequence * sequenceWords * 4, words.buffer);
      this.calibrate(sequence, offsets);
      this.writeFirstRows(sequence, headRegion, length > 0 ? { token, position: length - 1 } : undefined);
      const encoder = device.createCommandEncoder();
      const kept = keptFeature(shape, sequence);
      encoder.copyBufferToBuffer(feature, 0, this.features, kept * feature.size, feature.size);
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
   */
  submit(longest: number): Promise<number> {
    return this.target.exclusively(() => this.encodeRound(longest));
  }

  private async encodeRound(longest: number): Promise<number> {
    const { device } = this.target.gpu;
    const dispatches = await this.plan(Math.ceil(longest / attentionBlock));
    const encoder = encoded(device, dispatches);
    this.ring.copy(encoder, this.round);
    device.queue.submit([encoder.finish()]);
    return this.round++;
  }

  /** What a submitted round did to each sequence; undefined for those that had finished before. */
  read(round: number): Promise<(RoundOutcome | undefined)[]> {
    return this.target.exclusively(() => this.ring.read(round));
  }

  release(): void {
    const { first, levels, verification, ...own } = this.buffers;
    for (const group of [own, first, levels, verification, this.picks]) {
      for (const buffer of Object.values(group) as GPUBuffer[]) buffer.destroy();
    }
    this.features.destroy();
    this.ring.release();
  }

  /** All dispatches of a round whose longest sequence has so many attention blocks; made once. */
  private async plan(blocks: number): Promise<readonly Dispatch[]> {
    const known = this.rounds.get(blocks);
    if (known !== undefined) return known;
    const { target, head, shape, buffers, dispatches, features, picks } = this;
    const longest = blocks * attentionBlock;
    const all: Dispatch[] = [];
    if (head === undefined) {
      all.push(dispatches.plant);
    } else {
      const { draftForwards: forwards } = this;
      const parallel = draftsInParallel(head, shape);
      for (let forward = 1; forward <= forwards; forward++) {
        const first = forward === 1;
        const last = forward === forwards;
        const rows = first ? buffers.first : buffers.levels;
        const count = shape.sequences * (first ? pathLength(shape) : shape.branching);
        const outputs = {
          picks: first ? picks.first : picks.level,
          count: shape.sequences * (first ? 1 : shape.branching),
          lists: shape.branches === 2 || (last && parallel) ? 2 : 1,
        } as const;
        const source = first ? features : head.values;
        all.push(...(await head.plan({ ...rows, features: source, count, longest }, outputs)));
        all.push(...dispatches.level(forward, last));
      }
    }
    all.push(dispatches.verify);
    const { rows, paths } = buffers.verification;
    const count = shape.sequences * shape.rows;
    const forward = { rows, paths, count, outputs: count, picked: false, mode: "logits", features, longest } as const;
    all.push(...(await target.plan(forward)), ...dispatches.decide);
    this.rounds.set(blocks, all);
    return all;
  }
}

/** Row of the features that holds the last one of a sequence's prompt. */
function keptFeature({ sequences, rows }: RoundShape, sequence: number): number {
  return sequences * rows + sequence;
}

/** Whether the last forward of the head yields two levels. */
function draftsInParallel(head: GpuHead | undefined, { levels }: RoundShape): boolean {
  return head?.config.kind === "jakiro" && levels > 1;
}

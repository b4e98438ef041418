import type { Rung } from "../decoding/ladder.ts";
import { fullestRung } from "./batchShapes.ts";
import { logitRows, slicesOf } from "./forwardBuffers.ts";
import type { GpuHead } from "./gpuHead.ts";
import type { GpuTarget } from "./gpuTarget.ts";
import type { Dispatch } from "./kernels.ts";
import type { RoundPhases } from "./phaseTimer.ts";
import { paddedRows, type RoundBuffers, type RowBuffers } from "./roundBuffers.ts";
import type { RoundDispatches } from "./roundKernels.ts";
import { pathLength, type RoundShape, rowWords } from "./roundLayout.ts";
import { storage } from "./storage.ts";
import { attentionBlock } from "./targetKernels.ts";

/** What a round's programs are composed of. */
export interface RoundParts {
  readonly target: GpuTarget;
  readonly head: GpuHead | undefined;
  readonly shape: RoundShape;
  readonly buffers: RoundBuffers;
  readonly dispatches: RoundDispatches;
  /** Features of the last verification, which the head's first forward reads. */
  readonly features: GPUBuffer;
}

/** Rows of the head's first forward: as many as the round before may have accepted, the accepted ones at the end. */
interface FirstRows {
  readonly count: number;
  readonly rows: RowBuffers;
  /** The last row, or the last one of every sequence. */
  readonly picks: GPUBuffer;
  readonly ownBuffers: readonly GPUBuffer[];
}

/** Paths of the trees of a ladder fit into one tile of this size. */
const usualFirstRows = 8;

/**
 * The dispatches of a shape's rounds. All rungs share buffers, pipelines and bind groups: they differ in how many forwards of the head
 * are encoded, and in how many rows the products take.
 */
export class RoundPrograms {
  /** The last program of each kind: others were for texts of another length. */
  private readonly programs = new Map<string, { readonly blocks: number; readonly phases: RoundPhases }>();
  private readonly levelPicks: GPUBuffer;
  /** With rising counts; the last one has room for every path. */
  private readonly firstRows: readonly FirstRows[];

  constructor(private readonly parts: RoundParts) {
    const { head, shape, target, buffers } = parts;
    const { device } = target.gpu;
    const { sequences, branching } = shape;
    const path = pathLength(shape);
    const indices = (label: string, values: readonly number[]) => {
      const buffer = storage(device, label, values.length);
      device.queue.writeBuffer(buffer, 0, Uint32Array.from(values));
      return buffer;
    };
    const range = (count: number) => Array.from({ length: count }, (_, i) => i);
    this.levelPicks = indices("level picks", range(sequences * branching));
    const fewer = head === undefined || sequences > 1 ? [] : [1, usualFirstRows].filter((count) => count < path);
    this.firstRows = [
      ...fewer.map((count): FirstRows => {
        const rows = paddedRows(device, `last ${count} rows`, count);
        const picks = indices(`pick of ${count}`, [count - 1]);
        const ownBuffers = [rows, picks];
        return { count, rows: { rows, paths: buffers.first.paths }, picks, ownBuffers };
      }),
      pickedFirst(
        indices(
          "first picks",
          range(sequences).map((s) => (s + 1) * path - 1),
        ),
      ),
    ];

    function pickedFirst(picks: GPUBuffer): FirstRows {
      return { count: path, rows: buffers.first, picks, ownBuffers: [picks] };
    }
  }

  /** The round that uses all the room of the shape. */
  get fullest(): Rung {
    const { head, shape } = this.parts;
    return fullestRung(head?.config.kind, shape);
  }

  /** Compiles what these rungs need, whichever round is before them. */
  async prepare(rungs: readonly Rung[]): Promise<void> {
    // Side by side: a program waits for its pipelines one after the other, and the programs have different ones.
    await Promise.all(rungs.flatMap((rung) => this.firstRows.map(({ count }) => this.of(rung, count, 1))));
  }

  /**
   * All dispatches of a round, by its parts.
   * @param freshTokens the most that the round before may have accepted
   * @param longest bound of the positions that it may reach, tree included
   */
  async of(rung: Rung, freshTokens: number, longest: number): Promise<RoundPhases> {
    const blocks = Math.ceil(longest / attentionBlock);
    const first = this.firstRowsOf(freshTokens);
    const key = [rung.rows, rung.levels, first.count].join();
    const known = this.programs.get(key);
    if (known?.blocks === blocks) return known.phases;
    const phases = await this.compose(rung, first, blocks * attentionBlock);
    this.programs.set(key, { blocks, phases });
    return phases;
  }

  /** Encodes what the head's first forward of the next round needs, where that takes fewer rows than there is room for. */
  keepLast(encoder: GPUCommandEncoder, acceptedTokens: number): void {
    const { count, rows } = this.firstRowsOf(acceptedTokens);
    const { first } = this.parts.buffers;
    const skipped = pathLength(this.parts.shape) - count;
    if (skipped === 0 || rows === first) return;
    const rowBytes = 4 * rowWords;
    encoder.copyBufferToBuffer(first.rows, skipped * rowBytes, rows.rows, 0, count * rowBytes);
  }

  /** The head's part of a round of so many forwards. */
  async draft(forwards: number, freshTokens: number, longest: number): Promise<readonly Dispatch[]> {
    const rung = { rows: 1, levels: forwards, draftForwards: forwards };
    return await this.drafting(rung, this.firstRowsOf(freshTokens), longest);
  }

  release(): void {
    this.levelPicks.destroy();
    for (const { ownBuffers } of this.firstRows) for (const buffer of ownBuffers) buffer.destroy();
  }

  private together(rows: number): { readonly together?: number } {
    return this.parts.shape.sequences === 1 ? {} : { together: rows };
  }

  private firstRowsOf(freshTokens: number): FirstRows {
    return this.firstRows.find(({ count }) => count >= freshTokens) ?? this.firstRows.at(-1)!;
  }

  private async compose(rung: Rung, first: FirstRows, longest: number): Promise<RoundPhases> {
    const { target, shape, buffers, dispatches, features } = this.parts;
    const { rows, paths } = buffers.verification;
    const count = shape.sequences * rung.rows;
    const forward = { rows, paths, count, ...this.together(rung.rows), features, longest } as const;
    const verify = await target.plan({ ...forward, featureFormat: "head", outputs: 0, picked: false, mode: "none" });
    for (const slice of slicesOf(count, logitRows)) {
      const logits = await target.planLogits(slice.first, slice.count);
      verify.push(...logits, ...dispatches.choose(slice.first, slice.count));
    }
    return {
      draft: await this.drafting(rung, first, longest),
      tree: [dispatches.verify],
      verify,
      accept: dispatches.accept,
    };
  }

  /** What comes before the rows are chosen: the head's levels, or its keys alone and a tree that is a root or the host's chain. */
  private async drafting(rung: Rung, first: FirstRows, longest: number): Promise<Dispatch[]> {
    const { head, shape, buffers, dispatches, features } = this.parts;
    const { sequences, branching, branches } = shape;
    const all: Dispatch[] = [];
    const ofFirst = { count: sequences * first.count, ...this.together(first.count) };
    const firstForward = { ...first.rows, features, ...ofFirst, longest };
    if (rung.levels === 0) {
      if (head !== undefined) all.push(...(await head.planKeys(firstForward)));
      if (rung.rows === 1) all.push(dispatches.plant);
      return all;
    }
    if (head === undefined) throw new RangeError("a round without a head drafts nothing");
    const parallel = rung.draftForwards < rung.levels;
    for (let forward = 1; forward <= rung.draftForwards; forward++) {
      const isFirst = forward === 1;
      const yieldsTwo = parallel && forward === rung.draftForwards;
      const lists = branches === 2 || yieldsTwo ? 2 : 1;
      const plan = isFirst
        ? head.plan(firstForward, { picks: first.picks, count: sequences, lists, branching })
        : head.plan(
            {
              ...buffers.levels,
              features: head.predicted,
              count: sequences * branching,
              ...this.together(branching),
              longest,
            },
            { picks: this.levelPicks, count: sequences * branching, lists, branching },
          );
      all.push(...(await plan), ...dispatches.level(forward, yieldsTwo));
    }
    return all;
  }
}

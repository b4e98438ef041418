import { RoundsScheduler, type SharedRounds } from "../decoding/roundsScheduler.ts";
import { type TreeSizes, usualShape } from "../decoding/strategy.ts";
import type { HeadKind } from "../model/headKinds.ts";
import { mostOutputs, mostRows } from "./forwardBuffers.ts";
import type { GpuDecodingSequence, SeatedOutcome } from "./gpuDecodingSequence.ts";
import type { GpuHead } from "./gpuHead.ts";
import { GpuRounds } from "./gpuRounds.ts";
import type { GpuTarget } from "./gpuTarget.ts";
import { mostBranching, pathLength, type RoundShape } from "./roundLayout.ts";

/** Levels of the deepest tree that a head's regions have room for. */
export const deepestTree = 16;
/** Rows of a verification where nobody says how many; weights are read once for all of them. */
const usualNodes = 16;

/**
 * The rounds of so many sequences at a time: what a forward has room for is shared out evenly. Sizes that somebody fixed stay as they
 * are; undefined where so many trees of theirs have no room.
 */
export function batchShape(kind: HeadKind | undefined, sizes: TreeSizes, sequences: number): RoundShape | undefined {
  if (kind === undefined) {
    return sequences > mostOutputs ? undefined : { sequences, rows: 1, branching: 1, levels: 1, branches: 1 };
  }
  const { nodes = Math.min(usualNodes, Math.floor(mostOutputs / sequences)), depth, branching } = sizes;
  const usual = usualShape(nodes);
  const shape: RoundShape = {
    sequences,
    rows: Math.min(nodes, mostOutputs),
    branching: Math.min(branching ?? usual.branching, mostBranching),
    levels: Math.min(depth ?? usual.depth, deepestTree),
    branches: kind === "jakiro-star" ? 2 : 1,
  };
  if (sequences === 1) return shape;
  // A tree of few nodes is neither deeper nor wider than they reach.
  const drafted = Math.max(1, shape.rows - 1);
  const shared = {
    ...shape,
    branching: branching === undefined ? Math.min(shape.branching, drafted) : shape.branching,
    levels: depth === undefined ? Math.min(shape.levels, drafted) : shape.levels,
  };
  const fits =
    nodes >= 2 &&
    sequences * shared.rows <= mostOutputs &&
    sequences * shared.branching <= mostOutputs &&
    sequences * pathLength(shared) <= mostRows;
  return fits ? shared : undefined;
}

/** Sequences that draft with the same head and sizes, and share rounds whenever several of them decode at the same time. */
export class GpuBatch {
  readonly scheduler = new RoundsScheduler<GpuDecodingSequence, SeatedOutcome>((texts) => this.roundsFor(texts));
  private readonly rounds = new Map<number, BatchRounds>();
  private readonly making = new Map<number, Promise<void>>();
  private entered = 0;

  constructor(
    private readonly target: GpuTarget,
    private readonly head: GpuHead | undefined,
    private readonly shapeOf: (sequences: number) => RoundShape | undefined,
  ) {}

  /** Whether one more sequence could take part in the rounds of those that have entered. */
  get hasRoom(): boolean {
    return this.entered === 0 || this.shapeOf(widthFor(this.entered + 1)) !== undefined;
  }

  get isEmpty(): boolean {
    return this.entered === 0;
  }

  /** Makes rounds for one sequence more. Rejects with JakiroError where its tree finds no room. */
  async enter(): Promise<void> {
    const width = widthFor(++this.entered);
    try {
      await this.make(width);
    } catch (error) {
      this.entered--;
      throw error;
    }
  }

  leave(): void {
    this.entered--;
  }

  /** Gives all buffers back once no round is under way. */
  async release(): Promise<void> {
    await this.scheduler.idle();
    for (const rounds of this.rounds.values()) rounds.release();
    this.rounds.clear();
  }

  private make(width: number): Promise<void> {
    const known = this.making.get(width);
    if (known !== undefined) return known;
    const making = GpuRounds.create(this.target, this.head, this.shapeOf(width)!).then((rounds) => {
      this.rounds.set(width, new BatchRounds(rounds));
    });
    this.making.set(width, making);
    making.catch(() => this.making.delete(width));
    return making;
  }

  private roundsFor(texts: number): BatchRounds {
    return this.rounds.get(widthFor(texts))!;
  }
}

/** Kernels are compiled for their number of sequences: powers of two are close enough to any. */
function widthFor(sequences: number): number {
  return 2 ** Math.ceil(Math.log2(sequences));
}

/** Rounds of one shape with the sequences that sit in them. */
class BatchRounds implements SharedRounds<GpuDecodingSequence, SeatedOutcome> {
  private readonly seated = new Map<number, GpuDecodingSequence>();
  private readonly submitted: number[] = [];

  constructor(private readonly rounds: GpuRounds) {}

  get places(): number {
    return this.rounds.shape.sequences;
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

  async submit(underWay: number): Promise<void> {
    const { rounds, seated } = this;
    if (rounds.head !== undefined) for (const [place, sequence] of seated) rounds.calibrate(place, sequence.offsets);
    const longest = Math.max(...[...seated.values()].map((sequence) => sequence.reach(rounds.shape, underWay)));
    this.submitted.push(await rounds.submit(longest));
  }

  async read(): Promise<readonly (SeatedOutcome | undefined)[]> {
    const { draftForwards } = this.rounds;
    const outcomes = await this.rounds.read(this.submitted.shift()!);
    return outcomes.map((outcome) => outcome && { ...outcome, draftForwards });
  }

  release(): void {
    this.rounds.release();
  }
}

import type { DeviceProposal } from "../decoding/deviceStrategy.ts";
import { type Ladder, longestPath, type Rung } from "../decoding/ladder.ts";
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
/** Rows of a tree in rounds that several sequences share, where nobody says how many; weights are read once for all of them. */
const usualNodes = 16;

/** What the rounds of a single sequence have room for: all rungs of its ladder. */
export function ladderShape(kind: HeadKind | undefined, { rungs, branching, chain }: Ladder): RoundShape {
  const held = rungs.map(clamped);
  return {
    sequences: 1,
    rows: Math.max(...held.map(({ rows }) => rows)),
    branching: kind === undefined ? 1 : Math.min(branching, mostBranching),
    levels: Math.max(1, ...held.map(({ levels }) => levels)),
    branches: kind === "jakiro-star" ? 2 : 1,
    chain,
  };
}

/** As much of a rung as sequences have room for; of its forwards, the last one may draft two levels. */
function clamped({ rows, levels, draftForwards }: Rung): Rung {
  const fewer = Math.max(0, levels - deepestTree);
  return { rows: Math.min(rows, mostOutputs), levels: levels - fewer, draftForwards: draftForwards - fewer };
}

/**
 * The rounds of several sequences at a time: what a forward has room for is shared out evenly. Sizes that somebody fixed stay as they
 * are; undefined where so many trees of theirs have no room.
 */
export function sharedShape(kind: HeadKind | undefined, sizes: TreeSizes, sequences: number): RoundShape | undefined {
  if (kind === undefined) {
    return sequences > mostOutputs ? undefined : { sequences, rows: 1, branching: 1, levels: 1, branches: 1 };
  }
  const { nodes = Math.min(usualNodes, Math.floor(mostOutputs / sequences)), depth, branching } = sizes;
  const usual = usualShape(nodes);
  const rows = Math.min(nodes, mostOutputs);
  // A tree of few nodes is neither deeper nor wider than they reach.
  const drafted = Math.max(1, rows - 1);
  const shape: RoundShape = {
    sequences,
    rows,
    branching: Math.min(branching ?? Math.min(usual.branching, drafted), mostBranching),
    levels: Math.min(depth ?? Math.min(usual.depth, drafted), deepestTree),
    branches: kind === "jakiro-star" ? 2 : 1,
  };
  const fits =
    nodes >= 2 &&
    sequences * rows <= mostOutputs &&
    sequences * shape.branching <= mostOutputs &&
    sequences * pathLength(shape) <= mostRows;
  return fits ? shape : undefined;
}

/**
 * Sequences that draft with the same head and ladder. One that decodes alone has all rungs of the ladder; whenever several decode at the
 * same time, they share rounds of one size.
 */
export class GpuBatch {
  readonly scheduler = new RoundsScheduler<GpuDecodingSequence, SeatedOutcome, DeviceProposal>((texts) =>
    this.roundsFor(texts),
  );
  /** What one sequence alone may run. */
  readonly rungs: readonly Rung[];
  private readonly rounds = new Map<number, BatchRounds>();
  private readonly making = new Map<number, Promise<void>>();
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
    return this.entered === 0 || this.shapeOf(widthFor(this.entered + 1)) !== undefined;
  }

  get isEmpty(): boolean {
    return this.entered === 0;
  }

  /** Makes rounds for one sequence more. Rejects with JakiroError where its tree finds no room. */
  async enter(): Promise<void> {
    const width = widthFor(++this.entered);
    try {
      // A sequence may be left alone by the others at any time.
      await Promise.all([this.make(1), this.make(width)]);
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
    return this.roundsFor(1).rounds.measureDraft();
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
    const making = this.create(width).then((rounds) => {
      this.rounds.set(width, new BatchRounds(rounds));
    });
    this.making.set(width, making);
    making.catch(() => this.making.delete(width));
    return making;
  }

  private async create(width: number): Promise<GpuRounds> {
    const rounds = await GpuRounds.create(this.target, this.head, this.shapeOf(width)!);
    try {
      await rounds.prepare(width === 1 ? this.rungs : [rounds.fullest]);
      return rounds;
    } catch (error) {
      rounds.release();
      throw error;
    }
  }

  private shapeOf(width: number): RoundShape | undefined {
    const kind = this.head?.config.kind;
    return width === 1 ? ladderShape(kind, this.ladder) : sharedShape(kind, this.ladder.sizes, width);
  }

  private roundsFor(texts: number): BatchRounds {
    return this.rounds.get(widthFor(texts))!;
  }
}

/** Kernels are compiled for their number of sequences: powers of two are close enough to any. */
function widthFor(sequences: number): number {
  return 2 ** Math.ceil(Math.log2(sequences));
}

/** A round that was submitted. */
interface Submitted {
  readonly round: number;
  readonly rung: Rung;
}

/** Rounds of one shape with the sequences that sit in them. */
class BatchRounds implements SharedRounds<GpuDecodingSequence, SeatedOutcome, DeviceProposal> {
  readonly usual: DeviceProposal;
  private readonly seated = new Map<number, GpuDecodingSequence>();
  private readonly unread: Submitted[] = [];

  constructor(readonly rounds: GpuRounds) {
    this.usual = { rung: rounds.fullest, chain: [] };
  }

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

  async submit({ rung, chain }: DeviceProposal): Promise<void> {
    const { rounds, seated, unread } = this;
    if (rung.levels > 0) for (const [place, sequence] of seated) rounds.calibrate(place, sequence.offsets);
    const known = chain.length === 0 ? [] : [[...seated.values()][0]!.root, ...chain];
    const isTimed = [...seated.values()].some(({ isWatched }) => isWatched);
    unread.push({ round: await rounds.submit(this.reach(rung), { rung, chain: known, isTimed }), rung });
  }

  async read(): Promise<readonly (SeatedOutcome | undefined)[]> {
    const { round, rung } = this.unread.shift()!;
    const outcomes = await this.rounds.read(round);
    const { times } = this.rounds;
    return outcomes.map((outcome) => outcome && { ...outcome, rung, times });
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

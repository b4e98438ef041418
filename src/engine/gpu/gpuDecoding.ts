import type { DeviceDecoding, DeviceSequence } from "../decoding/deviceDecoder.ts";
import type { Ladder, Rung } from "../decoding/ladder.ts";
import type { HeadFile } from "../model/headFile.ts";
import type { HeadKind } from "../model/headKinds.ts";
import { mostOutputs } from "./forwardBuffers.ts";
import { GpuDecodingSequence } from "./gpuDecodingSequence.ts";
import { GpuHead } from "./gpuHead.ts";
import { GpuRounds } from "./gpuRounds.ts";
import type { GpuTarget } from "./gpuTarget.ts";
import { headScratchSlots, mostBranching, type RoundShape } from "./roundLayout.ts";

/** A head on the device with its free KV regions. */
interface PlacedHead {
  readonly head: GpuHead;
  readonly freeRegions: number[];
  /** What drafting costs, once it was measured. */
  draftCosts?: readonly number[];
}

/** Levels of the deepest tree that a head's regions have room for. */
const deepestTree = 16;

/** What decodes on the device by itself: opens sequences whose rounds run there from the draft to the accepted tokens. */
export class GpuDecoding implements DeviceDecoding {
  private readonly heads = new Map<HeadKind, Promise<PlacedHead>>();

  /**
   * @param openHead the head of a kind, for this target; rejects with JakiroError("model") where there is none
   * @param featureSmoothing divisors of the target's features; undefined for float32 weights
   */
  constructor(
    private readonly target: GpuTarget,
    private readonly openHead: (kind: HeadKind) => Promise<HeadFile>,
    private readonly featureSmoothing: Float32Array | undefined,
  ) {}

  async open(kind: HeadKind | undefined, ladder: Ladder): Promise<DeviceSequence> {
    const placed = kind === undefined ? undefined : await this.placedHead(kind);
    const rungs = ladder.rungs.map(clamped);
    const host = this.target.sequence();
    const headRegion = placed?.freeRegions.pop() ?? 0;
    const giveBack = () => {
      host.release();
      placed?.freeRegions.push(headRegion);
    };
    let rounds: GpuRounds | undefined;
    try {
      const place = { region: host.region, headRegion };
      rounds = await GpuRounds.create(this.target, placed?.head, shapeOf(kind, ladder, rungs), [place]);
      await rounds.prepare(rungs);
      if (placed !== undefined) placed.draftCosts ??= await rounds.measureDraft();
      const opened = rounds;
      const release = () => {
        opened.release();
        giveBack();
      };
      return new GpuDecodingSequence(opened, 0, host, release, rungs, placed?.draftCosts);
    } catch (error) {
      rounds?.release();
      giveBack();
      throw error;
    }
  }

  async release(): Promise<void> {
    for (const placed of this.heads.values()) (await placed).head.release();
    this.heads.clear();
  }

  private placedHead(kind: HeadKind): Promise<PlacedHead> {
    const known = this.heads.get(kind);
    if (known !== undefined) return known;
    const loading = this.load(kind);
    this.heads.set(kind, loading);
    loading.catch(() => this.heads.delete(kind));
    return loading;
  }

  private async load(kind: HeadKind): Promise<PlacedHead> {
    const { capacity, sequences } = this.target.options;
    const widest = { sequences: 1, rows: 1, branching: mostBranching, levels: deepestTree, branches: 1 } as const;
    const regionSlots = capacity + headScratchSlots(widest);
    const options = { regionSlots, sequences, outputs: mostBranching };
    const head = await GpuHead.load(
      this.target.surroundings,
      await this.openHead(kind),
      this.featureSmoothing,
      options,
    );
    return { head, freeRegions: Array.from({ length: sequences }, (_, i) => i * regionSlots).reverse() };
  }
}

/** As much of a rung as sequences have room for; of its forwards, the last one may draft two levels. */
function clamped({ rows, levels, draftForwards }: Rung): Rung {
  const fewer = Math.max(0, levels - deepestTree);
  return { rows: Math.min(rows, mostOutputs), levels: levels - fewer, draftForwards: draftForwards - fewer };
}

function shapeOf(kind: HeadKind | undefined, { branching, chain }: Ladder, rungs: readonly Rung[]): RoundShape {
  return {
    sequences: 1,
    rows: Math.max(...rungs.map(({ rows }) => rows)),
    branching: kind === undefined ? 1 : Math.min(branching, mostBranching),
    levels: Math.max(1, ...rungs.map(({ levels }) => levels)),
    branches: kind === "jakiro-star" ? 2 : 1,
    chain,
  };
}

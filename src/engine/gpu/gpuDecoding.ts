import type { DeviceDecoding, DeviceSequence } from "../decoding/deviceDecoder.ts";
import { type TreeSizes, usualShape } from "../decoding/strategy.ts";
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
}

/** Levels of the deepest tree that a head's regions have room for. */
const deepestTree = 16;
/** Rows of a verification where nobody says how many; weights are read once for all of them. */
const usualNodes = 16;

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

  async open(kind: HeadKind | undefined, sizes: TreeSizes): Promise<DeviceSequence> {
    const placed = kind === undefined ? undefined : await this.placedHead(kind);
    const shape = kind === undefined ? plainShape : shapeOf(kind, sizes);
    const host = this.target.sequence();
    const headRegion = placed?.freeRegions.pop() ?? 0;
    try {
      const rounds = await GpuRounds.create(this.target, placed?.head, shape, [{ region: host.region, headRegion }]);
      return new GpuDecodingSequence(rounds, 0, host, () => {
        rounds.release();
        host.release();
        placed?.freeRegions.push(headRegion);
      });
    } catch (error) {
      host.release();
      placed?.freeRegions.push(headRegion);
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

const plainShape: RoundShape = { sequences: 1, rows: 1, branching: 1, levels: 1, branches: 1 };

function shapeOf(kind: HeadKind, { nodes = usualNodes, depth, branching }: TreeSizes): RoundShape {
  const usual = usualShape(nodes);
  return {
    sequences: 1,
    rows: Math.min(nodes, mostOutputs),
    branching: Math.min(branching ?? usual.branching, mostBranching),
    levels: Math.min(depth ?? usual.depth, deepestTree),
    branches: kind === "jakiro-star" ? 2 : 1,
  };
}

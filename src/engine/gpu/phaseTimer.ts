import type { RoundTimes } from "../decoding/roundTimes.ts";
import type { GpuDevice } from "./device.ts";
import { type Dispatch, encode } from "./kernels.ts";

/** A round's dispatches by its parts, which run in this order. */
export type RoundPhases = Readonly<Record<keyof RoundTimes, readonly Dispatch[]>>;

export const roundPhases = ["draft", "tree", "verify", "accept"] as const satisfies readonly (keyof RoundTimes)[];

/** All of a round, in order. */
export function dispatchesOf(phases: RoundPhases): readonly Dispatch[] {
  return roundPhases.flatMap((phase) => phases[phase]);
}

/**
 * One in so many rounds that draft is timed without anybody looking: the device writes times at the ends of passes only, and a
 * pass costs time.
 */
const usualDistance = 32;
/** Rounds whose times may be on their way, as many as those whose outcomes may be. */
const ringSize = 4;
const timestampBytes = 8;
/** What WebGPU wants between the places of resolved queries. */
const placeBytes = 256;
const stamps = 2 * roundPhases.length;

/** Times the parts of rounds that are under way, by the device's own clock. */
export class PhaseTimer {
  private readonly querySet: GPUQuerySet;
  private readonly resolved: GPUBuffer;
  private readonly places: readonly GPUBuffer[];
  private readonly timed = new Set<number>();

  private constructor(device: GPUDevice) {
    const { QUERY_RESOLVE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
    this.querySet = device.createQuerySet({ label: "round times", type: "timestamp", count: ringSize * stamps });
    this.resolved = device.createBuffer({
      label: "resolved round times",
      size: ringSize * placeBytes,
      usage: QUERY_RESOLVE | COPY_SRC,
    });
    this.places = Array.from({ length: ringSize }, (_, i) =>
      device.createBuffer({
        label: `round times ${i}`,
        size: stamps * timestampBytes,
        usage: MAP_READ | COPY_DST,
      }),
    );
  }

  /** Undefined where the device has no timestamps. */
  static on({ device, abilities }: GpuDevice): PhaseTimer | undefined {
    return abilities.timestamps ? new PhaseTimer(device) : undefined;
  }

  /** Whether the parts of a round behind so many others that drafted are to be timed although nobody looks. */
  static isDue(round: number): boolean {
    return round % usualDistance === 0;
  }

  /** Encodes a round with a pass for each part; its times must be read before those of the fourth round from it are asked for. */
  encode(encoder: GPUCommandEncoder, round: number, phases: RoundPhases, going: GPUBindGroup): void {
    const { querySet, resolved } = this;
    const place = round % ringSize;
    const first = place * stamps;
    for (const [i, phase] of roundPhases.entries()) {
      const [beginningOfPassWriteIndex, endOfPassWriteIndex] = [first + 2 * i, first + 2 * i + 1];
      const pass = encoder.beginComputePass({
        timestampWrites: { querySet, beginningOfPassWriteIndex, endOfPassWriteIndex },
      });
      encode(pass, phases[phase], going);
      pass.end();
    }
    encoder.resolveQuerySet(querySet, first, stamps, resolved, place * placeBytes);
    encoder.copyBufferToBuffer(resolved, place * placeBytes, this.places[place]!, 0, stamps * timestampBytes);
    this.timed.add(round);
  }

  /** Milliseconds of a submitted round's parts; undefined for one that was not timed. */
  async read(round: number): Promise<RoundTimes | undefined> {
    if (!this.timed.delete(round)) return undefined;
    const place = this.places[round % ringSize]!;
    await place.mapAsync(GPUMapMode.READ);
    const nanoseconds = new BigUint64Array(place.getMappedRange().slice(0));
    place.unmap();
    const [draft, tree, verify, accept] = roundPhases.map(
      // Clocks of some drivers are set back now and then.
      (_, i) => Math.max(0, Number(nanoseconds[2 * i + 1]! - nanoseconds[2 * i]!) / 1e6),
    ) as [number, number, number, number];
    return { draft, tree, verify, accept };
  }

  release(): void {
    this.querySet.destroy();
    this.resolved.destroy();
    for (const place of this.places) place.destroy();
  }
}

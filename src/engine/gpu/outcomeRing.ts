import { decodeOutcome, outcomeWords, type RoundOutcome, type RoundShape } from "./roundLayout.ts";

/** Rounds whose outcomes may be on their way at a time. */
const ringSize = 4;

/**
 * Brings rounds' outcomes to the host: round r lies in place r mod 4, so that round r + 1 can be submitted, and even finish, before
 * round r is read.
 */
export class OutcomeRing {
  private readonly places: readonly GPUBuffer[];

  constructor(
    device: GPUDevice,
    private readonly outcomes: GPUBuffer,
    private readonly shape: RoundShape,
  ) {
    this.places = Array.from({ length: ringSize }, (_, i) =>
      device.createBuffer({
        label: `outcomes ${i}`,
        size: shape.sequences * outcomeWords(shape) * 4,
        usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
      }),
    );
  }

  /** Encodes the copy that ends a round; its place must have been read since four rounds ago. */
  copy(encoder: GPUCommandEncoder, round: number): void {
    const place = this.placeOf(round);
    encoder.copyBufferToBuffer(this.outcomes, 0, place, 0, place.size);
  }

  /** What a submitted round did to each sequence; undefined for those that had finished before. */
  async read(round: number): Promise<(RoundOutcome | undefined)[]> {
    const place = this.placeOf(round);
    await place.mapAsync(GPUMapMode.READ);
    const words = new Uint32Array(place.getMappedRange().slice(0));
    place.unmap();
    return Array.from({ length: this.shape.sequences }, (_, s) => decodeOutcome(words, this.shape, s));
  }

  release(): void {
    for (const place of this.places) place.destroy();
  }

  private placeOf(round: number): GPUBuffer {
    return this.places[round % ringSize]!;
  }
}

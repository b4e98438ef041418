import type { RopeConfig } from "../model/checkpoint.ts";

/** Rotation angles by position, computed once in float64 and kept as float32 rows. */
export class RotaryTable {
  private readonly cosines: Float32Array[] = [];
  private readonly sines: Float32Array[] = [];
  private readonly frequencies: Float64Array;

  constructor(rope: RopeConfig, headDim: number) {
    this.frequencies = Float64Array.from(
      { length: headDim / 2 },
      (_, i) => rope.base ** ((-2 * i) / headDim) / rope.frequencyDivisors[i]!,
    );
  }

  /** cos and sin for these positions, [positions.length, headDim / 2] each. */
  rows(positions: ArrayLike<number>): { cos: Float32Array; sin: Float32Array } {
    const half = this.frequencies.length;
    const cos = new Float32Array(positions.length * half);
    const sin = new Float32Array(positions.length * half);
    for (let row = 0; row < positions.length; row++) {
      const position = positions[row]!;
      this.extendTo(position);
      cos.set(this.cosines[position]!, row * half);
      sin.set(this.sines[position]!, row * half);
    }
    return { cos, sin };
  }

  private extendTo(position: number): void {
    for (let p = this.cosines.length; p <= position; p++) {
      this.cosines.push(Float32Array.from(this.frequencies, (frequency) => Math.cos(p * frequency)));
      this.sines.push(Float32Array.from(this.frequencies, (frequency) => Math.sin(p * frequency)));
    }
  }
}

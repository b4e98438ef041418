/** IEEE 754 half precision to float32 for every bit pattern; a table lookup beats arithmetic in the dequantization loops. */
export const halfToFloat: Float32Array = buildTable();

const float = new Float32Array(1);
const bitsOfFloat = new Uint32Array(float.buffer);
/** Bits of the smallest magnitude that half precision keeps with all its digits. */
const smallestNormal = 0x38800000;
/** Bits of 0.5, whose last digit as a float32 is worth what a subnormal half's is. */
const oneHalf = 0x3f000000;

/** The half nearest to a float32, ties to the even one; magnitudes from 65,520 on become infinite. */
export function floatToHalf(value: number): number {
  float[0] = value;
  const sign = (bitsOfFloat[0]! >>> 16) & 0x8000;
  const magnitude = bitsOfFloat[0]! & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x47800000) return sign | 0x7c00;
  if (magnitude < smallestNormal) {
    // The addition rounds to the steps of a subnormal half.
    float[0] = Math.abs(value) + 0.5;
    return sign | (bitsOfFloat[0]! - oneHalf);
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}

/** The float32 that the nearest half stands for. */
export function nearestHalf(value: number): number {
  return halfToFloat[floatToHalf(value)]!;
}

function buildTable(): Float32Array {
  const table = new Float32Array(1 << 16);
  for (let bits = 0; bits < table.length; bits++) {
    const exponent = (bits >> 10) & 0x1f;
    const mantissa = bits & 0x3ff;
    const magnitude =
      exponent === 0
        ? mantissa * 2 ** -24
        : exponent === 0x1f
          ? mantissa === 0
            ? Number.POSITIVE_INFINITY
            : Number.NaN
          : (1 + mantissa / 1024) * 2 ** (exponent - 15);
    table[bits] = bits & 0x8000 ? -magnitude : magnitude;
  }
  return table;
}

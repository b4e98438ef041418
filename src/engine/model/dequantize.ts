import { halfToFloat } from "./float16.ts";

/**
 * One of ggml's storage formats: values stored in blocks of `valuesPerBlock` along a row, `bytesPerBlock` bytes each.
 * Layouts: ggml-common.h; every function gives the same float32 bits as ggml's own dequantize_row_*, because each
 * product below is exact in float64 and only the last operation rounds.
 */
export interface BlockFormat {
  readonly name: string;
  readonly valuesPerBlock: number;
  readonly bytesPerBlock: number;
  /** Writes blocks * valuesPerBlock values to `into` from index `at`, from blocks that start at source[0]. */
  dequantize(source: Uint8Array, blocks: number, into: Float32Array, at: number): void;
}

const float32: BlockFormat = {
  name: "F32",
  valuesPerBlock: 1,
  bytesPerBlock: 4,
  dequantize(source, blocks, into, at) {
    new Uint8Array(into.buffer, into.byteOffset + at * 4, blocks * 4).set(source.subarray(0, blocks * 4));
  },
};

const float16: BlockFormat = {
  name: "F16",
  valuesPerBlock: 1,
  bytesPerBlock: 2,
  dequantize(source, blocks, into, at) {
    for (let i = 0; i < blocks; i++) into[at + i] = half(source, 2 * i);
  },
};

const brainFloat16: BlockFormat = {
  name: "BF16",
  valuesPerBlock: 1,
  bytesPerBlock: 2,
  dequantize(source, blocks, into, at) {
    const bits = new Uint32Array(into.buffer, into.byteOffset + at * 4, blocks);
    for (let i = 0; i < blocks; i++) bits[i] = (source[2 * i]! << 16) | (source[2 * i + 1]! << 24);
  },
};

const q4_0 = ofBlocks("Q4_0", 32, 18, (source, p, into, y) => {
  dequantizePairs(source, p + 2, 0, into, y, { scale: half(source, p), offset: 8, minimum: -0 });
});

const q4_1 = ofBlocks("Q4_1", 32, 20, (source, p, into, y) => {
  const [scale, minimum] = [half(source, p), half(source, p + 2)];
  dequantizePairs(source, p + 4, 0, into, y, { scale, offset: 0, minimum });
});

const q5_0 = ofBlocks("Q5_0", 32, 22, (source, p, into, y) => {
  dequantizePairs(source, p + 6, word(source, p + 2), into, y, { scale: half(source, p), offset: 16, minimum: -0 });
});

const q5_1 = ofBlocks("Q5_1", 32, 24, (source, p, into, y) => {
  const [scale, minimum] = [half(source, p), half(source, p + 2)];
  dequantizePairs(source, p + 8, word(source, p + 4), into, y, { scale, offset: 0, minimum });
});

const q8_0 = ofBlocks("Q8_0", 32, 34, (source, p, into, y) => {
  const d = half(source, p);
  for (let i = 0; i < 32; i++) into[y + i] = d * signed(source[p + 2 + i]!);
});

/** d, dmin, 12 bytes of packed 6-bit scales and minima, 128 bytes of nibbles; 8 groups of 32 values. */
const q4_k = ofBlocks("Q4_K", 256, 144, (source, p, into, y) => dequantizeGroups(source, p, undefined, into, y));

/** As Q4_K, with 32 bytes of fifth bits (bit g of byte i belongs to value i of group g) before the nibbles. */
const q5_k = ofBlocks("Q5_K", 256, 176, (source, p, into, y) => dequantizeGroups(source, p, p + 16, into, y));

/** 128 bytes of low nibbles, 64 of upper bit pairs, 16 int8 scales (one per 16 values), d. */
const q6_k = ofBlocks("Q6_K", 256, 210, (source, p, into, start) => {
  const d = half(source, p + 208);
  for (let part = 0; part < 2; part++) {
    const [low, high, scales, y] = [p + 64 * part, p + 128 + 32 * part, p + 192 + 8 * part, start + 128 * part];
    for (let i = 0; i < 32; i++) {
      const a = source[low + i]!;
      const b = source[low + i + 32]!;
      const h = source[high + i]!;
      const scale = scales + (i >> 4);
      into[y + i] = d * signed(source[scale]!) * (((a & 15) | ((h & 3) << 4)) - 32);
      into[y + i + 32] = d * signed(source[scale + 2]!) * (((b & 15) | (((h >> 2) & 3) << 4)) - 32);
      into[y + i + 64] = d * signed(source[scale + 4]!) * (((a >> 4) | (((h >> 4) & 3) << 4)) - 32);
      into[y + i + 96] = d * signed(source[scale + 6]!) * (((b >> 4) | ((h >> 6) << 4)) - 32);
    }
  }
});

export const blockFormats = { float32, float16, brainFloat16, q4_0, q4_1, q5_0, q5_1, q8_0, q4_k, q5_k, q6_k } as const;

/** `read` writes the values of the block that starts at source[p] to `into` from index y. */
function ofBlocks(
  name: string,
  valuesPerBlock: number,
  bytesPerBlock: number,
  read: (source: Uint8Array, p: number, into: Float32Array, y: number) => void,
): BlockFormat {
  return {
    name,
    valuesPerBlock,
    bytesPerBlock,
    dequantize(source, blocks, into, at) {
      for (let block = 0; block < blocks; block++)
        read(source, block * bytesPerBlock, into, at + block * valuesPerBlock);
    },
  };
}

/**
 * 16 bytes of nibbles, values 0-15 low and 16-31 high, with a fifth bit each: (level - offset) * scale + minimum. Formats
 * without a minimum have -0, which changes no sum, not even a zero's sign.
 */
function dequantizePairs(
  source: Uint8Array,
  q: number,
  fifthBits: number,
  into: Float32Array,
  y: number,
  { scale, offset, minimum }: { readonly scale: number; readonly offset: number; readonly minimum: number },
): void {
  for (let i = 0; i < 16; i++) {
    const pair = source[q + i]!;
    into[y + i] = scale * (((pair & 15) | (((fifthBits >>> i) & 1) << 4)) - offset) + minimum;
    into[y + i + 16] = scale * (((pair >> 4) | (((fifthBits >>> (i + 16)) & 1) << 4)) - offset) + minimum;
  }
}

/** A block of Q4_K or, with the place of its fifth bits, Q5_K. */
function dequantizeGroups(
  source: Uint8Array,
  p: number,
  fifth: number | undefined,
  into: Float32Array,
  start: number,
): void {
  const d = half(source, p);
  const dmin = half(source, p + 2);
  const nibbles = fifth === undefined ? p + 16 : fifth + 32;
  for (let group = 0; group < 8; group += 2) {
    const [q, y] = [nibbles + 16 * group, start + 32 * group];
    const lowScale = d * groupScale(source, p + 4, group);
    const lowMin = dmin * groupMin(source, p + 4, group);
    const highScale = d * groupScale(source, p + 4, group + 1);
    const highMin = dmin * groupMin(source, p + 4, group + 1);
    for (let i = 0; i < 32; i++) {
      const pair = source[q + i]!;
      const fifthBits = fifth === undefined ? 0 : source[fifth + i]! >> group;
      into[y + i] = lowScale * ((pair & 15) | ((fifthBits & 1) << 4)) - lowMin;
      into[y + i + 32] = highScale * ((pair >> 4) | ((fifthBits & 2) << 3)) - highMin;
    }
  }
}

function half(source: Uint8Array, p: number): number {
  return halfToFloat[source[p]! | (source[p + 1]! << 8)]!;
}

function word(source: Uint8Array, p: number): number {
  return source[p]! | (source[p + 1]! << 8) | (source[p + 2]! << 16) | (source[p + 3]! << 24);
}

function signed(byte: number): number {
  return (byte << 24) >> 24;
}

/** 6-bit scale of group 0..7 (ggml's get_scale_min_k4): the last four take their upper two bits from the first four's bytes. */
function groupScale(source: Uint8Array, p: number, group: number): number {
  return group < 4 ? source[p + group]! & 63 : (source[p + group + 4]! & 15) | ((source[p + group - 4]! >> 6) << 4);
}

function groupMin(source: Uint8Array, p: number, group: number): number {
  return group < 4 ? source[p + group + 4]! & 63 : (source[p + group + 4]! >> 4) | ((source[p + group]! >> 6) << 4);
}

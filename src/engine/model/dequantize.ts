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

const q4_0: BlockFormat = {
  name: "Q4_0",
  valuesPerBlock: 32,
  bytesPerBlock: 18,
  dequantize(source, blocks, into, at) {
    for (let block = 0, p = 0, y = at; block < blocks; block++, p += 18, y += 32) {
      const d = half(source, p);
      for (let i = 0; i < 16; i++) {
        const pair = source[p + 2 + i]!;
        into[y + i] = d * ((pair & 15) - 8);
        into[y + i + 16] = d * ((pair >> 4) - 8);
      }
    }
  },
};

const q4_1: BlockFormat = {
  name: "Q4_1",
  valuesPerBlock: 32,
  bytesPerBlock: 20,
  dequantize(source, blocks, into, at) {
    for (let block = 0, p = 0, y = at; block < blocks; block++, p += 20, y += 32) {
      const d = half(source, p);
      const m = half(source, p + 2);
      for (let i = 0; i < 16; i++) {
        const pair = source[p + 4 + i]!;
        into[y + i] = d * (pair & 15) + m;
        into[y + i + 16] = d * (pair >> 4) + m;
      }
    }
  },
};

const q5_0: BlockFormat = {
  name: "Q5_0",
  valuesPerBlock: 32,
  bytesPerBlock: 22,
  dequantize(source, blocks, into, at) {
    for (let block = 0, p = 0, y = at; block < blocks; block++, p += 22, y += 32) {
      const d = half(source, p);
      const fifthBits = word(source, p + 2);
      for (let i = 0; i < 16; i++) {
        const pair = source[p + 6 + i]!;
        into[y + i] = d * (((pair & 15) | (((fifthBits >>> i) & 1) << 4)) - 16);
        into[y + i + 16] = d * (((pair >> 4) | (((fifthBits >>> (i + 16)) & 1) << 4)) - 16);
      }
    }
  },
};

const q5_1: BlockFormat = {
  name: "Q5_1",
  valuesPerBlock: 32,
  bytesPerBlock: 24,
  dequantize(source, blocks, into, at) {
    for (let block = 0, p = 0, y = at; block < blocks; block++, p += 24, y += 32) {
      const d = half(source, p);
      const m = half(source, p + 2);
      const fifthBits = word(source, p + 4);
      for (let i = 0; i < 16; i++) {
        const pair = source[p + 8 + i]!;
        into[y + i] = d * ((pair & 15) | (((fifthBits >>> i) & 1) << 4)) + m;
        into[y + i + 16] = d * ((pair >> 4) | (((fifthBits >>> (i + 16)) & 1) << 4)) + m;
      }
    }
  },
};

const q8_0: BlockFormat = {
  name: "Q8_0",
  valuesPerBlock: 32,
  bytesPerBlock: 34,
  dequantize(source, blocks, into, at) {
    for (let block = 0, p = 0, y = at; block < blocks; block++, p += 34, y += 32) {
      const d = half(source, p);
      for (let i = 0; i < 32; i++) into[y + i] = d * signed(source[p + 2 + i]!);
    }
  },
};

/** d, dmin, 12 bytes of packed 6-bit scales and minima, 128 bytes of nibbles; 8 groups of 32 values. */
const q4_k: BlockFormat = {
  name: "Q4_K",
  valuesPerBlock: 256,
  bytesPerBlock: 144,
  dequantize(source, blocks, into, at) {
    for (let block = 0, p = 0, y = at; block < blocks; block++, p += 144) {
      const d = half(source, p);
      const dmin = half(source, p + 2);
      for (let group = 0, q = p + 16; group < 8; group += 2, q += 32, y += 64) {
        const lowScale = d * groupScale(source, p + 4, group);
        const lowMin = dmin * groupMin(source, p + 4, group);
        const highScale = d * groupScale(source, p + 4, group + 1);
        const highMin = dmin * groupMin(source, p + 4, group + 1);
        for (let i = 0; i < 32; i++) {
          const pair = source[q + i]!;
          into[y + i] = lowScale * (pair & 15) - lowMin;
          into[y + i + 32] = highScale * (pair >> 4) - highMin;
        }
      }
    }
  },
};

/** As Q4_K, with 32 bytes of fifth bits (bit g of byte i belongs to value i of group g) before the nibbles. */
const q5_k: BlockFormat = {
  name: "Q5_K",
  valuesPerBlock: 256,
  bytesPerBlock: 176,
  dequantize(source, blocks, into, at) {
    for (let block = 0, p = 0, y = at; block < blocks; block++, p += 176) {
      const d = half(source, p);
      const dmin = half(source, p + 2);
      for (let group = 0, q = p + 48; group < 8; group += 2, q += 32, y += 64) {
        const lowScale = d * groupScale(source, p + 4, group);
        const lowMin = dmin * groupMin(source, p + 4, group);
        const highScale = d * groupScale(source, p + 4, group + 1);
        const highMin = dmin * groupMin(source, p + 4, group + 1);
        for (let i = 0; i < 32; i++) {
          const pair = source[q + i]!;
          const fifthBits = source[p + 16 + i]! >> group;
          into[y + i] = lowScale * ((pair & 15) | ((fifthBits & 1) << 4)) - lowMin;
          into[y + i + 32] = highScale * ((pair >> 4) | ((fifthBits & 2) << 3)) - highMin;
        }
      }
    }
  },
};

/** 128 bytes of low nibbles, 64 of upper bit pairs, 16 int8 scales (one per 16 values), d. */
const q6_k: BlockFormat = {
  name: "Q6_K",
  valuesPerBlock: 256,
  bytesPerBlock: 210,
  dequantize(source, blocks, into, at) {
    for (let block = 0, p = 0, y = at; block < blocks; block++, p += 210) {
      const d = half(source, p + 208);
      for (
        let part = 0, low = p, high = p + 128, s = p + 192;
        part < 2;
        part++, low += 64, high += 32, s += 8, y += 128
      ) {
        for (let i = 0; i < 32; i++) {
          const a = source[low + i]!;
          const b = source[low + i + 32]!;
          const h = source[high + i]!;
          const scale = s + (i >> 4);
          into[y + i] = d * signed(source[scale]!) * (((a & 15) | ((h & 3) << 4)) - 32);
          into[y + i + 32] = d * signed(source[scale + 2]!) * (((b & 15) | (((h >> 2) & 3) << 4)) - 32);
          into[y + i + 64] = d * signed(source[scale + 4]!) * (((a >> 4) | (((h >> 4) & 3) << 4)) - 32);
          into[y + i + 96] = d * signed(source[scale + 6]!) * (((b >> 4) | ((h >> 6) << 4)) - 32);
        }
      }
    }
  },
};

export const blockFormats = { float32, float16, brainFloat16, q4_0, q4_1, q5_0, q5_1, q8_0, q4_k, q5_k, q6_k } as const;

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

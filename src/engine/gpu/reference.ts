import { halfToFloat } from "../model/float16.ts";
import { hasFloats, type InputFormat, inputWords, type LinearShape, type ProductFormat } from "./targetKernels.ts";

/**
 * What the kernels of kernels/ compute, in float64 and in the plainest way; buffers lie as the kernels' headers say. The
 * self-test and the tests compare every kernel with these.
 */

/** A row of a forward, as kernels/rows.wgsl has it. */
export interface Row {
  readonly token: number;
  readonly position: number;
  readonly region: number;
  readonly contiguous: number;
  readonly path: number;
  /** `noSlot` for rows that only fill up a tile. */
  readonly slot: number;
  /** In a forward of the draft head, the row of the features that it carries on. */
  readonly parent?: number;
}

export const noSlot = 0xffffffff;

/** Operands of a product; the shape's inputs are padded as the format wants it. */
export interface Operands {
  readonly shape: LinearShape;
  readonly input: Uint32Array<ArrayBuffer>;
  readonly weights: Uint32Array<ArrayBuffer>;
  readonly columns: Float32Array<ArrayBuffer>;
}

/** Inputs that share a scale: the whole row, or a block. */
const blockInputs = 32;
const int4Block = 128;
/** Rows of words of an int4 block: eight inputs each, then the scales. */
const int4BlockRows = int4Block / 8 + 1;

/** A row of a product's input as the numbers that it stands for, and the value of one step of each (0 for floats). */
export function inputRow(
  format: ProductFormat,
  inputs: number,
  input: Uint32Array<ArrayBuffer>,
  row: number,
): { values: Float64Array; steps: Float64Array } {
  const stride = inputWords(format, inputs);
  const offset = input.byteOffset + 4 * row * stride;
  const floats = new Float32Array(input.buffer, offset, stride);
  if (hasFloats(format)) return { values: Float64Array.from(floats), steps: new Float64Array(inputs) };
  const bytes = new Int8Array(input.buffer, offset, inputs);
  const scales = floats.subarray(inputs / 4);
  const perRow = format === "int8" || format === "int4";
  const steps = Float64Array.from(bytes, (_, i) => (perRow ? scales[0]! / 127 : scales[Math.floor(i / blockInputs)]!));
  return { values: steps.map((step, i) => step * bytes[i]!), steps };
}

/** A column of weights as the numbers that it stands for. */
export function weightColumn({ shape, weights, columns }: Operands, column: number): Float64Array {
  const { format, inputs, outputs } = shape;
  const values = new Float64Array(inputs);
  const floats = new Float32Array(weights.buffer);
  for (let i = 0; i < inputs; i++) {
    switch (format) {
      case "float32":
        values[i] = floats[i * outputs + column]!;
        break;
      case "float16": {
        const pair = weights[(i >> 1) * outputs + column]!;
        values[i] = halfToFloat[i % 2 === 0 ? pair & 0xffff : pair >>> 16]!;
        break;
      }
      case "int8":
      case "int8-blocks": {
        const word = weights[(i >> 2) * outputs + column]!;
        values[i] = ((word << (24 - 8 * (i % 4))) >> 24) * columns[2 * column]!;
        break;
      }
      case "int4":
      case "int4-blocks": {
        const first = Math.floor(i / int4Block) * int4BlockRows;
        const word = weights[(first + ((i % int4Block) >> 3)) * outputs + column]!;
        // The scale belongs to steps in the high half of a byte.
        const place = 8 * (i % 4) + 4 * ((i >> 2) % 2);
        values[i] = ((word << (28 - place)) >> 28) * 16 * floats[(first + int4BlockRows - 1) * outputs + column]!;
        break;
      }
    }
  }
  return values;
}

/** x @ W of the first rows: [rows, outputs]. */
export function product(operands: Operands, rows: number): Float64Array {
  const { inputs, outputs, format } = operands.shape;
  const x = Array.from({ length: rows }, (_, row) => inputRow(format, inputs, operands.input, row).values);
  const result = new Float64Array(rows * outputs);
  for (let column = 0; column < outputs; column++) {
    const w = weightColumn(operands, column);
    for (let row = 0; row < rows; row++) {
      const values = x[row]!;
      let sum = 0;
      for (let i = 0; i < inputs; i++) sum += values[i]! * w[i]!;
      result[row * outputs + column] = sum;
    }
  }
  return result;
}

/** x @ W + bias of the first rows: [rows, outputs]. */
export function linear(operands: Operands, rows: number): Float64Array {
  const { outputs } = operands.shape;
  return product(operands, rows).map((sum, i) => sum + operands.columns[2 * (i % outputs) + 1]!);
}

/** silu(x @ gate) * (x @ up) of the first rows: [rows, outputs / 2]. */
export function gated(operands: Operands, rows: number): Float64Array {
  const { outputs } = operands.shape;
  const width = outputs / 2;
  const both = product(operands, rows);
  return Float64Array.from({ length: rows * width }, (_, i) => {
    const at = Math.floor(i / width) * outputs + (i % width);
    const gate = both[at]!;
    return (gate / (1 + Math.exp(-gate))) * both[at + width]!;
  });
}

/** Queries and keys rotated, values as they are, side by side: [rows, outputs]. `rotary` is [positions, headDim / 2] (cos, sin). */
export function qkv(
  operands: Operands,
  rows: readonly Row[],
  rotary: Float32Array,
  { headDim, kvHeads }: { readonly headDim: number; readonly kvHeads: number },
): Float64Array {
  const { outputs } = operands.shape;
  const plain = linear(operands, rows.length);
  const half = headDim / 2;
  return plain.map((value, i) => {
    const column = i % outputs;
    if (column >= outputs - kvHeads * headDim) return value;
    const lane = column % headDim;
    const at = 2 * (rows[Math.floor(i / outputs)]!.position * half + (lane % half));
    const [cosine, sine] = [rotary[at]!, rotary[at + 1]!];
    return lane < half ? value * cosine - plain[i + half]! * sine : value * cosine + plain[i - half]! * sine;
  });
}

/** RMS norm of a row, and its product with the factors; `gains` is [width] (gain, factor), a negative epsilon norms nothing. */
export function norm(
  values: Float32Array,
  gains: Float32Array,
  epsilon: number,
): { features: Float64Array; next: Float64Array } {
  const squares = values.reduce((sum, value) => sum + value * value, 0);
  const factor = epsilon < 0 ? 1 : 1 / Math.sqrt(squares / values.length + epsilon);
  const features = Float64Array.from(values, (value, i) => value * factor * gains[2 * i]!);
  return { features, next: features.map((value, i) => value * gains[2 * i + 1]!) };
}

/** Embedding of a token: int8 steps and the value of one for every 32 of a row, or float32 where there are no scales. */
export function embed(
  table: Uint32Array<ArrayBuffer>,
  scales: Float32Array | undefined,
  width: number,
  token: number,
): Float32Array {
  if (scales === undefined) return new Float32Array(table.buffer, 4 * token * width, width);
  const steps = new Int8Array(table.buffer, token * width, width);
  const blocks = Math.ceil(width / blockInputs);
  return Float32Array.from(steps, (step, i) => step * scales[token * blocks + Math.floor(i / blockInputs)]!);
}

/** One layer's keys and values, [2, slots, kvHeads * headDim], and what attention needs to read them. */
export interface AttentionOperands {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly slots: number;
  readonly queries: Float32Array;
  readonly cache: Float32Array;
  readonly paths: Uint32Array;
}

/** Mixtures of a row's heads over all its positions: [heads, headDim]. `index` is the row's place among the queries. */
export function attention(operands: AttentionOperands, row: Row, index: number): Float64Array {
  const { heads, kvHeads, headDim, slots, queries, cache, paths } = operands;
  const width = kvHeads * headDim;
  const result = new Float64Array(heads * headDim);
  for (let head = 0; head < heads; head++) {
    const query = queries.subarray((index * heads + head) * headDim, (index * heads + head + 1) * headDim);
    const first = Math.floor(head / (heads / kvHeads)) * headDim;
    const places = Array.from(
      { length: row.position + 1 },
      (_, position) => slotOf(row, position, paths) * width + first,
    );
    const scores = places.map((place) => query.reduce((sum, value, i) => sum + value * cache[place + i]!, 0));
    const largest = scores.reduce((a, b) => Math.max(a, b));
    const weights = scores.map((score) => Math.exp(score - largest));
    const total = weights.reduce((a, b) => a + b);
    for (const [position, place] of places.entries()) {
      for (let i = 0; i < headDim; i++) {
        result[head * headDim + i]! += (weights[position]! / total) * cache[slots * width + place + i]!;
      }
    }
  }
  return result;
}

function slotOf({ region, contiguous, path }: Row, position: number, paths: Uint32Array): number {
  return position < contiguous ? region + position : paths[path + position - contiguous]!;
}

/**
 * How far a quantized row is from the numbers it stands for, in steps: half a step is rounding. Infinity where the scale is not
 * the one that the format asks for: the row's largest magnitude, or the smallest power of two by which a block fits.
 */
export function quantizationError(
  format: InputFormat,
  output: Uint32Array<ArrayBuffer>,
  row: number,
  expected: Float64Array,
): number {
  const inputs = inputCount(format, expected.length);
  const { values, steps } = inputRow(format, inputs, output, row);
  let worst = 0;
  const run = format === "int8" ? inputs : blockInputs;
  for (let first = 0; first < inputs; first += run) {
    const part = expected.subarray(first, first + run);
    const largest = part.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    if (!isRightScale(format, steps[first]!, largest)) return Number.POSITIVE_INFINITY;
    for (let i = first; i < first + run; i++) {
      worst = Math.max(worst, Math.abs(values[i]! - (expected[i] ?? 0)) / steps[i]!);
    }
  }
  return worst;
}

/** Of a row's largest magnitude, which was rounded and, behind exp, approximated. */
const closeness = 1e-4;
const smallestRow = 1e-20;
const smallestScale = 2 ** -126;

function isRightScale(format: InputFormat, step: number, largest: number): boolean {
  const fits = 127 * step;
  if (format === "int8") return Math.abs(fits - Math.max(largest, smallestRow)) <= closeness * fits;
  const isPower = Math.log2(step) % 1 === 0;
  return (
    isPower && largest <= fits * (1 + closeness) && (step === smallestScale || largest >= (fits / 2) * (1 - closeness))
  );
}

function inputCount(format: InputFormat, values: number): number {
  const alignment = format === "int8" ? 16 : blockInputs;
  return Math.ceil(values / alignment) * alignment;
}

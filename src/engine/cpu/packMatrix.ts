import { floatToHalf } from "../model/float16.ts";
import type { PackedMatrix } from "./linear.ts";
import type { WeightSink } from "./weightSink.ts";

export type WeightFormat = "int8" | "int4" | "float16" | "float32";

/** How a matrix is packed: in its format, or int8 for processors that add products two by two in 16 bits (`packingFor`). */
export type Packing = WeightFormat | "int8-paired";

/** Whether products run on integer steps: activations are quantized and smoothed, too. */
export function isQuantized(format: WeightFormat): format is "int8" | "int4" {
  return format === "int8" || format === "int4";
}

/** A dequantized weight matrix as PyTorch has it, [outputs, inputs] row-major. */
export interface DenseMatrix {
  readonly outputs: number;
  readonly inputs: number;
  readonly values: Float32Array;
}

/** Weights of MatMulNBits share a scale in runs of this many inputs. */
const int4Block = 128;

/**
 * Largest int8 weight, and of paired ones the largest sum of two neighbouring inputs' weights: 255 * 128, rounding included, is what 16
 * bits hold. For that, steps grow by a tenth in most matrices of Qwen2.5-Coder-0.5B and by a third at most; weights of 7 bits would
 * double them.
 */
const int8Range = 127;

/**
 * Packs matrices whose outputs lie side by side into one ([inputs, sum of outputs]), so that one product serves them all.
 * `inputScale` [inputs] multiplies each input's column first (activation smoothing).
 */
export function packMatrix(
  sink: WeightSink,
  name: string,
  packing: Packing,
  matrices: readonly DenseMatrix[],
  inputScale?: Float32Array,
): PackedMatrix {
  const inputs = matrices[0]!.inputs;
  const outputs = matrices.reduce((sum, matrix) => sum + matrix.outputs, 0);
  const packer = new MatrixPacker(packing, inputs, outputs, inputScale);
  for (const matrix of matrices) packer.addRows(matrix.values, matrix.outputs);
  return packer.finish(sink, name);
}

/** Packs a matrix that comes in runs of output rows, for matrices too large to be held dequantized. */
export class MatrixPacker {
  private filled = 0;
  private readonly packed: Float32Array | Uint16Array | Int8Array | Uint8Array;
  private readonly scales: Float32Array;
  private readonly format: WeightFormat;
  private readonly isPaired: boolean;

  constructor(
    packing: Packing,
    private readonly inputs: number,
    private readonly outputs: number,
    private readonly inputScale?: Float32Array,
  ) {
    // MatMulNBits wants whole blocks; a matrix that has none keeps 8 bits, in steps that are right on any processor.
    const hasBlocks = inputs % int4Block === 0;
    this.isPaired = packing === "int8-paired" || (packing === "int4" && !hasBlocks);
    this.format = packing === "int8-paired" || this.isPaired ? "int8" : packing;
    const size = inputs * outputs;
    switch (this.format) {
      case "float32":
        this.packed = new Float32Array(size);
        this.scales = new Float32Array(0);
        break;
      case "float16":
        this.packed = new Uint16Array(size);
        this.scales = new Float32Array(0);
        break;
      case "int8":
        this.packed = new Int8Array(size);
        this.scales = new Float32Array(outputs);
        break;
      case "int4":
        this.packed = new Uint8Array(size / 2);
        this.scales = new Float32Array(size / int4Block);
        break;
    }
  }

  /** Adds `count` rows of [count, inputs]; the values are scaled in place. */
  addRows(values: Float32Array, count: number): void {
    if (this.inputScale !== undefined) scaleColumns(values, count, this.inputScale);
    switch (this.format) {
      case "float32":
        transposeInto(values, count, this.inputs, this.packed as Float32Array, this.filled, this.outputs);
        break;
      case "float16": {
        const halves = new Uint16Array(count * this.inputs);
        for (let i = 0; i < halves.length; i++) halves[i] = floatToHalf(values[i]!);
        transposeInto(halves, count, this.inputs, this.packed as Uint16Array, this.filled, this.outputs);
        break;
      }
      case "int8":
        this.addInt8(values, count);
        break;
      case "int4":
        this.addInt4(values, count);
        break;
    }
    this.filled += count;
  }

  finish(sink: WeightSink, name: string): PackedMatrix {
    const { inputs, outputs } = this;
    const weights = sink.append(this.packed);
    if (!isQuantized(this.format)) return { name, inputs, outputs, format: this.format, weights };
    const scales = sink.append(this.scales);
    if (this.format === "int8") return { name, inputs, outputs, format: this.format, weights, scales };
    return { name, inputs, outputs, format: this.format, weights, scales, block: int4Block };
  }

  private addInt8(values: Float32Array, count: number): void {
    const { inputs, outputs, scales, filled } = this;
    const packed = this.packed as Int8Array;
    const inverse = new Float32Array(count);
    for (let row = 0; row < count; row++) {
      const own = values.subarray(row * inputs, (row + 1) * inputs);
      const maximum = this.isPaired ? largestOfPairs(own) : largestMagnitude(own);
      scales[filled + row] = maximum / int8Range;
      inverse[row] = maximum > 0 ? int8Range / maximum : 0;
    }
    // Tiles keep both the row-wise reads and the column-wise writes within the processor's cache.
    const tile = 64;
    for (let row0 = 0; row0 < count; row0 += tile) {
      const rowEnd = Math.min(row0 + tile, count);
      for (let column0 = 0; column0 < inputs; column0 += tile) {
        const columnEnd = Math.min(column0 + tile, inputs);
        for (let column = column0; column < columnEnd; column++) {
          const target = column * outputs + filled;
          for (let row = row0; row < rowEnd; row++) {
            packed[target + row] = Math.round(values[row * inputs + column]! * inverse[row]!);
          }
        }
      }
    }
  }

  private addInt4(values: Float32Array, count: number): void {
    const { inputs, scales, filled } = this;
    const packed = this.packed as Uint8Array;
    const firstBlock = (filled * inputs) / int4Block;
    for (let block = 0; block < (count * inputs) / int4Block; block++) {
      const start = block * int4Block;
      // The value of largest magnitude maps to -8, the end of the range that has one step more.
      let extreme = 0;
      for (let i = start; i < start + int4Block; i++) {
        if (Math.abs(values[i]!) > Math.abs(extreme)) extreme = values[i]!;
      }
      const scale = extreme / -8;
      const inverse = scale !== 0 ? 1 / scale : 0;
      scales[firstBlock + block] = scale;
      for (let i = 0; i < int4Block; i += 2) {
        const low = toNibble(values[start + i]! * inverse);
        const high = toNibble(values[start + i + 1]! * inverse);
        packed[((firstBlock + block) * int4Block + i) / 2] = low | (high << 4);
      }
    }
  }
}

function toNibble(steps: number): number {
  return Math.min(15, Math.max(0, Math.round(steps) + 8));
}

function largestMagnitude(values: Float32Array): number {
  let largest = 0;
  for (const value of values) {
    const magnitude = Math.abs(value);
    if (magnitude > largest) largest = magnitude;
  }
  return largest;
}

/** The largest magnitude of a value, or of the sum of two neighbours, of which the first has an even place. */
function largestOfPairs(values: Float32Array): number {
  let largest = largestMagnitude(values);
  for (let i = 1; i < values.length; i += 2) {
    const magnitude = Math.abs(values[i - 1]! + values[i]!);
    if (magnitude > largest) largest = magnitude;
  }
  return largest;
}

function scaleColumns(values: Float32Array, rows: number, scale: Float32Array): void {
  const columns = scale.length;
  for (let row = 0; row < rows; row++) {
    const start = row * columns;
    for (let column = 0; column < columns; column++) values[start + column]! *= scale[column]!;
  }
}

/** Writes values [rows, columns] into columns first .. first + rows - 1 of target [columns, width]. */
function transposeInto<Numbers extends Float32Array | Uint16Array>(
  values: Numbers,
  rows: number,
  columns: number,
  target: Numbers,
  first: number,
  width: number,
): void {
  const tile = 32;
  for (let row0 = 0; row0 < rows; row0 += tile) {
    const rowEnd = Math.min(row0 + tile, rows);
    for (let column0 = 0; column0 < columns; column0 += tile) {
      const columnEnd = Math.min(column0 + tile, columns);
      for (let column = column0; column < columnEnd; column++) {
        for (let row = row0; row < rowEnd; row++) {
          target[column * width + first + row] = values[row * columns + column]!;
        }
      }
    }
  }
}

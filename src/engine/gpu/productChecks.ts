import type { WeightFormat } from "../cpu/packMatrix.ts";
import { halfToFloat } from "../model/float16.ts";
import { type Check, type Fault, farthest, floats, plainRow, sameBits, stepFailures, valueFailures } from "./check.ts";
import type { KernelTrials } from "./kernelTrials.ts";
import { randomFloats, randomOperands } from "./randomOperands.ts";
import { gated, linear, type Operands, qkv, quantizationError } from "./reference.ts";
import type { SelfTestSubject } from "./selfTest.ts";
import { blocksFormat, cacheWords, type LinearShape } from "./targetKernels.ts";

type Bits = Uint32Array<ArrayBuffer>;

/** Rows of every trial: whole tiles of every size. */
const rows = 64;
/** Rows repeat with a period that no tile has, so that equal ones lie at different places of tiles. */
const period = 7;
/** Rows that are compared with the reference; the others must have the bits of their equals. */
const referenceRows = 2;
/** More than one tile of columns, and not a whole number of them. */
const linearOutputs = 70;
const gatedWidth = 48;

/** The linear layers of a model, with each epilogue that they run with. */
export function productChecks(
  trials: KernelTrials,
  { hidden, intermediate, heads, headDim }: SelfTestSubject["config"],
  format: WeightFormat,
): Check[] {
  const shape = (inputs: number, outputs: number) => ({ format: weightFormat(format, inputs), inputs, outputs });
  const down = { ...shape(intermediate, linearOutputs), format: blocksFormat(weightFormat(format, intermediate)) };
  const { heads: groupHeads, kvHeads } = trials.kernels.shape;
  return [
    qkvCheck(trials, shape(hidden, (groupHeads + 2 * kvHeads) * headDim)),
    gatedCheck(trials, shape(hidden, 2 * gatedWidth)),
    linearCheck(trials, shape(heads * headDim, linearOutputs), true),
    linearCheck(trials, down, true),
    linearCheck(trials, shape(hidden, linearOutputs), false),
  ];
}

/** How far the nearest half may be from numbers of this size, and what float32 rounds before. */
function halfRounding(values: Float64Array): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 1) * 2 ** -10;
}

/** As the packer decides: what has no whole int4 blocks keeps 8 bits. */
function weightFormat(format: WeightFormat, inputs: number): WeightFormat {
  return format === "int4" && inputs % 128 !== 0 ? "int8" : format;
}

function linearCheck(trials: KernelTrials, shape: LinearShape, add: boolean): Check {
  const run: Check["run"] = async () => {
    const operands = repeatedOperands(shape, 11);
    const added = add ? repeated(randomFloats(rows * shape.outputs, 12)) : undefined;
    const expected = linear(operands, referenceRows).map((value, i) => value + (added?.[i] ?? 0));
    const results = await inTiles(trials, (tile) => trials.linear(operands, { rows, tile }, added));
    return faults(results, rowOf, (bits) => valueFailures(farthest(floats(bits), expected)));
  };
  return { kernel: `linear ${shape.format}`, run };
}

function gatedCheck(trials: KernelTrials, shape: LinearShape): Check {
  const width = shape.outputs / 2;
  const run: Check["run"] = async () => {
    const operands = repeatedOperands(shape, 21);
    const expected = gated(operands, referenceRows);
    const results = await inTiles(trials, (tile) => trials.gated(operands, { rows, tile }));
    return faults(results, rowOf, (bits) => {
      if (!trials.kernels.quantize) return valueFailures(farthest(floats(bits), expected));
      const wanted = (row: number) => expected.subarray(row * width, (row + 1) * width);
      return stepFailures([0, 1].map((row) => quantizationError("int8-blocks", bits, row, wanted(row))));
    });
  };
  return { kernel: `linearGated ${shape.format}`, run };
}

function qkvCheck(trials: KernelTrials, shape: LinearShape): Check {
  const { heads, kvHeads, headDim, slots, cacheFormat } = trials.kernels.shape;
  const run: Check["run"] = async () => {
    const operands = repeatedOperands(shape, 13);
    const list = Array.from({ length: rows }, (_, i) => ({ ...plainRow(i % period), slot: (i * 37) % slots }));
    const rotary = randomFloats(rows * headDim, 14);
    const expected = qkv(operands, list.slice(0, referenceRows), rotary, { headDim, kvHeads });
    const results = await inTiles(trials, async (tile) => {
      const { queries, cache } = await trials.qkv(operands, list, rotary, tile);
      return joined(queries, cache);
    });
    const width = heads * headDim;
    const kv = cacheWords(trials.kernels.shape);
    const queriesOf = (bits: Bits, row: number): Bits => bits.subarray(row * width, (row + 1) * width);
    const keysAndValuesOf = (bits: Bits, row: number): Bits => {
      const at = (part: number) => rows * width + (part * slots + list[row]!.slot) * kv;
      return joined(bits.subarray(at(2), at(2) + kv), bits.subarray(at(3), at(3) + kv));
    };
    const stored = (bits: Bits, row: number): Bits => joined(queriesOf(bits, row), keysAndValuesOf(bits, row));
    const isHalf = cacheFormat === "float16";
    return faults(results, stored, (bits) =>
      Array.from({ length: referenceRows }, (_, row) => {
        const wanted = expected.subarray(row * shape.outputs, (row + 1) * shape.outputs);
        const kept = keysAndValuesOf(bits, row);
        const values = isHalf
          ? Float32Array.from(new Uint16Array(kept.buffer), (half) => halfToFloat[half]!)
          : floats(kept);
        const wantedValues = wanted.subarray(width);
        return [
          ...valueFailures(farthest(floats(queriesOf(bits, row).slice()), wanted.subarray(0, width))),
          ...valueFailures(farthest(values, wantedValues), isHalf ? halfRounding(wantedValues) : undefined),
        ];
      }).flat(),
    );
  };
  return { kernel: `linearQkv ${shape.format}`, run };
}

/** A trial with every tile that the device has room for; what fails to run is that tile's fault alone. */
async function inTiles(trials: KernelTrials, trial: (tile: number) => Promise<Bits>) {
  return await Promise.all(
    trials.kernels.tiles.map(async (tile) => {
      try {
        return { tile, bits: await trial(tile) };
      } catch (error) {
        return { tile, error: error instanceof Error ? error.message : String(error) };
      }
    }),
  );
}

/** @param rowOf a row of the results */
function faults(
  results: Awaited<ReturnType<typeof inTiles>>,
  rowOf: (bits: Bits, row: number) => Bits,
  check: (bits: Bits) => readonly Fault[],
): Fault[] {
  const first = results[0]!;
  return results.flatMap(({ tile, bits, error }): Fault[] => {
    if (bits === undefined) return [{ fault: "error", tile, message: error ?? "no result" }];
    const found = check(bits).map((fault) => ({ ...fault, tile }));
    if (first.bits !== undefined && !sameBits(bits, first.bits)) {
      found.push({ fault: "rows", tile, message: `rows have other bits than in tiles of ${first.tile}` });
    } else if (!equalsAgree((row) => rowOf(bits, row))) {
      found.push({ fault: "rows", tile, message: "rows have other bits at other places of a tile" });
    }
    return found;
  });
}

function equalsAgree(row: (index: number) => Bits): boolean {
  for (let i = period; i < rows; i++) if (!sameBits(row(i), row(i % period))) return false;
  return true;
}

/** A row of rows that lie one behind the other. */
function rowOf(bits: Bits, row: number): Bits {
  const width = bits.length / rows;
  return bits.subarray(row * width, (row + 1) * width);
}

function repeatedOperands(shape: LinearShape, seed: number): Operands {
  const operands = randomOperands(shape, rows, seed);
  repeated(operands.input);
  return operands;
}

/** Makes the rows of [rows, any width] repeat. */
function repeated<Numbers extends Float32Array | Uint32Array>(numbers: Numbers): Numbers {
  const width = numbers.length / rows;
  for (let row = period; row < rows; row++) {
    const equal = row % period;
    numbers.copyWithin(row * width, equal * width, (equal + 1) * width);
  }
  return numbers;
}

function joined(...parts: readonly Bits[]): Bits {
  const all = new Uint32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

import type { WeightFormat } from "../cpu/packMatrix.ts";
import { type Check, type Fault, farthest, floats, plainRow, sameBits, stepFailures, valueFailures } from "./check.ts";
import type { KernelTrials } from "./kernelTrials.ts";
import { randomFloats, randomOperands } from "./randomOperands.ts";
import { gated, linear, qkv, quantizationError } from "./reference.ts";
import type { SelfTestSubject } from "./selfTest.ts";
import { blocksFormat, type LinearShape, tileSizes } from "./targetKernels.ts";

type Bits = Uint32Array<ArrayBuffer>;

/** Rows of every trial: whole tiles of every size. */
const rows = 64;
/** Rows that are compared with the reference; the others must have the bits that they have in other tiles. */
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

/** As the packer decides: what has no whole int4 blocks keeps 8 bits. */
function weightFormat(format: WeightFormat, inputs: number): WeightFormat {
  return format === "int4" && inputs % 128 !== 0 ? "int8" : format;
}

function linearCheck(trials: KernelTrials, shape: LinearShape, add: boolean): Check {
  const run: Check["run"] = async () => {
    const operands = randomOperands(shape, rows, 11);
    const added = add ? randomFloats(rows * shape.outputs, 12) : undefined;
    const expected = linear(operands, referenceRows).map((value, i) => value + (added?.[i] ?? 0));
    const results = await inTiles(trials, (tile) => trials.linear(operands, { rows, tile }, added));
    return faults(results, (bits) => valueFailures(farthest(floats(bits), expected)));
  };
  return { kernel: `linear ${shape.format}`, run };
}

function gatedCheck(trials: KernelTrials, shape: LinearShape): Check {
  const width = shape.outputs / 2;
  const run: Check["run"] = async () => {
    const operands = randomOperands(shape, rows, 21);
    const expected = gated(operands, referenceRows);
    const results = await inTiles(trials, (tile) => trials.gated(operands, { rows, tile }));
    return faults(results, (bits) => {
      if (!trials.kernels.quantize) return valueFailures(farthest(floats(bits), expected));
      const wanted = (row: number) => expected.subarray(row * width, (row + 1) * width);
      return stepFailures([0, 1].map((row) => quantizationError("int8-blocks", bits, row, wanted(row))));
    });
  };
  return { kernel: `linearGated ${shape.format}`, run };
}

function qkvCheck(trials: KernelTrials, shape: LinearShape): Check {
  const { heads, kvHeads, headDim, slots } = trials.kernels.shape;
  const run: Check["run"] = async () => {
    const operands = randomOperands(shape, rows, 13);
    const list = Array.from({ length: rows }, (_, i) => ({ ...plainRow(i), slot: (i * 37) % slots }));
    const rotary = randomFloats(rows * headDim, 14);
    const expected = qkv(operands, list.slice(0, referenceRows), rotary, { headDim, kvHeads });
    const results = await inTiles(trials, async (tile) => {
      const { queries, cache } = await trials.qkv(operands, list, rotary, tile);
      return joined(queries, cache);
    });
    const kv = kvHeads * headDim;
    const cacheStart = rows * heads * headDim;
    return faults(results, (bits) => {
      const values = floats(bits);
      const stored = list.slice(0, referenceRows).flatMap(({ slot }, row) => {
        const at = (part: number) => cacheStart + (part * slots + slot) * kv;
        return [
          ...values.subarray(row * heads * headDim, (row + 1) * heads * headDim),
          ...values.subarray(at(2), at(2) + kv),
          ...values.subarray(at(3), at(3) + kv),
        ];
      });
      return valueFailures(farthest(Float32Array.from(stored), expected));
    });
  };
  return { kernel: `linearQkv ${shape.format}`, run };
}

/** A trial with every tile that the device has room for; what fails to run is that tile's fault alone. */
async function inTiles(trials: KernelTrials, trial: (tile: number) => Promise<Bits>) {
  const tiles = tileSizes.filter((tile) => tile <= trials.kernels.largestTile);
  return await Promise.all(
    tiles.map(async (tile) => {
      try {
        return { tile, bits: await trial(tile) };
      } catch (error) {
        return { tile, error: error instanceof Error ? error.message : String(error) };
      }
    }),
  );
}

function faults(results: Awaited<ReturnType<typeof inTiles>>, check: (bits: Bits) => readonly Fault[]): Fault[] {
  const single = results[0]!.bits;
  return results.flatMap(({ tile, bits, error }): Fault[] => {
    if (bits === undefined) return [{ fault: "error", tile, message: error ?? "no result" }];
    const found = check(bits).map((fault) => ({ ...fault, tile }));
    if (single !== undefined && !sameBits(bits, single)) {
      found.push({ fault: "rows", tile, message: "rows have other bits than one by one" });
    }
    return found;
  });
}

function joined(a: Bits, b: Bits): Bits {
  const both = new Uint32Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

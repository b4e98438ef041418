import assert from "node:assert/strict";
import { KernelTrials } from "../../src/engine/gpu/kernelTrials.ts";
import type { OperandNumbers } from "../../src/engine/gpu/randomOperands.ts";
import { gated, linear, noSlot, qkv, quantizationError, type Row } from "../../src/engine/gpu/reference.ts";
import {
  ForwardKernels,
  hasFloats,
  type LinearShape,
  type ProductFormat,
  tileSizes,
} from "../../src/engine/gpu/targetKernels.ts";
import { poison } from "../../src/engine/gpu/trial.ts";
import { assertClose } from "../unit/cpu/numbers.ts";
import { randomFloats, randomOperands } from "./freshRandom.ts";
import { Rig } from "./rig.ts";

const rowCounts = [1, 2, 3, 5, 7, 8, 16, 31, 64, 65];
/** Rows of the largest number of whole tiles. */
const mostRows = 128;

/** No multiples of a tile's columns; inputs of one step, and of more steps than a tile has slices. */
const linearShapes: readonly LinearShape[] = [
  { format: "int8", inputs: 16, outputs: 1 },
  { format: "int8", inputs: 208, outputs: 70 },
  { format: "int8-blocks", inputs: 32, outputs: 65 },
  { format: "int8-blocks", inputs: 224, outputs: 130 },
  { format: "int4", inputs: 128, outputs: 63 },
  { format: "int4", inputs: 640, outputs: 70 },
  { format: "int4-blocks", inputs: 128, outputs: 2 },
  { format: "int4-blocks", inputs: 640, outputs: 129 },
  { format: "float16", inputs: 4, outputs: 3 },
  { format: "float16", inputs: 52, outputs: 131 },
  { format: "float32", inputs: 4, outputs: 3 },
  { format: "float32", inputs: 52, outputs: 131 },
];
const gatedShapes = linearShapes
  .filter(({ format, inputs }) => !format.endsWith("-blocks") && inputs > 50)
  .map((shape) => ({ ...shape, outputs: 2 * 81 }));

describe("kernels of products", function () {
  this.timeout(120_000);
  let rig: Rig;
  before(async () => {
    rig = await Rig.open();
  });
  after(() => rig.close());

  function trialsFor(format: ProductFormat, headDim = 16): KernelTrials {
    const shape = { heads: 4, kvHeads: 2, headDim, slots: 70, blocks: 1 };
    return new KernelTrials(rig.device, new ForwardKernels(rig.compiler, shape, !hasFloats(format)));
  }

  for (const shape of linearShapes) {
    const { format, inputs, outputs } = shape;
    it(`linear ${format}, ${inputs} x ${outputs}: sums that are exact are right to the bit`, async () => {
      const trials = trialsFor(format);
      const operands = randomOperands(shape, mostRows, inputs, exactNumbers(format));
      const expected = linear(operands, 65);
      // What is added stays exact, too.
      const added = randomFloats(mostRows * outputs, 5, 100).map(Math.round);
      for (const rows of rowCounts) {
        const stored = floats(await trials.linear(operands, { rows }));
        const wanted = expected.subarray(0, rows * outputs);
        assertClose(stored.subarray(0, rows * outputs), wanted.map(exact), 0, `${rows} rows`);
        const sum = floats(await trials.linear(operands, { rows }, added.subarray(0, rows * outputs)));
        const wantedSum = wanted.map((value, i) => exact(value) + added[i]!);
        assertClose(sum.subarray(0, rows * outputs), wantedSum, 0, `${rows} rows, added`);
      }
    });
  }

  for (const shape of linearShapes.filter(({ inputs }) => inputs > 50)) {
    it(`linear ${shape.format}: a row has the same bits in tiles of every size`, async () => {
      const trials = trialsFor(shape.format);
      const operands = randomOperands(shape, 64, 7);
      const expected = linear(operands, 3);
      const added = randomFloats(64 * shape.outputs, 9);
      for (const before of [undefined, added]) {
        const results = await Promise.all(tileSizes.map((tile) => trials.linear(operands, { rows: 64, tile }, before)));
        assertSameWords(results);
        const wanted = expected.map((value, i) => value + (before?.[i] ?? 0));
        // Inputs and weights are of the size of 1 and 1 / sqrt(inputs): a few roundings of float32.
        assertClose(floats(results[0]!).subarray(0, wanted.length), wanted, 4e-6, "against the reference");
      }
    });
  }

  for (const shape of gatedShapes) {
    const width = shape.outputs / 2;
    it(`gated ${shape.format}, ${shape.inputs} x ${shape.outputs}: silu and product, quantized for int8`, async () => {
      const trials = trialsFor(shape.format);
      const operands = randomOperands(shape, mostRows, 3);
      const expected = gated(operands, 65);
      for (const rows of rowCounts) {
        const output = await trials.gated(operands, { rows });
        for (let row = 0; row < rows; row++) {
          const wanted = expected.subarray(row * width, (row + 1) * width);
          if (hasFloats(shape.format)) {
            assertClose(floats(output).subarray(row * width, (row + 1) * width), wanted, 4e-6, `row ${row}`);
          } else {
            assertQuantized(quantizationError("int8-blocks", output, row, wanted), `row ${row} of ${rows}`);
          }
        }
      }
    });

    it(`gated ${shape.format}: a row has the same bits in tiles of every size`, async () => {
      const trials = trialsFor(shape.format);
      const operands = randomOperands(shape, 64, 13);
      const results = await Promise.all(tileSizes.map((tile) => trials.gated(operands, { rows: 64, tile })));
      assertSameWords(results);
    });
  }

  it("gated: rows of zeros become zeros, whatever the scale", async () => {
    const trials = trialsFor("int8");
    const shape = { format: "int8", inputs: 32, outputs: 80 } as const;
    const operands = randomOperands(shape, 4, 1, { largest: (row) => (row === 1 ? 0 : 1) });
    operands.input.fill(0, 0, 8);
    const output = await trials.gated(operands, { rows: 4 });
    const zeros = new Float64Array(40);
    for (const row of [0, 1]) assert.equal(quantizationError("int8-blocks", output, row, zeros), 0);
  });

  for (const headDim of [16, 64, 128]) {
    for (const format of ["int8", "int4", "float16", "float32"] as const) {
      it(`qkv ${format}, heads of ${headDim}: rotated and stored where the rows say, exact and the same in every tile`, async () => {
        const trials = trialsFor(format, headDim);
        const shape = { format, inputs: format === "int4" ? 256 : 48, outputs: 8 * headDim };
        const operands = randomOperands(shape, mostRows, headDim, exactNumbers(format));
        const rotary = randomFloats(40 * headDim, 17, 2).map((value) => Math.round(value) / 2);
        for (const count of rowCounts.filter((rows) => rows <= 16 || headDim === 16)) {
          const rows = Array.from({ length: count }, (_, i) => rowAt(i));
          const expected = qkv(operands, rows, rotary, { headDim, kvHeads: 2 });
          assertStored(await trials.qkv(operands, rows, rotary), rows, expected, headDim);
        }
        const random = randomOperands(shape, 64, 19);
        const rows = Array.from({ length: 64 }, (_, i) => rowAt(i));
        const results = [];
        for (const tile of trials.kernels.tiles) {
          results.push(await trials.qkv(random, rows, randomFloats(40 * headDim, 23), tile));
        }
        assertSameWords(results.map(({ queries }) => queries));
        assertSameWords(results.map(({ cache }) => cache));
      });
    }
  }

  function assertStored(
    { queries, cache }: Awaited<ReturnType<KernelTrials["qkv"]>>,
    rows: readonly Row[],
    expected: Float64Array,
    headDim: number,
  ): void {
    const wantedQueries = new Uint32Array(queries.length).fill(poison);
    const wantedCache = new Uint32Array(cache.length).fill(poison);
    const [queryValues, cacheValues] = [floats(wantedQueries), floats(wantedCache)];
    const width = 2 * headDim;
    const slots = 70;
    for (const [i, row] of rows.entries()) {
      if (row.slot === noSlot) continue;
      const all = expected.subarray(8 * headDim * i, 8 * headDim * (i + 1)).map(exact);
      queryValues.set(all.subarray(0, 4 * headDim), i * 4 * headDim);
      cacheValues.set(all.subarray(4 * headDim, 6 * headDim), (2 * slots + row.slot) * width);
      cacheValues.set(all.subarray(6 * headDim), (3 * slots + row.slot) * width);
    }
    assertSameValues(queries, wantedQueries, `queries of ${rows.length} rows`);
    assertSameValues(cache, wantedCache, `cache behind ${rows.length} rows`);
  }
});

/** Row i of a trial; every seventh only fills up its tile. */
function rowAt(i: number): Row {
  const slot = i % 7 === 3 ? noSlot : (i * 37) % 70;
  return { token: 0, position: (i * 11) % 40, region: 0, contiguous: 0, path: 0, slot };
}

/** Powers of two, or what becomes one beside the 1/127 of int8 rows: no sum or product needs more than float32's 24 bits. */
function exactNumbers(format: ProductFormat): Partial<OperandNumbers> {
  const weightScale = {
    int8: (column: number) => 127 * 2 ** -(column % 2),
    "int8-blocks": (column: number) => 2 ** -(column % 2),
    int4: () => 127 / 16,
    "int4-blocks": (index: number) => 2 ** -(4 + (index % 2)),
    float16: () => 1,
    float32: () => 1,
  }[format];
  return {
    largest: (row) => 2 ** (row % 3),
    blockScale: (index) => 2 ** (index % 2),
    weightScale,
    bias: (column) => ((column % 17) - 8) / 2,
    value: (random) => Math.round(random * 8),
  };
}

/** The value itself, where it has at most 20 binary places: the reference divides by 127. */
function exact(value: number): number {
  return Math.round(value * 2 ** 20) / 2 ** 20;
}

function floats(words: Uint32Array<ArrayBuffer>): Float32Array {
  return new Float32Array(words.buffer);
}

/** Beyond half a step only what float32 and exp round before: a thousandth at 127 steps. */
function assertQuantized(error: number, what: string): void {
  assert.ok(error <= 0.5 + 1e-3, `${what}: off by ${error} steps`);
}

function assertSameWords(results: readonly Uint32Array[]): void {
  for (const [i, result] of results.entries()) {
    const place = result.findIndex((word, at) => word !== results[0]![at]);
    assert.ok(place < 0, `tile of ${tileSizes[i]}: other bits than a tile of 1 at ${place} of ${result.length}`);
  }
}

/** Equal to the bit, zeros of either sign alike. */
function assertSameValues(actual: Uint32Array<ArrayBuffer>, expected: Uint32Array<ArrayBuffer>, what: string): void {
  const [a, b] = [floats(actual), floats(expected)];
  const place = actual.findIndex((word, i) => word !== expected[i] && a[i] !== b[i]);
  assert.ok(place < 0, `${what}: ${a[place]} instead of ${b[place]} at ${place} of ${actual.length}`);
}

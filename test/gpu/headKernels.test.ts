import assert from "node:assert/strict";
import { encodeTiles } from "../../src/engine/gpu/draftReference.ts";
import { draftTiles, HeadKernels, type HeadShape } from "../../src/engine/gpu/headKernels.ts";
import { normed, quantizeRows, route, times } from "../../src/engine/gpu/headReference.ts";
import type { Kernel } from "../../src/engine/gpu/kernels.ts";
import { encodeRows } from "../../src/engine/gpu/kernelTrials.ts";
import { embed, inputRow, noSlot, type Operands, quantizationError } from "../../src/engine/gpu/reference.ts";
import { ForwardKernels, tileSizes } from "../../src/engine/gpu/targetKernels.ts";
import { Trial, type Words } from "../../src/engine/gpu/trial.ts";
import { assertClose } from "../unit/cpu/numbers.ts";
import { randomFloats, randomOperands, randomWords } from "./freshRandom.ts";
import { Rig } from "./rig.ts";

const rows = 64;
const epsilon = 1e-5;
const experts = 3;
const intermediate = 64;
/** Less than a tile of columns, no whole number of them, and several tiles. */
const widths = [32, 96, 160];
/** Of kernels that hold both lists of a row. */
const mixTiles = tileSizes.filter((size) => size <= 16);

describe("kernels of the draft head", function () {
  this.timeout(180_000);
  let rig: Rig;
  before(async () => {
    rig = await Rig.open();
  });
  after(() => rig.close());

  function kernelsOf(shape: HeadShape, quantize: boolean): { readonly own: HeadKernels; readonly all: ForwardKernels } {
    const attention = { heads: 2, kvHeads: 1, headDim: 16, slots: 8, blocks: 1 };
    const all = new ForwardKernels(rig.compiler, attention, quantize);
    return { own: new HeadKernels(all, shape), all };
  }

  /** One dispatch over inputs and outputs, in the order of the kernel's bindings; outputs are poisoned, unless they hold something. */
  async function run(
    kernel: Kernel,
    buffers: readonly (Words | { readonly output: number } | { readonly changed: Words })[],
    ...workgroups: [number, number]
  ): Promise<Uint32Array<ArrayBuffer>[]> {
    const trial = new Trial(rig.device);
    try {
      const made = buffers.map((buffer) =>
        "output" in buffer
          ? trial.poisoned(buffer.output)
          : trial.buffer("changed" in buffer ? buffer.changed : buffer),
      );
      const results = made.filter((_, i) => "output" in buffers[i]! || "changed" in buffers[i]!);
      return await trial.run([trial.dispatch(kernel, made, ...workgroups)], results);
    } finally {
      trial.release();
    }
  }

  for (const quantize of [true, false]) {
    const format = quantize ? ("int8-blocks" as const) : ("float32" as const);
    const mode = quantize ? "int8" : "float32";
    /** Rows as a product reads them, and the numbers that they stand for. */
    const rowsOf = (values: Float32Array<ArrayBuffer>, width: number) => {
      const words = quantize ? quantizeRows(values, width) : new Uint32Array(values.buffer);
      const numbers = Array.from(
        { length: values.length / width },
        (_, row) => inputRow(format, width, words, row).values,
      );
      return { words, numbers };
    };
    const assertRows = (words: Uint32Array<ArrayBuffer>, expected: readonly ArrayLike<number>[], what: string) => {
      for (const [row, values] of expected.entries()) {
        const wanted = Float64Array.from(values);
        if (quantize) assert.ok(quantizationError(format, words, row, wanted) <= 0.51, `${what} of row ${row}`);
        else assertClose(inputRow(format, wanted.length, words, row).values, wanted, 1e-4, `${what} of row ${row}`);
      }
    };

    for (const hidden of quantize ? widths : [96]) {
      const shape: HeadShape = { kind: "jakiro", hidden, intermediate, experts, rmsEpsilon: epsilon };
      const columnTiles = Math.ceil(hidden / 64);

      it(`fc ${mode}, width ${hidden}: embedding beside the feature that each row carries on`, async () => {
        const vocabulary = 11;
        const scale = quantize ? 0.25 : 1;
        const operands = randomOperands({ format, inputs: 2 * hidden, outputs: hidden }, rows, hidden);
        const features = rowsOf(randomFloats(9 * hidden, 2), hidden);
        const table = quantize
          ? randomWords((vocabulary * hidden) / 4, 3)
          : new Uint32Array(randomFloats(vocabulary * hidden, 3).buffer);
        const scales = quantize ? randomFloats((vocabulary * hidden) / 32, 4, 0.01) : undefined;
        const list = Array.from({ length: rows }, (_, i) => ({ token: (5 * i) % 11, feature: (7 * i) % 9 }));
        const encoded = encodeRows(
          list.map(({ token }) => ({ token, position: 0, region: 0, contiguous: 0, path: 0, slot: 0 })),
          rows,
        );
        for (const [i, { feature }] of list.entries()) encoded[8 * i + 7] = feature;
        // A row that only fills up its tile names nothing that exists.
        const filler = 13;
        encoded.set([noSlot, 0, 0, 0, 0, noSlot, 0, noSlot], 8 * filler);
        const expected = times(
          list.map(({ token, feature }) => [
            ...embed(table, scales, hidden, token),
            ...features.numbers[feature]!.map((value) => value * scale),
          ]),
          operands,
        );
        const { own } = kernelsOf(shape, quantize);
        const stride = quantize ? quantizeRows(new Float32Array(hidden), hidden).length : hidden;
        const results = [];
        for (const tile of tileSizes) {
          const kernel = await own.fc(operands.shape, tile, scale);
          const [packed, kept] = await run(
            kernel,
            [
              features.words,
              operands.weights,
              operands.columns,
              { output: rows * stride },
              { output: rows * hidden },
              encoded,
              table,
              scales ?? new Float32Array(1),
            ],
            columnTiles,
            rows / tile,
          );
          results.push({ packed: packed!, kept: kept! });
        }
        const { packed, kept } = results[0]!;
        const values = new Float32Array(kept.buffer);
        for (const [row, wanted] of expected.entries()) {
          if (row === filler) continue;
          assertClose(values.subarray(row * hidden, (row + 1) * hidden), wanted, 2e-5, `row ${row}`);
        }
        const keptRows = Array.from({ length: rows }, (_, row) => values.subarray(row * hidden, (row + 1) * hidden));
        if (quantize) assertRows(packed, keptRows, "quantized values");
        assertSame(results.map((result) => result.kept));
        assertSame(results.map((result) => result.packed));
      });

      for (const kind of ["jakiro", "eagle"] as const) {
        it(`normed ${mode}, width ${hidden}, ${kind}: residual, next input, squares and gates`, async () => {
          const gates = kind === "eagle" ? 0 : experts + 2;
          const inputFormat = quantize ? ("int8" as const) : ("float32" as const);
          const operands = randomOperands({ format: inputFormat, inputs: 48, outputs: hidden }, rows, 7);
          const residual = randomFloats(rows * hidden, 8, 2);
          const gains = randomFloats(hidden, 9).map((value) => 1 + value / 2);
          const router = randomFloats(Math.max(1, hidden * gates), 10);
          const added = times(
            Array.from({ length: rows }, (_, row) => inputRow(inputFormat, 48, operands.input, row).values),
            operands,
          );
          const { own } = kernelsOf({ ...shape, kind }, quantize);
          const stride = quantize ? quantizeRows(new Float32Array(hidden), hidden).length : hidden;
          const perRow = columnTiles * (gates + 1);
          const results = [];
          for (const tile of tileSizes) {
            results.push(
              await run(
                await own.normed(operands.shape, tile),
                [
                  operands.input,
                  operands.weights,
                  operands.columns,
                  { changed: residual },
                  gains,
                  router,
                  { output: rows * stride },
                  { output: rows * perRow },
                ],
                columnTiles,
                rows / tile,
              ),
            );
          }
          const [sums, next, parts] = results[0]!.map((words) => new Float32Array(words.buffer));
          for (let row = 0; row < rows; row++) {
            const own = sums!.subarray(row * hidden, (row + 1) * hidden);
            const wanted = added[row]!.map((value, i) => value + residual[row * hidden + i]!);
            assertClose(own, wanted, 2e-5, `residual of row ${row}`);
            const expected = normed(own, gains, gates === 0 ? new Float32Array(0) : router, epsilon);
            const total = (part: number) =>
              Array.from({ length: columnTiles }, (_, t) => parts![row * perRow + t * (gates + 1) + part]!).reduce(
                (a, b) => a + b,
              );
            const factor = 1 / Math.sqrt(total(0) / hidden + epsilon);
            assert.ok(Math.abs(factor / expected.factor - 1) < 1e-5, `factor of row ${row}`);
            const found = expected.gates.map((_, g) => total(g + 1) * factor);
            assertClose(found, expected.gates, 1e-4, `gates of row ${row}`);
          }
          const nexts = Array.from({ length: rows }, (_, row) =>
            Array.from({ length: hidden }, (_, i) => sums![row * hidden + i]! * gains[i]!),
          );
          assertRows(new Uint32Array(next!.buffer), nexts, "next input");
          for (const output of [0, 1, 2]) assertSame(results.map((result) => result[output]!));
        });
      }

      it(`gates and ups ${mode}, width ${hidden}: of the rows that are picked, with their factors`, async () => {
        const count = 61;
        const width = experts * intermediate;
        const operands = randomOperands({ format, inputs: hidden, outputs: 2 * width }, rows, 12);
        const { words, numbers } = rowsOf(randomFloats(20 * hidden, 13), hidden);
        const picks = Uint32Array.from({ length: count }, (_, i) => (i * 3) % 20);
        const gateCount = experts + 2;
        const parts = randomFloats(20 * columnTiles * (gateCount + 1), 14).map((value) => 8 * (1.1 + value));
        const factorOf = (row: number) => {
          const squares = Array.from(
            { length: columnTiles },
            (_, t) => parts[(row * columnTiles + t) * (gateCount + 1)]!,
          ).reduce((a, b) => a + b);
          return 1 / Math.sqrt(squares / hidden + epsilon);
        };
        const products = times(
          Array.from(picks, (row) => numbers[row]!.map((value) => value * factorOf(row))),
          withoutBias(operands),
        );
        const expected = products.map((both) =>
          Array.from({ length: width }, (_, i) => (both[i]! / (1 + Math.exp(-both[i]!))) * both[width + i]!),
        );
        const { own, all } = kernelsOf(shape, quantize);
        const stride = quantize ? quantizeRows(new Float32Array(width), width).length : width;
        const results = [];
        for (const tile of tileSizes) {
          const [gated] = await run(
            await own.gated(operands.shape, tile, count),
            [words, operands.weights, operands.columns, { output: rows * stride }, picks, parts],
            all.gatedGroups(operands.shape),
            rows / tile,
          );
          results.push(gated!);
        }
        assertRows(results[0]!, expected, "gated");
        assertSame(results);
      });

      for (const kind of ["jakiro", "jakiro-star", "eagle"] as const) {
        it(`mixture ${mode}, width ${hidden}, ${kind}: both lists on top of the residual stream`, async () => {
          const own: HeadShape = { ...shape, kind, experts: kind === "eagle" ? 0 : experts };
          const count = 19;
          const list = kind === "eagle" ? [0] : [...Array(experts).keys()];
          const lists = kind === "eagle" ? 1 : 2;
          const gateCount = kind === "eagle" ? 0 : experts + 2;
          const gated = rowsOf(randomFloats(count * list.length * intermediate, 15), list.length * intermediate);
          const downs = list.map((e) => randomOperands({ format, inputs: intermediate, outputs: hidden }, 1, 20 + e));
          const base = randomFloats(30 * hidden, 16, 2);
          const picks = Uint32Array.from({ length: count }, (_, i) => (i * 7) % 30);
          const parts = randomFloats(30 * columnTiles * (gateCount + 1), 17, 4);
          for (let at = 0; at < parts.length; at += gateCount + 1) parts[at] = 3 + Math.abs(parts[at]!);
          const factors = randomFloats(hidden, 18).map((value) => 1 + value / 2);
          const columns = Float32Array.from([
            ...downs.flatMap(({ columns: pairs }) =>
              [...pairs].filter((_, i) => i % 2 === 0).map((x) => (quantize ? x : 1)),
            ),
            ...factors,
          ]);
          const expected = Array.from({ length: lists * count }, (_, place) => {
            const row = place % count;
            const sum = (part: number) =>
              Array.from(
                { length: columnTiles },
                (_, t) => parts[(picks[row]! * columnTiles + t) * (gateCount + 1) + part]!,
              ).reduce((a, b) => a + b);
            const factor = 1 / Math.sqrt(sum(0) / hidden + epsilon);
            const gates = Array.from({ length: gateCount }, (_, g) => sum(g + 1) * factor);
            const weights = kind === "eagle" ? [[1]] : route(gates, kind === "jakiro-star");
            const own = weights[Math.floor(place / count)]!;
            const values = Array.from(base.subarray(picks[row]! * hidden, (picks[row]! + 1) * hidden));
            for (const [e, down] of downs.entries()) {
              const x = gated.numbers[row]!.subarray(e * intermediate, (e + 1) * intermediate);
              const product = times([x], withoutBias(down))[0]!;
              for (let i = 0; i < hidden; i++) values[i]! += own[e]! * product[i]!;
            }
            return values.map((value, i) => value * factors[i]!);
          });
          const weights = new Uint32Array(downs.flatMap(({ weights: words }) => [...words]));
          const { own: kernels } = kernelsOf(own, quantize);
          const stride = quantize ? quantizeRows(new Float32Array(hidden), hidden).length : hidden;
          const results = [];
          for (const tile of mixTiles) {
            // Rows of a tile are read beyond the last one.
            const padded = new Uint32Array((gated.words.length / count) * 32);
            padded.set(gated.words);
            const [mixed] = await run(
              await kernels.mix(tile, count),
              [padded, weights, columns, base, picks, parts, { output: lists * count * stride }],
              columnTiles,
              Math.ceil(count / tile),
            );
            results.push(mixed!);
          }
          assertRows(results[0]!, expected, "mixture");
          assertSame(results);
        });
      }
    }

    for (const [vocabulary, branching] of [
      [1, 1],
      [70, 16],
      [257, 7],
    ] as const) {
      it(`best ${branching} of ${vocabulary}, ${mode}: what whole rows of logits hold, in tiles of every size`, async () => {
        const operands = randomOperands({ format, inputs: 64, outputs: vocabulary }, rows, 30);
        // Some columns alike, so that the smaller id must win.
        for (const at of operands.columns.keys()) {
          if (at >= 80 && at < 90) operands.columns[at] = operands.columns[at - 2]!;
        }
        const { own, all } = kernelsOf(
          { kind: "jakiro", hidden: 64, intermediate, experts, rmsEpsilon: epsilon },
          quantize,
        );
        const { shape, input, weights, columns } = operands;
        const results = [];
        let logits: Uint32Array<ArrayBuffer> | undefined;
        for (const tile of tileSizes) {
          const groups = [all.linearGroups(shape), rows / tile] as const;
          const whole = [input, weights, columns, { output: rows * vocabulary }];
          [logits] = await run(await all.linear(shape, tile, false), whole, ...groups);
          const tiles = rows * draftTiles(vocabulary);
          const outputs = [{ output: tiles * branching * 2 }, { output: tiles * 2 }];
          results.push(
            await run(await own.best(shape, tile, branching), [input, weights, columns, ...outputs], ...groups),
          );
        }
        const expected = encodeTiles(new Float32Array(logits!.buffer), vocabulary, branching);
        const [best, masses] = results[0]!;
        // Places without a number keep the id of a column; only their key is read.
        const entries = (words: Uint32Array) =>
          [...words].map((word, i) => (i % 2 === 1 && words[i - 1] === 0 ? 0 : word));
        assert.deepEqual(entries(best!), entries(expected.best));
        assertClose(new Float32Array(masses!.buffer), expected.masses, 2e-5, "masses");
        assertSame(results.map((result) => result[0]!));
        assertSame(results.map((result) => result[1]!));
      });
    }
  }
});

function withoutBias(operands: Operands): Operands {
  return { ...operands, columns: operands.columns.map((value, i) => (i % 2 === 1 ? 0 : value)) };
}

function assertSame(results: readonly Uint32Array[]): void {
  for (const [i, result] of results.entries()) {
    const place = result.findIndex((word, at) => word !== results[0]![at]);
    assert.ok(place < 0, `tile of ${tileSizes[i]}: other bits than a tile of 1 at ${place} of ${result.length}`);
  }
}

import assert from "node:assert/strict";
import { KernelTrials } from "../../src/engine/gpu/kernelTrials.ts";
import { attention, noSlot, quantizationError, type Row } from "../../src/engine/gpu/reference.ts";
import { attentionBlock, ForwardKernels, inputWords } from "../../src/engine/gpu/targetKernels.ts";
import { poison } from "../../src/engine/gpu/trial.ts";
import { assertClose } from "../unit/cpu/numbers.ts";
import { randomFloats } from "./freshRandom.ts";
import { Rig } from "./rig.ts";

interface Shape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

/** Groups of one, of several and of all heads; a head of one quad; a width that is no multiple of 16. */
const shapes: readonly Shape[] = [
  { heads: 3, kvHeads: 3, headDim: 4 },
  { heads: 6, kvHeads: 2, headDim: 12 },
  { heads: 7, kvHeads: 1, headDim: 64 },
];

describe("kernels of attention", function () {
  this.timeout(120_000);
  let rig: Rig;
  before(async () => {
    rig = await Rig.open();
  });
  after(() => rig.close());

  function trialsFor(shape: Shape, slots: number, quantize: boolean): KernelTrials {
    const blocks = Math.ceil(slots / attentionBlock);
    return new KernelTrials(rig.device, new ForwardKernels(rig.compiler, { ...shape, slots, blocks }, quantize));
  }

  /** Every row against the reference, as float32 and quantized; rows without a slot must write nothing. */
  async function check(shape: Shape, slots: number, rows: readonly Row[], paths: readonly number[], size = 1) {
    const { heads, kvHeads, headDim } = shape;
    const width = heads * headDim;
    const operands = {
      ...shape,
      slots,
      queries: randomFloats(rows.length * width, 1, size),
      cache: randomFloats(2 * slots * kvHeads * headDim, 2),
      paths: Uint32Array.from(paths.length > 0 ? paths : [0]),
    };
    const trials = trialsFor(shape, slots, false);
    const exact = await trials.attention(operands, rows);
    for (const tile of trials.kernels.attentionTiles)
      assert.deepEqual(await trials.attention(operands, rows, { tile }), exact, `tiles of ${tile}`);
    const steps = await trialsFor(shape, slots, true).attention(operands, rows);
    const stride = inputWords("int8", width);
    for (const [i, row] of rows.entries()) {
      const own = exact.subarray(i * width, (i + 1) * width);
      if (row.slot === noSlot) {
        assert.ok(own.every((word) => word === poison));
        assert.ok(steps.subarray(i * stride, (i + 1) * stride).every((word) => word === poison));
        continue;
      }
      const values = new Float32Array(own.slice().buffer);
      // Means of values of the size of 1. Roundings of scores, which are as large as queries are, move weights as far.
      assertClose(values, attention(operands, row, i), 3e-6 * size, `row ${i} at position ${row.position}`);
      const error = quantizationError("int8", steps, i, Float64Array.from(values));
      assert.ok(error <= 0.5 + 1e-4, `row ${i} is off by ${error} steps`);
    }
  }

  for (const shape of shapes) {
    const name = `${shape.heads} heads on ${shape.kvHeads} of ${shape.headDim}`;
    it(`${name}: one key, and lengths on both sides of a block's end`, async () => {
      const slots = 300;
      const region = 20;
      const rows = [0, 126, 127, 128, 255, 256].map((position) => plainRow(position, region));
      await check(shape, slots, [...rows, { ...plainRow(5, 0), slot: noSlot }], []);
    });

    it(`${name}: a tree's rows see their own ancestors`, async () => {
      const slots = 220;
      // 125 cached tokens from slot 7 on; nodes lie behind them, out of order on their paths.
      const [region, cached] = [7, 125];
      const node = (i: number) => region + cached + i;
      const paths = [[0], [0, 1], [0, 2], [0, 2, 5], [0, 2, 5, 6, 3], [0, 2, 5, 6, 3, 60]];
      const list: number[] = [];
      const rows = paths.map((path) => {
        const own: Row = {
          token: 0,
          position: cached + path.length - 1,
          region,
          contiguous: cached,
          path: list.length,
          slot: node(path.at(-1)!),
        };
        list.push(...path.map(node));
        return own;
      });
      await check(shape, slots, rows, list);
    });
  }

  it("rows of several texts in one tile, in any order, with rows that store nothing between", async () => {
    const shape = shapes[1]!;
    const padding: Row = { ...plainRow(9, 0), slot: noSlot };
    const behind = (position: number, contiguous: number, path: number): Row => ({
      token: 0,
      position,
      region: 140,
      contiguous,
      path,
      slot: 300,
    });
    const rows = [
      ...[padding, plainRow(139, 0), behind(136, 134, 0), padding],
      ...[behind(130, 129, 3), behind(131, 129, 4), plainRow(12, 300), plainRow(127, 0)],
    ];
    await check(shape, 330, rows, [290, 281, 300, 310, 320, 299, 277]);
  });

  it("offers tiles as large as registers and workgroup memory bear", () => {
    const tiles = (heads: number, kvHeads: number, headDim: number) =>
      trialsFor({ heads, kvHeads, headDim }, 300, false).kernels.attentionTiles;
    assert.deepEqual(tiles(3, 3, 16), [8, 4, 2, 1]);
    assert.deepEqual(tiles(14, 2, 64).at(-1), 1);
    assert.equal(Math.max(...tiles(14, 2, 64)) <= 4, true);
    assert.deepEqual(tiles(40, 1, 64), [1]);
  });

  it("4097 keys, and scores that leave one of them", async () => {
    const shape = { heads: 2, kvHeads: 1, headDim: 8 };
    await check(shape, 4100, [plainRow(4096, 0), plainRow(4095, 3)], []);
    await check(shape, 4100, [plainRow(4096, 1)], [], 60);
  });

  it("gives the bits of keys that were cached whatever the slots in which they lie", async () => {
    const shape = shapes[1]!;
    const slots = 400;
    const width = shape.kvHeads * shape.headDim;
    const trials = trialsFor(shape, slots, false);
    const queries = randomFloats(shape.heads * shape.headDim, 4, 2);
    const keys = randomFloats(2 * 140 * width, 5);
    const place = (slotOf: (position: number) => number) => {
      const cache = randomFloats(2 * slots * width, 6);
      for (let part = 0; part < 2; part++) {
        for (let position = 0; position < 140; position++) {
          const from = (part * 140 + position) * width;
          cache.set(keys.subarray(from, from + width), (part * slots + slotOf(position)) * width);
        }
      }
      return cache;
    };
    const whole = plainRow(139, 30);
    const split: Row = { token: 0, position: 139, region: 0, contiguous: 127, path: 2, slot: 399 };
    const splitSlot = (position: number) => (position < 127 ? position : 399 - (139 - position) * 3);
    const paths = [0, 0, ...Array.from({ length: 13 }, (_, i) => splitSlot(127 + i))];
    const operands = { ...shape, slots, queries };
    const plain = await trials.attention(
      { ...operands, cache: place((position) => 30 + position), paths: Uint32Array.of(0) },
      [whole],
    );
    const tree = await trials.attention({ ...operands, cache: place(splitSlot), paths: Uint32Array.from(paths) }, [
      split,
    ]);
    assert.deepEqual(tree, plain);
  });
});

function plainRow(position: number, region: number): Row {
  return { token: 0, position, region, contiguous: position + 1, path: 0, slot: region + position };
}

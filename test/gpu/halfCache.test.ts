import assert from "node:assert/strict";
import { moveAccepted } from "../../src/engine/gpu/acceptReference.ts";
import { GpuTarget } from "../../src/engine/gpu/gpuTarget.ts";
import { KernelTrials } from "../../src/engine/gpu/kernelTrials.ts";
import { PathMove } from "../../src/engine/gpu/pathMove.ts";
import { type CacheFormat, cacheWords, ForwardKernels, tileSizes } from "../../src/engine/gpu/targetKernels.ts";
import { poison, Trial } from "../../src/engine/gpu/trial.ts";
import { halfToFloat } from "../../src/engine/model/float16.ts";
import { rowsAgree } from "../../src/engine/rowCheck.ts";
import { packTiny } from "../engine/scratchTarget.ts";
import { randomFloats, randomOperands, randomWords } from "./freshRandom.ts";
import { Rig } from "./rig.ts";
import { openTestDevice } from "./testDevice.ts";

const slots = 140;
const shape = { heads: 6, kvHeads: 2, headDim: 12, slots, blocks: 2 };
const width = shape.kvHeads * shape.headDim;

describe("keys and values as float16", function () {
  this.timeout(120_000);
  let rig: Rig;
  before(async () => {
    rig = await Rig.open();
  });
  after(() => rig.close());

  const trialsWith = (cacheFormat: CacheFormat) =>
    new KernelTrials(rig.device, new ForwardKernels(rig.compiler, { ...shape, cacheFormat }, true));

  it("are mixed as the same numbers in float32 are, to the bit", async () => {
    // Sign, an exponent around that of 1, and any digits.
    const halves = Uint16Array.from(
      randomWords(2 * slots * width, 1),
      (word) => (word & 0x83ff) | ((12 + (word >>> 30)) << 10),
    );
    const rows = [0, 5, 127, 128, 139].map((position) => {
      return { token: 0, position, region: 0, contiguous: position + 1, path: 0, slot: position };
    });
    const operands = {
      ...shape,
      queries: randomFloats(rows.length * shape.heads * shape.headDim, 2, 2),
      cache: Float32Array.from(halves, (half) => halfToFloat[half]!),
      paths: new Uint32Array(1),
    };
    const expected = await trialsWith("float32").attention(operands, rows);
    assert.deepEqual(await trialsWith("float16").attention(operands, rows), expected);
  });

  it("are each rounded by itself where a row stores them, in tiles of every size", async () => {
    const inputs = 48;
    const outputs = (shape.heads + 2 * shape.kvHeads) * shape.headDim;
    const operands = randomOperands({ format: "int8", inputs, outputs }, 64, 3);
    const rows = Array.from({ length: 64 }, (_, i) => {
      return { token: 0, position: (i * 11) % 40, region: 0, contiguous: 0, path: 0, slot: (i * 37) % slots };
    });
    const rotary = randomFloats(40 * shape.headDim, 4);
    const whole = await trialsWith("float32").qkv(operands, rows, rotary);
    const values = new Float32Array(whole.cache.buffer);
    for (const tile of tileSizes) {
      const { queries, cache } = await trialsWith("float16").qkv(operands, rows, rotary, tile);
      assert.deepEqual(queries, whole.queries);
      const halves = new Uint16Array(cache.buffer);
      for (const [i, value] of values.entries()) {
        if (whole.cache[i] === poison) {
          assert.equal(cache[i >> 1], poison);
          continue;
        }
        const error = Math.abs(halfToFloat[halves[i]!]! - value);
        assert.ok(
          error <= Math.max(Math.abs(value), 2 ** -14) * 2 ** -10,
          `${value} became ${halfToFloat[halves[i]!]}`,
        );
      }
    }
  });

  it("move with the rows that were accepted", async () => {
    const moved = { layers: 1, slots, width: cacheWords({ ...shape, cacheFormat: "float16" }) };
    const cache = randomWords(2 * slots * moved.width, 5);
    const trial = new Trial(rig.device);
    const buffer = trial.buffer(cache);
    const move = await PathMove.create(rig.compiler, buffer, moved);
    move.write(8, [1, 4]);
    const [words] = await trial.run([move.dispatch], [buffer]);
    assert.deepEqual(words, moveAccepted(cache, moved, [{ base: 8, path: [1, 4] }]));
    move.release();
    trial.release();
  });

  it("leave a whole model lossless: a tree has the bits of its paths", async () => {
    const scratch = await packTiny("tiny-qwen2", "int8");
    const options = { capacity: 256, sequences: 1, cacheFormat: "float16" } as const;
    const target = await GpuTarget.load(await openTestDevice(), scratch.checkpoint, scratch.target.packed, options);
    const { layers, kvHeads, headDim } = scratch.checkpoint.config;
    assert.equal(target.cache.size, 2 * layers * 2 * target.slots * kvHeads * headDim);
    assert.ok(await rowsAgree(target.sequence()));
    await target.release();
    await scratch.release();
  });
});

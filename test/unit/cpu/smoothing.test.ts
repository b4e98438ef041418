import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KvCache } from "../../../src/engine/cpu/kvCache.ts";
import { packLayer, readLayer } from "../../../src/engine/cpu/layerWeights.ts";
import { RotaryTable } from "../../../src/engine/cpu/rotary.ts";
import { floatTensor, integerTensor } from "../../../src/engine/cpu/session.ts";
import { divisors, type LayerSmoothing, layerSmoothing } from "../../../src/engine/cpu/smoothing.ts";
import { decodeSmoothing, encodeSmoothing } from "../../../src/engine/cpu/smoothingFile.ts";
import { bodyNames, buildBody } from "../../../src/engine/cpu/targetGraph.ts";
import { treeBias } from "../../../src/engine/cpu/treeMask.ts";
import { MemorySink } from "../../../src/engine/cpu/weightSink.ts";
import { JakiroError } from "../../../src/engine/errors.ts";
import { openGraph } from "./graphs.ts";
import { assertSameBits, normal } from "./numbers.ts";
import { smallConfig as config, randomCheckpoint } from "./randomCheckpoint.ts";

const { hidden, kvHeads, headDim, heads, intermediate } = config;
const rows = 20;

/** The residual stream behind one float32 layer, with or without smoothing folded in, [rows, hidden]. */
async function runLayer(smoothing?: LayerSmoothing): Promise<Float32Array> {
  const sink = new MemorySink();
  const layer = packLayer(sink, "layer", "float32", headDim, readLayer(randomCheckpoint(), 0), smoothing);
  const session = await openGraph(buildBody(config, [layer], undefined), sink);
  const positions = Array.from({ length: rows }, (_, i) => i);
  const parents = positions.map((i) => i - 1);
  const { cos, sin } = new RotaryTable(config.rope, headDim).rows(positions);
  const cache = new KvCache(1, kvHeads, headDim);
  try {
    const results = await session.run({
      [bodyNames.hidden]: floatTensor(normal(rows * hidden, 3), [rows, hidden]),
      [bodyNames.cos]: floatTensor(cos, [rows, headDim / 2]),
      [bodyNames.sin]: floatTensor(sin, [rows, headDim / 2]),
      [bodyNames.rowIndex]: integerTensor(positions, [1, rows]),
      [bodyNames.bias]: floatTensor(treeBias({ tokens: positions, parents }, 0, cache.bucket), [
        rows,
        cache.bucket + rows,
      ]),
      [bodyNames.split]: integerTensor([cache.bucket, rows]),
      [bodyNames.pastKeys(0)]: cache.keys(0),
      [bodyNames.pastValues(0)]: cache.values(0),
    });
    return results[bodyNames.features]!.data as Float32Array;
  } finally {
    await session.release();
  }
}

function randomSmoothing(): LayerSmoothing {
  const vector = (length: number, seed: number) => normal(length, seed).map((value) => Math.exp(value));
  return {
    qkv: vector(hidden, 21),
    o: vector(kvHeads * headDim, 22),
    gateUp: vector(hidden, 23),
    down: vector(intermediate, 24),
  };
}

describe("smoothing", () => {
  it("leaves the function of a float32 layer as it is, to the bit where the divisors are powers of two", async () => {
    const { o, ...others } = randomSmoothing();
    const powers = (vector: Float32Array) => vector.map((value) => 2 ** Math.round(Math.log2(value)));
    const exact = { qkv: powers(others.qkv), gateUp: powers(others.gateUp), down: powers(others.down) };
    const plain = await runLayer();
    assertSameBits(await runLayer({ ...exact, o: new Float32Array(o.length).fill(1) }), plain, "powers of two");

    const size = Math.sqrt(plain.reduce((sum, value) => sum + value * value, 0) / plain.length);
    // Exact attention rounds values to 2^-15, which smoothed values meet at another place.
    for (const smoothing of [
      { ...exact, o },
      { ...others, o },
    ]) {
      const smoothed = await runLayer(smoothing);
      const worst = plain.reduce((error, value, i) => Math.max(error, Math.abs(value - smoothed[i]!)), 0) / size;
      assert.ok(worst > 0 && worst < 3e-4, `off by ${worst} of the output's size`);
    }
  });

  it("evens out activations and weights, and leaves channels that never fire alone", () => {
    const activations = Float32Array.of(16, 1, 0, 5, 0);
    const weights = Float32Array.of(1, 4, 2, 0, 0);
    assert.deepEqual([...divisors(activations, weights)], [4, 0.5, 1, 1, 1]);
  });

  it("shares the divisors of values over the query heads that read them", () => {
    const weights = readLayer(randomCheckpoint(), 0);
    const ranges = {
      qkv: new Float32Array(hidden).fill(1),
      // Only query head 3, which reads value head 1, sees anything.
      o: new Float32Array(heads * headDim).fill(0).fill(8, 3 * headDim),
      gateUp: new Float32Array(hidden).fill(1),
      down: new Float32Array(intermediate).fill(1),
    };
    const smoothing = layerSmoothing(config, ranges, weights);
    assert.equal(smoothing.o.length, kvHeads * headDim);
    assert.ok(smoothing.o.subarray(0, headDim).every((divisor) => divisor === 1));
    const { values } = weights.linear.o;
    for (let channel = 0; channel < headDim; channel++) {
      let largest = 0;
      for (let output = 0; output < hidden; output++) {
        for (const head of [2, 3]) {
          largest = Math.max(largest, Math.abs(values[output * heads * headDim + head * headDim + channel]!));
        }
      }
      const divisor = smoothing.o[headDim + channel]!;
      assert.ok(Math.abs(divisor - Math.sqrt(8 / largest)) < 1e-5 * divisor);
    }
  });

  it("comes back from its file as it went in, and refuses a file that lacks a part", () => {
    const folder = mkdtempSync(join(tmpdir(), "jakiro-"));
    try {
      const path = join(folder, "smoothing.safetensors");
      const smoothing = { layers: [randomSmoothing(), randomSmoothing()], lmHead: normal(hidden, 25) };
      writeFileSync(path, encodeSmoothing(smoothing));
      const read = decodeSmoothing(path);
      assertSameBits(read.lmHead, smoothing.lmHead, "lmHead");
      assert.equal(read.layers.length, 2);
      for (const part of ["qkv", "o", "gateUp", "down"] as const) {
        assertSameBits(read.layers[1]![part], smoothing.layers[1]![part], part);
      }

      const text = Buffer.from(encodeSmoothing(smoothing)).toString("latin1");
      writeFileSync(path, Buffer.from(text.replace("layers.1.down", "layers.1.dawn"), "latin1"));
      assert.throws(
        () => decodeSmoothing(path),
        (error) => error instanceof JakiroError && error.kind === "model" && error.message.includes('"layers.1.down"'),
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

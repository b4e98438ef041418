import assert from "node:assert/strict";
import { bucketFor, KvCache } from "../../../src/engine/cpu/kvCache.ts";
import { uniform } from "../../../src/engine/decoding/random.ts";

const layers = 2;
const kvHeads = 3;
const headDim = 4;

/** The number that stands for one channel of one token: unlike any other's. */
function numberOf(token: number, layer: number, channel: number, isKey: boolean): number {
  return ((token * layers + layer) * kvHeads * headDim + channel) * 2 + (isKey ? 1 : 0);
}

/** A forward's outputs for these tokens, both [kvHeads, rows, headDim]. */
function outputsOf(tokens: readonly number[], layer: number) {
  const rows = tokens.length;
  const keys = new Float64Array(kvHeads * headDim * rows);
  const values = new Float64Array(kvHeads * headDim * rows);
  for (const [row, token] of tokens.entries()) {
    for (let channel = 0; channel < kvHeads * headDim; channel++) {
      const place = (Math.floor(channel / headDim) * rows + row) * headDim + (channel % headDim);
      keys[place] = numberOf(token, layer, channel, true);
      values[place] = numberOf(token, layer, channel, false);
    }
  }
  return { keys, values };
}

function assertHolds(cache: KvCache, tokens: readonly number[]): void {
  const { bucket } = cache;
  assert.equal(cache.tokens, tokens.length);
  assert.ok(bucket >= tokens.length);
  for (let layer = 0; layer < layers; layer++) {
    assert.deepEqual([...cache.keys(layer).dims], [1, kvHeads, headDim, bucket]);
    assert.deepEqual([...cache.values(layer).dims], [1, kvHeads, bucket, headDim]);
    const keys = cache.keys(layer).data as Float64Array;
    const values = cache.values(layer).data as Float64Array;
    for (const [position, token] of tokens.entries()) {
      for (let channel = 0; channel < kvHeads * headDim; channel++) {
        const head = Math.floor(channel / headDim);
        assert.equal(keys[channel * bucket + position], numberOf(token, layer, channel, true));
        const place = (head * bucket + position) * headDim + (channel % headDim);
        assert.equal(values[place], numberOf(token, layer, channel, false));
      }
    }
  }
}

function append(cache: KvCache, rows: readonly number[], chosen: readonly number[]): void {
  cache.reserve(chosen.length);
  for (let layer = 0; layer < layers; layer++) {
    const { keys, values } = outputsOf(rows, layer);
    for (const [i, row] of chosen.entries()) cache.write(layer, i, keys, values, row, rows.length);
  }
  cache.advance(chosen.length);
}

describe("KvCache", () => {
  it("holds what was committed through any sequence of appends and trims, over bucket edges", () => {
    const cache = new KvCache(layers, kvHeads, headDim);
    const held: number[] = [];
    let next = 0;
    for (let step = 0; step < 120; step++) {
      const draw = uniform(1, step);
      if (draw < 0.2) {
        held.length = Math.floor(held.length * uniform(2, step));
        cache.trim(held.length);
      } else {
        const rows = Array.from({ length: 1 + Math.floor(uniform(3, step) * 70) }, () => next++);
        const chosen = [...rows.keys()].filter((row) => uniform(4, step * 100 + row) < 0.7);
        append(cache, rows, chosen);
        for (const row of chosen) held.push(rows[row]!);
      }
      assertHolds(cache, held);
    }
  });

  it("keeps rows that were written but not counted when it grows", () => {
    const cache = new KvCache(layers, kvHeads, headDim);
    const tokens = Array.from({ length: 70 }, (_, i) => i);
    for (const [i, token] of tokens.entries()) {
      cache.reserve(i + 1);
      for (let layer = 0; layer < layers; layer++) {
        const { keys, values } = outputsOf([token], layer);
        cache.write(layer, i, keys, values, 0, 1);
      }
    }
    assert.equal(cache.tokens, 0);
    cache.advance(tokens.length);
    assertHolds(cache, tokens);
  });

  it("gives memory back when little is left", () => {
    const cache = new KvCache(layers, kvHeads, headDim);
    const rows = Array.from({ length: 600 }, (_, i) => i);
    append(cache, rows, rows);
    assert.equal(cache.bucket, 640);
    cache.trim(300);
    assert.equal(cache.bucket, 640);
    cache.trim(10);
    assert.equal(cache.bucket, 64);
    assertHolds(cache, rows.slice(0, 10));
    cache.trim(11);
    assertHolds(cache, rows.slice(0, 10));
  });

  it("grows in steps that hold every length", () => {
    for (let length = 0, last = 0; length < 5000; length++) {
      const bucket = bucketFor(length);
      assert.ok(bucket >= length && bucket - length <= Math.max(64, length / 4), `${bucket} for ${length}`);
      assert.ok(bucket >= last && bucket % 64 === 0);
      last = bucket;
    }
  });
});

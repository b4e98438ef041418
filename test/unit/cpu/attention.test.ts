import type { InferenceSession } from "onnxruntime-node";
import { attentionMask, exactAttention } from "../../../src/engine/cpu/attention.ts";
import { GraphBuilder } from "../../../src/engine/cpu/onnxWriter.ts";
import { doubleTensor, floatTensor, integerTensor } from "../../../src/engine/cpu/session.ts";
import { masked } from "../../../src/engine/cpu/treeMask.ts";
import { uniform } from "../../../src/engine/decoding/random.ts";
import { openGraph } from "./graphs.ts";
import { assertClose, assertSameBits, normal } from "./numbers.ts";

const shape = { heads: 6, kvHeads: 2, headDim: 16 };
const width = shape.heads * shape.headDim;
const kvWidth = shape.kvHeads * shape.headDim;

function buildAttention(): GraphBuilder {
  const g = new GraphBuilder("attention");
  const { kvHeads, headDim } = shape;
  const rotation = {
    cos: g.input("cos", "float32", ["rows", headDim / 2]),
    sin: g.input("sin", "float32", ["rows", headDim / 2]),
    rowIndex: g.input("rowIndex", "int64", [1, "rows"]),
  };
  const mask = attentionMask(g, shape, g.input("bias", "float32", ["rows", "keys"]), g.input("split", "int64", [2]));
  const prefix = {
    keys: g.input("pastKeys", "float64", [1, kvHeads, headDim, "bucket"]),
    values: g.input("pastValues", "float64", [1, kvHeads, "bucket", headDim]),
  };
  const qkv = g.input("qkv", "float32", ["rows", width + 2 * kvWidth]);
  const names = { keys: "newKeys", values: "newValues" };
  g.output(g.rename(exactAttention(g, shape, rotation, mask, prefix, qkv, names), "mixed"), "float32", ["rows", width]);
  return g;
}

/** Queries, keys and values of a text, [tokens, ...]. */
interface Text {
  readonly queries: Float32Array;
  readonly keys: Float32Array;
  readonly values: Float32Array;
}

function randomText(tokens: number, seed: number, size = 1): Text {
  return {
    queries: normal(tokens * width, seed, size),
    keys: normal(tokens * kvWidth, seed + 1, size),
    values: normal(tokens * kvWidth, seed + 2),
  };
}

/** Cached keys and values, [kvHeads, headDim, bucket] and [kvHeads, bucket, headDim]. */
interface Cache {
  readonly bucket: number;
  readonly keys: Float64Array;
  readonly values: Float64Array;
}

/** Of the rows run: [rows, heads * headDim], and keys and values both [kvHeads, rows, headDim]. */
interface Outcome {
  readonly mixed: Float32Array;
  readonly keys: Float64Array;
  readonly values: Float64Array;
}

/** Runs tokens first .. end - 1 on a cache of those before them. */
async function attend(
  session: InferenceSession,
  text: Text,
  first: number,
  end: number,
  cache: Cache,
): Promise<Outcome> {
  const rows = end - first;
  const bias = new Float32Array(rows * (cache.bucket + rows)).fill(masked);
  for (let row = 0; row < rows; row++) {
    const start = row * (cache.bucket + rows);
    bias.fill(0, start, start + first);
    bias.fill(0, start + cache.bucket, start + cache.bucket + row + 1);
  }
  const { kvHeads, headDim } = shape;
  // Queries come divided by sqrt(headDim), and positions do not matter here: nothing is turned.
  const qkv = new Float32Array(rows * (width + 2 * kvWidth));
  for (let row = 0; row < rows; row++) {
    const [start, token] = [row * (width + 2 * kvWidth), first + row];
    const queries = text.queries.subarray(token * width, (token + 1) * width);
    qkv.set(
      queries.map((query) => query / Math.sqrt(headDim)),
      start,
    );
    qkv.set(text.keys.subarray(token * kvWidth, (token + 1) * kvWidth), start + width);
    qkv.set(text.values.subarray(token * kvWidth, (token + 1) * kvWidth), start + width + kvWidth);
  }
  const results = await session.run({
    bias: floatTensor(bias, [rows, cache.bucket + rows]),
    split: integerTensor([cache.bucket, rows]),
    qkv: floatTensor(qkv, [rows, width + 2 * kvWidth]),
    cos: floatTensor(new Float32Array((rows * headDim) / 2).fill(1), [rows, headDim / 2]),
    sin: floatTensor(new Float32Array((rows * headDim) / 2), [rows, headDim / 2]),
    rowIndex: integerTensor(
      Array.from({ length: rows }, (_, i) => i),
      [1, rows],
    ),
    pastKeys: doubleTensor(cache.keys, [1, kvHeads, headDim, cache.bucket]),
    pastValues: doubleTensor(cache.values, [1, kvHeads, cache.bucket, headDim]),
  });
  return {
    mixed: results["mixed"]!.data as Float32Array,
    keys: results["newKeys"]!.data as Float64Array,
    values: results["newValues"]!.data as Float64Array,
  };
}

function emptyCache(bucket: number): Cache {
  const size = kvWidth * bucket;
  // What lies beyond the cached tokens is masked, whatever it is.
  return { bucket, keys: new Float64Array(size).fill(3), values: new Float64Array(size).fill(-7) };
}

/** The cache of the first `count` tokens of a run over the whole text. */
function cacheOf(whole: Outcome, tokens: number, count: number, bucket: number): Cache {
  const { kvHeads, headDim } = shape;
  const cache = emptyCache(bucket);
  for (let head = 0; head < kvHeads; head++) {
    const start = head * tokens * headDim;
    cache.values.set(whole.values.subarray(start, start + count * headDim), head * bucket * headDim);
    for (let token = 0; token < count; token++) {
      for (let channel = 0; channel < headDim; channel++) {
        cache.keys[(head * headDim + channel) * bucket + token] = whole.keys[start + token * headDim + channel]!;
      }
    }
  }
  return cache;
}

/** Softmax attention in float64, as written in every textbook. */
function reference({ queries, keys, values }: Text, tokens: number): Float64Array {
  const { heads, kvHeads, headDim } = shape;
  const result = new Float64Array(tokens * width);
  for (let row = 0; row < tokens; row++) {
    for (let head = 0; head < heads; head++) {
      const kvStart = Math.floor((head * kvHeads) / heads) * headDim;
      const scores = Array.from({ length: row + 1 }, (_, key) => {
        let score = 0;
        for (let c = 0; c < headDim; c++) {
          score += queries[row * width + head * headDim + c]! * keys[key * kvWidth + kvStart + c]!;
        }
        return score / Math.sqrt(headDim);
      });
      const maximum = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - maximum));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      for (let c = 0; c < headDim; c++) {
        const sum = weights.reduce((value, weight, key) => value + weight * values[key * kvWidth + kvStart + c]!, 0);
        result[row * width + head * headDim + c] = sum / total;
      }
    }
  }
  return result;
}

describe("exactAttention", () => {
  let session: InferenceSession;
  before(async () => {
    session = await openGraph(buildAttention());
  });
  after(() => session.release());

  it("is softmax attention with grouped queries", async () => {
    const text = randomText(40, 1);
    const { mixed } = await attend(session, text, 0, 40, emptyCache(64));
    assertClose(mixed, reference(text, 40), 2e-4, "mixed");
  });

  it("gives the same bits however tokens are split between cache and rows, in every bucket", async () => {
    for (let trial = 0; trial < 25; trial++) {
      const tokens = 20 + Math.floor(uniform(trial, 1) * 500);
      // Scores from flat to one that takes all.
      const text = randomText(tokens, 10 * trial, [0.3, 1, 3][trial % 3]);
      const whole = await attend(session, text, 0, tokens, emptyCache(64));
      for (const rows of [1, 2, 5, 9]) {
        const first = tokens - rows;
        for (const bucket of [first + 3, Math.ceil(first / 64) * 64 + 128]) {
          const part = await attend(session, text, first, tokens, cacheOf(whole, tokens, first, bucket));
          const what = `${tokens} tokens, ${rows} of them new, bucket ${bucket}`;
          assertSameBits(part.mixed, whole.mixed.slice(first * width), what);
          for (let head = 0; head < shape.kvHeads; head++) {
            const rowsOf = (all: Float64Array, count: number, start: number) =>
              all.slice((head * count + start) * shape.headDim, (head + 1) * count * shape.headDim);
            assertSameBits(rowsOf(part.keys, rows, 0), rowsOf(whole.keys, tokens, first), `keys, ${what}`);
            assertSameBits(rowsOf(part.values, rows, 0), rowsOf(whole.values, tokens, first), `values, ${what}`);
          }
        }
      }
    }
  });

  it("sums terms that nearly cancel in any order", async () => {
    const tokens = 300;
    const text = randomText(tokens, 5000, 2);
    // Of three tokens two have the same key and opposite large values: what the third adds must not drown in their rounding.
    for (let i = 0; i < tokens * kvWidth; i++) {
      const place = Math.floor(i / kvWidth) % 3;
      if (place === 0) text.values[i]! *= 2000;
      if (place === 1) text.keys[i] = text.keys[i - kvWidth]!;
      if (place === 1) text.values[i] = -text.values[i - kvWidth]!;
      if (place === 2) text.values[i]! *= 1e-3;
    }
    const whole = await attend(session, text, 0, tokens, emptyCache(64));
    for (const first of [1, 77, 150, 291, 299]) {
      const part = await attend(session, text, first, tokens, cacheOf(whole, tokens, first, 320));
      assertSameBits(part.mixed, whole.mixed.slice(first * width), `${first} cached`);
    }
  });
});

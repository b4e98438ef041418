import { linearColumns } from "./targetKernels.ts";

export interface ReferenceCandidates {
  readonly tokens: number[];
  readonly logProbabilities: number[];
}

/** The `count` most probable draft ids of a row as target ids, by sorting everything in float64. */
export function draftTopK(logits: Float32Array, count: number, targets: Uint32Array): ReferenceCandidates {
  const ids = [...logits.keys()].filter((id) => !Number.isNaN(logits[id]));
  ids.sort((a, b) => (logits[a] === logits[b] ? a - b : logits[b]! - logits[a]!));
  const largest = logits[ids[0] ?? 0] ?? 0;
  const total = ids.reduce((sum, id) => sum + Math.exp(logits[id]! - largest), 0);
  const best = ids.slice(0, count);
  return {
    tokens: best.map((id) => targets[id]!),
    logProbabilities: best.map((id) => logits[id]! - largest - Math.log(total)),
  };
}

/** The `count` best draft ids of each tile of a row of logits, -1 where it has fewer numbers, and the tile's part of the softmax. */
export function bestOfTiles(
  logits: Float32Array,
  count: number,
): { readonly ids: number[]; readonly largest: number; readonly sum: number }[] {
  return Array.from({ length: Math.ceil(logits.length / linearColumns) }, (_, tile) => {
    const first = tile * linearColumns;
    const ids = Array.from(logits.subarray(first, first + linearColumns).keys(), (lane) => first + lane);
    const numbers = ids.filter((id) => !Number.isNaN(logits[id]));
    numbers.sort((a, b) => (logits[a] === logits[b] ? a - b : logits[b]! - logits[a]!));
    const largest = logits[numbers[0] ?? 0]!;
    if (!(largest > Number.NEGATIVE_INFINITY)) return { ids: filled(numbers, count), largest: -3e38, sum: 0 };
    const sum = numbers.reduce((total, id) => total + Math.exp(logits[id]! - largest), 0);
    return { ids: filled(numbers, count), largest, sum };
  });
}

function filled(ids: readonly number[], count: number): number[] {
  return Array.from({ length: count }, (_, i) => ids[i] ?? -1);
}

/** Larger floats have larger keys, zeros the same one (kernels/order.wgsl). */
export function orderKey(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value + 0).buffer)[0]!;
  return (bits >= 2 ** 31 ? ~bits : bits | 0x80000000) >>> 0;
}

/** What kernels/linearBest.wgsl leaves of rows of logits: the words of `best` and of `masses`. */
export function encodeTiles(
  logits: Float32Array,
  vocabulary: number,
  count: number,
): { readonly best: Uint32Array; readonly masses: Float32Array } {
  const rows = Array.from({ length: logits.length / vocabulary }, (_, row) =>
    logits.subarray(row * vocabulary, (row + 1) * vocabulary),
  );
  const tiles = rows.flatMap((row) => bestOfTiles(row, count).map((tile) => ({ row, ...tile })));
  const entry = (row: Float32Array, id: number) => (id < 0 ? [0, 0] : [orderKey(row[id]!), id]);
  return {
    best: Uint32Array.from(tiles.flatMap(({ row, ids }) => ids.flatMap((id) => entry(row, id)))),
    masses: Float32Array.from(tiles.flatMap(({ largest, sum }) => [largest, sum])),
  };
}

/** The float that an order key stands for. */
export function orderedValue(key: number): number {
  const bits = key >= 2 ** 31 ? key & 0x7fffffff : ~key;
  return new Float32Array(Uint32Array.of(bits).buffer)[0]!;
}

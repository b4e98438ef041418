import type { GraphBuilder, Value } from "./onnxWriter.ts";

/** Longest block, so that few maxima are left where a width has a large power of two in it. */
const longestBlock = 256;
/** Below this the blocks cost more than they save. */
const shortestBlock = 16;

/**
 * Index of the largest value of each row of x [rows, width] times its scale [rows, 1], which is >= 0 (1 where absent): [rows] int64, ties
 * to the smaller index. The runtime's ArgMax looks at
 * one value at a time, on one core: 0.7 ms for three rows of 150,000, where its ReduceMax takes 0.06. So the block with the maximum
 * is found by the blocks' maxima, and the index within that block alone. Only these are scaled: scaling keeps the order but may round
 * two values into a tie, which must go to the smaller index as it does in rows that were scaled as a whole.
 */
export function rowArgMax(g: GraphBuilder, x: Value, width: number, scale?: Value): Value {
  const scaled = (values: Value) => (scale === undefined ? values : g.node("Mul", [values, scale]));
  const block = blockOf(width);
  if (block < shortestBlock) return g.node("ArgMax", [scaled(x)], { axis: 1, keepdims: 0 });
  const blocks = g.node("Reshape", [x, g.integers([-1, width / block, block])]);
  const maxima = g.node("ReduceMax", [blocks, g.integers([2])], { keepdims: 0 });
  const best = g.node("ArgMax", [scaled(maxima)], { axis: 1, keepdims: 1 }); // [rows, 1]
  const bestBlock = g.node("GatherND", [blocks, best], { batch_dims: 1 });
  const within = g.node("ArgMax", [scaled(bestBlock)], { axis: 1, keepdims: 1 });
  const index = g.node("Add", [g.node("Mul", [best, g.integers([block])]), within]);
  return g.node("Squeeze", [index, g.integers([1])]);
}

/** The largest power of two that divides a width, up to the longest block. */
function blockOf(width: number): number {
  let block = 1;
  while (block < longestBlock && width % (2 * block) === 0) block *= 2;
  return block;
}

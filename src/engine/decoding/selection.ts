import { negativeExp } from "./exponential.ts";

/** Index of the largest value, ties to the smaller index; NaN never wins; 0 where nothing is above -Infinity. */
export function argmax(values: Float32Array): number {
  let best = 0;
  let bestValue = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value > bestValue) {
      bestValue = value;
      best = i;
    }
  }
  return best;
}

/**
 * Writes the indices of the `count` largest values into `indices`, best first, ties to the smaller index; NaN is passed
 * over. Returns how many were found. One pass with a heap of `count` entries: O(n + hits log count).
 */
export function selectLargest(values: Float32Array, count: number, indices: Int32Array): number {
  const wanted = Math.min(count, values.length);
  if (wanted <= 0) return 0;
  let size = 0;
  let next = 0;
  for (; next < values.length && size < wanted; next++) {
    if (!Number.isNaN(values[next]!)) indices[size++] = next;
  }
  for (let i = (size >> 1) - 1; i >= 0; i--) sink(values, indices, i, size);
  let threshold = values[indices[0]!]!;
  for (; next < values.length; next++) {
    // An equal value does not enter: its index is larger.
    if (values[next]! > threshold) {
      indices[0] = next;
      sink(values, indices, 0, size);
      threshold = values[indices[0]!]!;
    }
  }
  for (let end = size - 1; end > 0; end--) {
    const worst = indices[0]!;
    indices[0] = indices[end]!;
    indices[end] = worst;
    sink(values, indices, 0, end);
  }
  return size;
}

/** Restores the heap whose top is the worst entry: smallest value, among equals the largest index. */
function sink(values: Float32Array, heap: Int32Array, start: number, size: number): void {
  const entry = heap[start]!;
  const value = values[entry]!;
  let slot = start;
  for (;;) {
    let child = 2 * slot + 1;
    if (child >= size) break;
    let childEntry = heap[child]!;
    let childValue = values[childEntry]!;
    if (child + 1 < size) {
      const otherEntry = heap[child + 1]!;
      const otherValue = values[otherEntry]!;
      if (otherValue < childValue || (otherValue === childValue && otherEntry > childEntry)) {
        child++;
        childEntry = otherEntry;
        childValue = otherValue;
      }
    }
    if (childValue > value || (childValue === value && childEntry < entry)) break;
    heap[slot] = childEntry;
    slot = child;
  }
  heap[slot] = entry;
}

/**
 * The `count` most probable entries of softmax(logits): indices best first (ties to the smaller index) and natural
 * logarithms of their probabilities over the whole row. Returns how many were written.
 */
export function largestLogProbabilities(
  logits: Float32Array,
  count: number,
  indices: Int32Array,
  logProbabilities: Float64Array,
): number {
  const found = selectLargest(logits, count, indices);
  if (found === 0) return 0;
  const maximum = logits[indices[0]!]!;
  let total = 0;
  for (let i = 0; i < logits.length; i++) {
    total += negativeExp(logits[i]! - maximum);
  }
  const logTotal = Math.log(total);
  for (let i = 0; i < found; i++) logProbabilities[i] = logits[indices[i]!]! - maximum - logTotal;
  return found;
}

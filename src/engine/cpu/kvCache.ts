import type { Tensor } from "onnxruntime-node";
import { doubleTensor } from "./session.ts";

interface LayerCache {
  keys: Float64Array; // [kvHeads, headDim, bucket]
  values: Float64Array; // [kvHeads, bucket, headDim]
  keyTensor: Tensor;
  valueTensor: Tensor;
}

/** Cached lengths grow in buckets, so that arrays are laid out anew, and the runtime sees a new shape, only now and then. */
export function bucketFor(length: number): number {
  const step = length < 512 ? 64 : length < 2048 ? 128 : 256;
  return Math.max(64, Math.ceil(length / step) * step);
}

/** Keys and values of committed tokens for all layers, kept on the JavaScript side and handed to the runtime uncopied. */
export class KvCache {
  private length = 0;
  private currentBucket = bucketFor(0);
  private readonly layers: LayerCache[];

  constructor(
    layers: number,
    private readonly kvHeads: number,
    private readonly headDim: number,
  ) {
    this.layers = Array.from({ length: layers }, () => this.allocate(this.currentBucket));
  }

  get tokens(): number {
    return this.length;
  }

  get bucket(): number {
    return this.currentBucket;
  }

  keys(layer: number): Tensor {
    return this.layers[layer]!.keyTensor;
  }

  values(layer: number): Tensor {
    return this.layers[layer]!.valueTensor;
  }

  /** Makes room for `count` more tokens; call before their rows are written. */
  reserve(count: number): void {
    const bucket = bucketFor(this.length + count);
    if (bucket > this.currentBucket) this.relayout(bucket);
  }

  /**
   * Writes one token of a forward's new keys and values, both [kvHeads, rows, headDim], behind the committed ones, `offset`
   * places further on; `advance` makes them count.
   */
  write(
    layer: number,
    offset: number,
    newKeys: Float64Array,
    newValues: Float64Array,
    row: number,
    rows: number,
  ): void {
    const { keys, values } = this.layers[layer]!;
    const { kvHeads, headDim, currentBucket: bucket } = this;
    const position = this.length + offset;
    for (let head = 0; head < kvHeads; head++) {
      const source = (head * rows + row) * headDim;
      values.set(newValues.subarray(source, source + headDim), (head * bucket + position) * headDim);
      for (let channel = 0; channel < headDim; channel++) {
        keys[(head * headDim + channel) * bucket + position] = newKeys[source + channel]!;
      }
    }
  }

  advance(count: number): void {
    this.length += count;
  }

  /** Forgets every token from `length` on; a much smaller cache gives its memory back. */
  trim(length: number): void {
    if (length >= this.length) return;
    this.length = length;
    const bucket = bucketFor(length);
    if (bucket * 4 <= this.currentBucket) this.relayout(bucket);
  }

  private allocate(bucket: number): LayerCache {
    const { kvHeads, headDim } = this;
    const keys = new Float64Array(kvHeads * headDim * bucket);
    const values = new Float64Array(kvHeads * headDim * bucket);
    return {
      keys,
      values,
      keyTensor: doubleTensor(keys, [1, kvHeads, headDim, bucket]),
      valueTensor: doubleTensor(values, [1, kvHeads, bucket, headDim]),
    };
  }

  private relayout(bucket: number): void {
    const { kvHeads, headDim, currentBucket } = this;
    // Rows beyond the counted ones may have been written for the current round: they move too.
    const length = Math.min(currentBucket, bucket);
    for (const [index, old] of this.layers.entries()) {
      const fresh = this.allocate(bucket);
      for (let channel = 0; channel < kvHeads * headDim; channel++) {
        const start = channel * currentBucket;
        fresh.keys.set(old.keys.subarray(start, start + length), channel * bucket);
      }
      for (let head = 0; head < kvHeads; head++) {
        const start = head * currentBucket * headDim;
        fresh.values.set(old.values.subarray(start, start + length * headDim), head * bucket * headDim);
      }
      this.layers[index] = fresh;
    }
    this.currentBucket = bucket;
  }
}

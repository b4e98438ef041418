/** Tokens `left` and `right` next to each other become `result`. */
export interface Merge {
  readonly left: number;
  readonly right: number;
  readonly result: number;
  readonly rank: number;
}

/**
 * Byte-pair merging over token ids. Pairs live in an open-addressing table of typed arrays (12 bytes per slot) and not in
 * string-keyed maps: those cost seconds to build for 150,000 merges, and seconds are what a second load has in all.
 */
export class BytePairMerger {
  private readonly mask: number;
  private readonly lefts: Int32Array;
  private readonly rights: Int32Array;
  private readonly ranks: Int32Array;
  private readonly results: Int32Array;

  /** A lower rank merges first; pairs may share a rank where they share the result. */
  constructor(merges: readonly Merge[]) {
    let slots = 16;
    while (slots < merges.length * 2) slots *= 2;
    this.mask = slots - 1;
    this.lefts = new Int32Array(slots).fill(-1);
    this.rights = new Int32Array(slots);
    this.ranks = new Int32Array(slots);
    this.results = new Int32Array(1 + merges.reduce((highest, { rank }) => Math.max(highest, rank), -1));
    for (const { left, right, result, rank } of merges) {
      this.insert(left, right, rank);
      this.results[rank] = result;
    }
  }

  /** Merges the word's symbols in rank order, leftmost first among equals; O(n log n). */
  merge(symbols: readonly number[]): number[] {
    const length = symbols.length;
    const ids = Int32Array.from(symbols);
    const next = new Int32Array(length);
    const previous = new Int32Array(length);
    const pairRanks = new Int32Array(length).fill(noPair);
    const queue = new MinHeap();
    const enqueue = (position: number): void => {
      const right = next[position]!;
      const rank = right < length ? this.rank(ids[position]!, ids[right]!) : noPair;
      pairRanks[position] = rank;
      if (rank !== noPair) queue.push(rank * length + position);
    };
    for (let i = 0; i < length; i++) {
      next[i] = i + 1;
      previous[i] = i - 1;
    }
    for (let i = 0; i < length; i++) enqueue(i);

    for (let key = queue.pop(); key !== undefined; key = queue.pop()) {
      const position = key % length;
      const rank = (key - position) / length;
      if (pairRanks[position] !== rank) continue;
      const absorbed = next[position]!;
      const after = next[absorbed]!;
      ids[position] = this.results[rank]!;
      pairRanks[absorbed] = noPair;
      next[position] = after;
      if (after < length) previous[after] = position;
      enqueue(position);
      if (previous[position]! >= 0) enqueue(previous[position]!);
    }

    const merged: number[] = [];
    for (let i = 0; i < length; i = next[i]!) merged.push(ids[i]!);
    return merged;
  }

  private rank(left: number, right: number): number {
    for (let slot = this.slot(left, right); this.lefts[slot] !== -1; slot = (slot + 1) & this.mask) {
      if (this.lefts[slot] === left && this.rights[slot] === right) return this.ranks[slot]!;
    }
    return noPair;
  }

  /** A pair that is listed twice keeps its later rank, as in Hugging Face tokenizers. */
  private insert(left: number, right: number, rank: number): void {
    let slot = this.slot(left, right);
    while (this.lefts[slot] !== -1 && (this.lefts[slot] !== left || this.rights[slot] !== right)) {
      slot = (slot + 1) & this.mask;
    }
    this.lefts[slot] = left;
    this.rights[slot] = right;
    this.ranks[slot] = rank;
  }

  private slot(left: number, right: number): number {
    const hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
    return (hash ^ (hash >>> 15)) & this.mask;
  }
}

const noPair = -1;

/** Smallest number first. */
class MinHeap {
  private readonly keys: number[] = [];

  push(key: number): void {
    const { keys } = this;
    let child = keys.length;
    keys.push(key);
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (keys[parent]! <= key) break;
      keys[child] = keys[parent]!;
      child = parent;
    }
    keys[child] = key;
  }

  pop(): number | undefined {
    const { keys } = this;
    const smallest = keys[0];
    const last = keys.pop();
    if (last === undefined || keys.length === 0) return smallest;
    let parent = 0;
    for (let child = 1; child < keys.length; child = 2 * parent + 1) {
      if (child + 1 < keys.length && keys[child + 1]! < keys[child]!) child++;
      if (keys[child]! >= last) break;
      keys[parent] = keys[child]!;
      parent = child;
    }
    keys[parent] = last;
    return smallest;
  }
}

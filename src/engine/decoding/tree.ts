import { JakiroError } from "../errors.ts";
import type { TokenRows } from "./target.ts";

/** Who proposed a node; values are bits, a node proposed by several carries all of them. */
export const draftSources = { head: 1, lookup: 2 } as const;
export type DraftSource = (typeof draftSources)[keyof typeof draftSources];

/** The committed token a tree hangs on: node 0, and row 0 of its verification. */
export const rootNode = 0;

/** Most rows of one verification: four 64-bit ancestor masks per row. */
export const maximumRows = 256;

/** Rows to verify: row 0 is the root, parents precede children, `nodes` maps a row back to its tree node. */
export interface VerificationRows extends TokenRows {
  readonly tokens: Int32Array;
  readonly parents: Int32Array;
  readonly nodes: Int32Array;
}

/** Nodes to expand next, best first; `parentRows[j]` is the index in the previous frontier of node j's parent (out_ids). */
export interface Frontier {
  readonly nodes: Int32Array;
  readonly parentRows: Int32Array;
}

/**
 * One round's drafted tokens: a trie shared by every source. A node's value is the sum of conditional log-probabilities
 * from the root; conditionals are at most 0 and parents are inserted first, so picking by value with ties to the smaller
 * index always yields a connected tree (EAGLE-2's rerank).
 */
export class DraftTree {
  #size = 0;
  #tokens: Int32Array;
  #parents: Int32Array;
  #depths: Int32Array;
  #firstChildren: Int32Array;
  #lastChildren: Int32Array;
  #nextSiblings: Int32Array;
  #sources: Uint8Array;
  #conditionals: Float64Array;
  #values: Float64Array;

  constructor(rootToken: number, capacity = 512) {
    this.#tokens = new Int32Array(capacity);
    this.#parents = new Int32Array(capacity);
    this.#depths = new Int32Array(capacity);
    this.#firstChildren = new Int32Array(capacity);
    this.#lastChildren = new Int32Array(capacity);
    this.#nextSiblings = new Int32Array(capacity);
    this.#sources = new Uint8Array(capacity);
    this.#conditionals = new Float64Array(capacity);
    this.#values = new Float64Array(capacity);
    this.reset(rootToken);
  }

  /** Forgets everything and hangs the next tree on `rootToken`. */
  reset(rootToken: number): void {
    this.#size = 0;
    this.#append(-1, rootToken, 0, 0);
  }

  /** Number of nodes, the root included. */
  get size(): number {
    return this.#size;
  }

  token(node: number): number {
    return this.#tokens[node]!;
  }

  /** -1 for the root. */
  parent(node: number): number {
    return this.#parents[node]!;
  }

  /** 0 for the root. */
  depth(node: number): number {
    return this.#depths[node]!;
  }

  /** Log of the probability that the whole path to this node is accepted. */
  value(node: number): number {
    return this.#values[node]!;
  }

  /** Bits of `draftSources`. */
  sources(node: number): number {
    return this.#sources[node]!;
  }

  /** Children in the order of their insertion. */
  children(node: number): number[] {
    const found: number[] = [];
    for (let child = this.#firstChildren[node]!; child >= 0; child = this.#nextSiblings[child]!) found.push(child);
    return found;
  }

  /** The child of `parent` with this token, or -1. */
  find(parent: number, token: number): number {
    let child = this.#firstChildren[parent]!;
    while (child >= 0 && this.#tokens[child] !== token) child = this.#nextSiblings[child]!;
    return child;
  }

  /**
   * Adds a child, or merges with the one that has the same token: the larger conditional log-probability stays, and a
   * rise is passed on to the descendants.
   * @param logProbability log of the (calibrated) probability that the token is accepted once its parent is
   */
  add(parent: number, token: number, logProbability: number, source: DraftSource): number {
    const conditional = logProbability >= 0 ? 0 : logProbability < 0 ? logProbability : Number.NEGATIVE_INFINITY;
    const known = this.find(parent, token);
    if (known < 0) return this.#append(parent, token, conditional, source);
    this.#sources[known]! |= source;
    if (conditional > this.#conditionals[known]!) {
      this.#conditionals[known] = conditional;
      this.#revalue(known);
    }
    return known;
  }

  /** Gives a node another conditional log-probability, and its descendants what follows from it. */
  restate(node: number, logProbability: number): void {
    this.#conditionals[node] = Math.min(0, logProbability);
    this.#revalue(node);
  }

  /**
   * The best `count` children of the given frontier, whoever proposed them: the next level to expand.
   * @param least probability that each of them has to exceed
   */
  nextFrontier(frontier: ArrayLike<number>, count: number, least = Number.NEGATIVE_INFINITY): Frontier {
    const candidates: number[] = [];
    const rows = new Map<number, number>();
    for (let row = 0; row < frontier.length; row++) {
      const node = frontier[row]!;
      rows.set(node, row);
      for (const child of this.children(node)) if (Math.exp(this.#values[child]!) > least) candidates.push(child);
    }
    const nodes = Int32Array.from(candidates.sort(this.#better).slice(0, count));
    return { nodes, parentRows: nodes.map((node) => rows.get(this.parent(node))!) };
  }

  /** Nodes besides the root, best first, ties to the smaller index; every prefix of the list is connected to the root. */
  ranking(limit = maximumRows - 1): Int32Array {
    const order = Array.from({ length: this.#size - 1 }, (_, i) => i + 1);
    return Int32Array.from(order.sort(this.#better).slice(0, limit));
  }

  /** Probabilities that the given nodes' whole paths are accepted, V of the budget. */
  probabilities(nodes: Int32Array): Float64Array {
    return Float64Array.from(nodes, (node) => Math.exp(this.#values[node]!));
  }

  /**
   * The root and the `rows` - 1 best nodes as verification rows.
   * @param ranking what `ranking()` returned, where the caller has it already
   */
  rerank(rows: number, ranking = this.ranking(rows - 1)): VerificationRows {
    if (!(rows >= 1 && rows <= maximumRows)) {
      throw new JakiroError("usage", `A tree of ${rows} nodes cannot be verified: choose 1 to ${maximumRows}.`);
    }
    const count = Math.min(rows - 1, ranking.length);
    const nodes = new Int32Array(count + 1);
    nodes.set(ranking.subarray(0, count), 1);
    nodes.sort();
    const rowOf = new Map<number, number>();
    for (let row = 0; row <= count; row++) rowOf.set(nodes[row]!, row);
    return {
      nodes,
      tokens: nodes.map((node) => this.#tokens[node]!),
      parents: nodes.map((node) => (node === rootNode ? -1 : rowOf.get(this.#parents[node]!)!)),
    };
  }

  readonly #better = (a: number, b: number): number => {
    const difference = this.#values[b]! - this.#values[a]!;
    // Two impossible nodes differ by NaN and are ranked by index as well.
    return difference > 0 || difference < 0 ? difference : a - b;
  };

  #append(parent: number, token: number, conditional: number, source: number): number {
    if (this.#size === this.#tokens.length) this.#grow();
    const node = this.#size++;
    this.#tokens[node] = token;
    this.#parents[node] = parent;
    this.#firstChildren[node] = -1;
    this.#lastChildren[node] = -1;
    this.#nextSiblings[node] = -1;
    this.#sources[node] = source;
    this.#conditionals[node] = conditional;
    if (parent < 0) {
      this.#depths[node] = 0;
      this.#values[node] = conditional;
      return node;
    }
    this.#depths[node] = this.#depths[parent]! + 1;
    this.#values[node] = this.#values[parent]! + conditional;
    const previous = this.#lastChildren[parent]!;
    if (previous < 0) this.#firstChildren[parent] = node;
    else this.#nextSiblings[previous] = node;
    this.#lastChildren[parent] = node;
    return node;
  }

  /** Recomputes values from `node` on: descendants have larger indices, other nodes come out as they were. */
  #revalue(node: number): void {
    for (let i = node; i < this.#size; i++) {
      this.#values[i] = this.#values[this.#parents[i]!]! + this.#conditionals[i]!;
    }
  }

  #grow(): void {
    const capacity = Math.max(16, this.#size * 2);
    this.#tokens = enlarged(this.#tokens, new Int32Array(capacity));
    this.#parents = enlarged(this.#parents, new Int32Array(capacity));
    this.#depths = enlarged(this.#depths, new Int32Array(capacity));
    this.#firstChildren = enlarged(this.#firstChildren, new Int32Array(capacity));
    this.#lastChildren = enlarged(this.#lastChildren, new Int32Array(capacity));
    this.#nextSiblings = enlarged(this.#nextSiblings, new Int32Array(capacity));
    this.#sources = enlarged(this.#sources, new Uint8Array(capacity));
    this.#conditionals = enlarged(this.#conditionals, new Float64Array(capacity));
    this.#values = enlarged(this.#values, new Float64Array(capacity));
  }
}

function enlarged<T extends Int32Array | Uint8Array | Float64Array>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}

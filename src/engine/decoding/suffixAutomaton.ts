/** Suffixes whose most recent occurrence is kept current per appended token; shorter ones may point further back. */
const refreshedSuffixes = 64;
const rootState = 0;

/**
 * The online suffix automaton of Blumer et al., "The smallest automaton recognizing the subwords of a text" (1985), over
 * token ids: after each appended token it knows, in amortised constant time, the longest suffix of the text that occurred
 * before and where it did so last. About 110 bytes per token, in typed arrays.
 */
export class SuffixAutomaton {
  #size = 0;
  #tokens = new Int32Array(0);
  /** End of the longest earlier match, see `matchEnd`. */
  #matchEnd = 0;
  #matchLength = 0;

  #states = 0;
  #last = rootState;
  /** Length of each state's longest string. */
  #lengths = new Int32Array(0);
  #links = new Int32Array(0);
  /** Number of tokens up to and including the state's most recent known occurrence. */
  #ends = new Int32Array(0);
  #firstEdges = new Int32Array(0);

  #edges = 0;
  #edgeStates = new Int32Array(0);
  #edgeTokens = new Int32Array(0);
  #edgeTargets = new Int32Array(0);
  /** Next edge of the same state: what a clone copies. */
  #edgeNexts = new Int32Array(0);
  /** Open addressing over (state, token): edge + 1, or 0 where free. */
  #table = new Int32Array(0);

  /** @param capacity tokens to make room for; it grows when needed */
  constructor(capacity = 4096) {
    this.#reserve(Math.max(16, capacity));
    this.clear();
  }

  /** Number of tokens in the text. */
  get size(): number {
    return this.#size;
  }

  /** Length of the longest suffix of the text that also ends earlier in it; 0 where there is none. */
  get matchLength(): number {
    return this.#matchLength;
  }

  /** Index of the token that followed that suffix at its most recent earlier occurrence. */
  get matchEnd(): number {
    return this.#matchEnd;
  }

  token(index: number): number {
    return this.#tokens[index]!;
  }

  clear(): void {
    this.#table.fill(0);
    this.#size = 0;
    this.#edges = 0;
    this.#states = 0;
    this.#matchEnd = 0;
    this.#matchLength = 0;
    this.#last = this.#addState(0, -1, 0);
  }

  append(token: number): void {
    if (this.#size === this.#tokens.length) this.#reserve(this.#size * 2);
    this.#tokens[this.#size++] = token;
    const current = this.#addState(this.#lengths[this.#last]! + 1, rootState, this.#size);
    let state = this.#last;
    let edge = -1;
    while (state >= 0) {
      edge = this.#findEdge(state, token);
      if (edge >= 0) break;
      this.#addEdge(state, token, current);
      state = this.#links[state]!;
    }
    if (state >= 0) this.#links[current] = this.#suffixState(state, token, edge);
    this.#last = current;
    this.#refresh(this.#links[current]!);
  }

  /** The state of exactly the strings of `state` followed by `token`: the edge's target, or a clone split off from it. */
  #suffixState(state: number, token: number, edge: number): number {
    const target = this.#edgeTargets[edge]!;
    const length = this.#lengths[state]! + 1;
    if (this.#lengths[target] === length) return target;
    const clone = this.#addState(length, this.#links[target]!, this.#ends[target]!);
    for (let copied = this.#firstEdges[target]!; copied >= 0; copied = this.#edgeNexts[copied]!) {
      this.#addEdge(clone, this.#edgeTokens[copied]!, this.#edgeTargets[copied]!);
    }
    let shorter = state;
    let redirected = edge;
    while (redirected >= 0 && this.#edgeTargets[redirected] === target) {
      this.#edgeTargets[redirected] = clone;
      shorter = this.#links[shorter]!;
      redirected = shorter < 0 ? -1 : this.#findEdge(shorter, token);
    }
    this.#links[target] = clone;
    return clone;
  }

  /** Reads where the longest repeated suffix last ended, then notes that it and its own suffixes end here as well. */
  #refresh(match: number): void {
    this.#matchLength = this.#lengths[match]!;
    this.#matchEnd = this.#ends[match]!;
    let state = match;
    for (let i = 0; i < refreshedSuffixes && state > rootState; i++) {
      this.#ends[state] = this.#size;
      state = this.#links[state]!;
    }
  }

  #addState(length: number, link: number, end: number): number {
    const state = this.#states++;
    this.#lengths[state] = length;
    this.#links[state] = link;
    this.#ends[state] = end;
    this.#firstEdges[state] = -1;
    return state;
  }

  #addEdge(state: number, token: number, target: number): void {
    const edge = this.#edges++;
    this.#edgeStates[edge] = state;
    this.#edgeTokens[edge] = token;
    this.#edgeTargets[edge] = target;
    this.#edgeNexts[edge] = this.#firstEdges[state]!;
    this.#firstEdges[state] = edge;
    this.#enter(edge);
  }

  #findEdge(state: number, token: number): number {
    const mask = this.#table.length - 1;
    for (let slot = hashOf(state, token) & mask; ; slot = (slot + 1) & mask) {
      const edge = this.#table[slot]! - 1;
      if (edge < 0 || (this.#edgeStates[edge] === state && this.#edgeTokens[edge] === token)) return edge;
    }
  }

  #enter(edge: number): void {
    const mask = this.#table.length - 1;
    let slot = hashOf(this.#edgeStates[edge]!, this.#edgeTokens[edge]!) & mask;
    while (this.#table[slot] !== 0) slot = (slot + 1) & mask;
    this.#table[slot] = edge + 1;
  }

  /** A text of n tokens has at most 2n states and 3n edges. */
  #reserve(capacity: number): void {
    this.#tokens = resized(this.#tokens, capacity);
    this.#lengths = resized(this.#lengths, 2 * capacity + 1);
    this.#links = resized(this.#links, 2 * capacity + 1);
    this.#ends = resized(this.#ends, 2 * capacity + 1);
    this.#firstEdges = resized(this.#firstEdges, 2 * capacity + 1);
    this.#edgeStates = resized(this.#edgeStates, 3 * capacity);
    this.#edgeTokens = resized(this.#edgeTokens, 3 * capacity);
    this.#edgeTargets = resized(this.#edgeTargets, 3 * capacity);
    this.#edgeNexts = resized(this.#edgeNexts, 3 * capacity);
    this.#table = new Int32Array(2 ** Math.ceil(Math.log2(4 * capacity)));
    for (let edge = 0; edge < this.#edges; edge++) this.#enter(edge);
  }
}

function resized(old: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(length);
  larger.set(old);
  return larger;
}

/** Multiplicative mixing as in MurmurHash3's finaliser. */
function hashOf(state: number, token: number): number {
  let hash = Math.imul(state, 0x9e3779b1) ^ Math.imul(token, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 16), 0xc2b2ae35);
  return hash ^ (hash >>> 13);
}

import type { AcceptedPath } from "./acceptance.ts";
import type { TokenRows } from "./target.ts";
import { type DraftSource, type DraftTree, draftSources, type VerificationRows } from "./tree.ts";

/** Observations after which the evidence weighs as much as the raw probability. */
const priorTrials = 12;
/** Per observation in a cell: about the last 200 count. */
const decay = 1 - 1 / 200;
/** A corrected probability stays within this factor of the raw one's distance from 0 and 1, so that order is kept. */
const leastShare = 0.05;

/** Upper ends of the head's raw probability buckets; the last bucket is open. */
const headEdges = [0.01, 0.03, 0.08, 0.16, 0.3, 0.5, 0.7, 0.85, 0.95];
const headDepths = 8;
/** Cells of a head's claims: [depths, buckets], where deeper nodes share the last depth. */
export const headCells = (headEdges.length + 1) * headDepths;

/** Upper ends (inclusive) of match length buckets, in tokens; the last bucket is open. */
const lengthEdges = [0, 1, 2, 3, 5, 8, 15, 31];
/** Raw probability that a retrieved token is right, by length bucket: between what Python files and small edits of them show. */
const freeProbabilities = [0, 0.2, 0.4, 0.52, 0.58, 0.72, 0.82, 0.9, 0.95];
const anchoredProbabilities = [0.1, 0.4, 0.58, 0.68, 0.74, 0.8, 0.88, 0.95, 0.97];
const cellCount = headCells + freeProbabilities.length + anchoredProbabilities.length;

/** A source's statement about one token: its probability as the source sees it, and the cell in which that is tested. */
export interface Claim {
  readonly raw: number;
  readonly cell: number;
}

/** A token that a source proposes, and what it says of it. */
export interface Candidate {
  readonly token: number;
  readonly claim: Claim;
}

/** How much of a retrieved token's probability is left where the head does not think of it. */
const unconfirmedShare = 0.5;

function bucketOf(value: number, edges: readonly number[]): number {
  let bucket = 0;
  while (bucket < edges.length && value > edges[bucket]!) bucket++;
  return bucket;
}

/**
 * What a draft head says of a node.
 * @param raw the head's own conditional probability
 * @param depth of the proposed node, 1 for children of the root
 */
export function headClaim(raw: number, depth: number): Claim {
  const level = Math.min(depth, headDepths) - 1;
  return { raw, cell: level * (headEdges.length + 1) + bucketOf(raw, headEdges) };
}

/**
 * What retrieval says of a token.
 * @param matchLength tokens before it that agree with the text, those drafted before it included
 * @param anchored it was found by its place after the previous match, not by being the longest match
 */
export function lookupClaim(matchLength: number, anchored: boolean): Claim {
  const bucket = bucketOf(matchLength, lengthEdges);
  return anchored
    ? { raw: anchoredProbabilities[bucket]!, cell: headCells + freeProbabilities.length + bucket }
    : { raw: freeProbabilities[bucket]!, cell: headCells + bucket };
}

/** What cells have seen: sums of (accepted - raw) and numbers of trials, both decayed. */
export interface CalibrationState {
  readonly surplus: readonly number[];
  readonly trials: readonly number[];
}

/**
 * How often each source's claims come true. A claim's raw probability is moved by the mean of (accepted - raw) in its
 * cell, shrunk as by a Beta prior around the raw value: for a constant raw this is exactly the Beta posterior's mean.
 * Only nodes whose parent was reached are observed, hence probabilities are conditional on the parent.
 */
export class Calibration {
  readonly #surplus = new Float64Array(cellCount);
  readonly #trials = new Float64Array(cellCount);
  readonly #initial: CalibrationState | undefined;
  /** This round's claims by the node they are about. */
  readonly #nodes: number[] = [];
  readonly #claims: Claim[] = [];
  /** What retrieval proposes below a node. */
  readonly #retrieved = new Map<number, Candidate>();

  /** @param initial a `snapshot()` to start from, such as one that ships with a head; of other length it is ignored */
  constructor(initial?: CalibrationState) {
    if (initial?.surplus.length === cellCount && initial.trials.length === cellCount) this.#initial = initial;
    this.reset();
  }

  /** Forgets all that was observed and returns to the initial state. */
  reset(): void {
    this.#forgetClaims();
    this.#surplus.set(this.#initial?.surplus ?? new Float64Array(cellCount));
    this.#trials.set(this.#initial?.trials ?? new Float64Array(cellCount));
  }

  snapshot(): CalibrationState {
    return { surplus: [...this.#surplus], trials: [...this.#trials] };
  }

  /** The probability that a proposal is accepted once its parent is. */
  probability({ cell, raw }: Claim): number {
    const corrected = raw + this.#offset(cell);
    return Math.min(Math.max(corrected, raw * leastShare), 1 - (1 - raw) * leastShare);
  }

  /** What `probability` adds to a head's raw probabilities, by cell: for devices that calibrate by themselves. */
  headOffsets(): Float32Array {
    return Float32Array.from({ length: headCells }, (_, cell) => this.#offset(cell));
  }

  observe({ cell, raw }: Claim, accepted: boolean): void {
    this.#surplus[cell] = this.#surplus[cell]! * decay + (accepted ? 1 : 0) - raw;
    this.#trials[cell] = this.#trials[cell]! * decay + 1;
  }

  /** Adds a node at its calibrated probability and remembers the claim until `settle`. */
  propose(tree: DraftTree, parent: number, token: number, source: DraftSource, claim: Claim): number {
    const node = tree.add(parent, token, Math.log(this.probability(claim)), source);
    if (source === draftSources.lookup) this.#retrieved.set(parent, { token, claim });
    this.#nodes.push(node);
    this.#claims.push(claim);
    return node;
  }

  /**
   * Adds a head's candidates below a node. Where retrieval proposes a token there too, both are taken for one statement: with the
   * probability of the retrieved token's own claim the text repeats what was found, else the head is right about it:
   *   P(token) = w [token = retrieved] + (1 - w) P_head(token)
   * A retrieved token that is not among the head's candidates loses half of w. On HumanEval this is within a few hundredths of what
   * comes true for every pair of claims; such candidates of the head say nothing of what it is worth alone and are not observed.
   * @returns the candidates' nodes
   */
  proposeCandidates(tree: DraftTree, parent: number, candidates: readonly Candidate[]): number[] {
    const { head, lookup } = draftSources;
    const known = this.#retrieved.get(parent);
    if (known === undefined)
      return candidates.map(({ token, claim }) => this.propose(tree, parent, token, head, claim));
    const isConfirmed = candidates.some(({ token }) => token === known.token);
    const repeats = this.probability(known.claim) * (isConfirmed ? 1 : unconfirmedShare);
    // Another branch of the head may have confirmed it.
    const retrieved = tree.find(parent, known.token);
    if (!isConfirmed && tree.sources(retrieved) === lookup) tree.restate(retrieved, Math.log(repeats));
    return candidates.map(({ token, claim }) => {
      const own = (1 - repeats) * this.probability(claim);
      return tree.add(parent, token, Math.log(token === known.token ? repeats + own : own), head);
    });
  }

  /** Observes the verified nodes whose parent was reached and forgets the round's claims. */
  settle(rows: VerificationRows, accepted: AcceptedPath): void {
    const outcomes = new Map([...outcomesOf(rows, accepted)].map(([row, came]) => [rows.nodes[row]!, came]));
    this.#nodes.forEach((node, i) => {
      const came = outcomes.get(node);
      if (came !== undefined) this.observe(this.#claims[i]!, came);
    });
    this.#forgetClaims();
  }

  /** Observes a verification whose claims a device kept, one for each row. */
  settleClaims(rows: TokenRows, accepted: AcceptedPath, claims: readonly Claim[]): void {
    for (const [row, came] of outcomesOf(rows, accepted)) this.observe(claims[row]!, came);
  }

  #offset(cell: number): number {
    return this.#surplus[cell]! / (this.#trials[cell]! + priorTrials);
  }

  #forgetClaims(): void {
    this.#nodes.length = 0;
    this.#claims.length = 0;
    this.#retrieved.clear();
  }
}

/** Of the rows whose parent was reached, whether their token was the one drawn there. */
function outcomesOf(rows: TokenRows, { path, tokens }: AcceptedPath): Map<number, boolean> {
  const drawn = new Map(path.map((row, i) => [row, tokens[i]!]));
  const outcomes = new Map<number, boolean>();
  for (let row = 1; row < rows.tokens.length; row++) {
    const token = drawn.get(rows.parents[row]!);
    if (token !== undefined) outcomes.set(row, rows.tokens[row] === token);
  }
  return outcomes;
}

import { type Calibration, type Claim, lookupClaim } from "./calibration.ts";
import { SuffixAutomaton } from "./suffixAutomaton.ts";
import { type DraftTree, draftSources, rootNode } from "./tree.ts";

/** Agreement, in tokens, after which a source is taken for the text being rewritten and searched again after an edit. */
const establishedLength = 4;
/** How far around the place of an edit the text is looked for again, in tokens. */
const searchBefore = 8;
const searchAfter = 48;
/** Tokens off the expected place that one more agreeing token makes up for. */
const tokensOffPerAgreement = 12;
/** Tokens after an edit until its place is given up. */
const patience = 64;
const longestComparison = 16;
/** Chains that are less likely than this to be right to their end are cut. */
const defaultProbability = 0.01;

/** A token of the known text's continuation. */
export interface KnownToken {
  readonly token: number;
  readonly claim: Claim;
  /** That it and all before it in the chain are right, as calibrated. */
  readonly probability: number;
}

/** A place in the known text whose continuation is proposed. */
interface Source {
  /** Index of the token to come. */
  readonly next: number;
  /** Tokens before it that agree with the end of the text. */
  readonly length: number;
  readonly anchored: boolean;
}

/**
 * Drafting by retrieval: the longest suffix of the text that occurred before is continued as it was then. After an edit
 * the search goes on just behind the place where the previous match broke off, since rewritten text resumes there.
 */
export class LookupDrafter {
  readonly #calibration: Calibration;
  readonly #text = new SuffixAutomaton();
  /** Where the next token would be read if the current source goes on; -1 without one. */
  #following = -1;
  /** Agreement before #following. */
  #agreement = 0;
  /** Where an established source broke off; -1 without one. */
  #lost = -1;
  #sinceLost = 0;

  constructor(calibration: Calibration) {
    this.#calibration = calibration;
  }

  /**
   * Starts over with the texts in which to look, the prompt last. Texts before it (what the prompt had no room for) are kept
   * apart: no match reaches over their ends.
   */
  start(texts: readonly ArrayLike<number>[]): void {
    this.#text.clear();
    this.#following = -1;
    this.#lost = -1;
    texts.forEach((text, i) => {
      for (let j = 0; j < text.length; j++) this.#text.append(text[j]!);
      if (i < texts.length - 1) this.#text.append(-1 - i);
    });
  }

  /** To be called for every committed token. */
  append(token: number): void {
    if (this.#following >= 0) this.#follow(token);
    if (this.#lost >= 0 && ++this.#sinceLost > patience) this.#lost = -1;
    this.#text.append(token);
  }

  /**
   * Adds the best source's continuation to the tree, a chain from the root of at most `limit` nodes, and returns their
   * number. The chain ends where its calibrated probability falls below `leastProbability`.
   */
  draft(tree: DraftTree, limit: number, leastProbability = defaultProbability): number {
    let parent: number = rootNode;
    const chain = this.continuation(limit, leastProbability);
    for (const { token, claim } of chain) {
      parent = this.#calibration.propose(tree, parent, token, draftSources.lookup, claim);
    }
    return chain.length;
  }

  /** The best source's continuation, as `draft` adds it. */
  continuation(limit: number, leastProbability = defaultProbability): KnownToken[] {
    const source = this.#bestSource();
    if (!source) return [];
    this.#following = source.next;
    this.#agreement = source.length;
    const chain: KnownToken[] = [];
    let probability = 1;
    while (chain.length < limit) {
      const token = this.#tokenAt(source.next + chain.length, chain);
      if (token < 0) break;
      const claim = lookupClaim(source.length + chain.length, source.anchored);
      probability *= this.#calibration.probability(claim);
      if (probability < leastProbability) break;
      chain.push({ token, claim, probability });
    }
    return chain;
  }

  /** The known text goes on with the drafted chain: what repeats itself can be drafted beyond its end. */
  #tokenAt(index: number, chain: readonly KnownToken[]): number {
    return index < this.#text.size ? this.#text.token(index) : chain[index - this.#text.size]!.token;
  }

  #follow(token: number): void {
    if (this.#text.token(this.#following) === token) {
      this.#following++;
      this.#agreement++;
      if (this.#agreement >= establishedLength) this.#lost = -1;
      return;
    }
    if (this.#agreement >= establishedLength) {
      this.#lost = this.#following;
      this.#sinceLost = 0;
    }
    this.#following = -1;
  }

  #bestSource(): Source | undefined {
    const candidates: Source[] = [];
    if (this.#following >= 0) candidates.push({ next: this.#following, length: this.#agreement, anchored: true });
    if (this.#lost >= 0) candidates.push(this.#resumption());
    if (this.#text.matchLength > 0) {
      candidates.push({ next: this.#text.matchEnd, length: this.#text.matchLength, anchored: false });
    }
    let best: Source | undefined;
    let bestProbability = 0;
    for (const candidate of candidates) {
      const probability = this.#calibration.probability(lookupClaim(candidate.length, candidate.anchored));
      if (probability > bestProbability) {
        best = candidate;
        bestProbability = probability;
      }
    }
    return best;
  }

  /**
   * The place near an edit that agrees best with the end of the text. Inserted text resumes where the source broke off,
   * replaced text as far behind it as was written since; other places must agree longer the further off they are.
   * Without any, tokens are taken to be replaced one by one.
   */
  #resumption(): Source {
    const lost = this.#lost;
    const expected = Math.min(lost + this.#sinceLost, this.#text.size - 1);
    const end = Math.min(expected + searchAfter, this.#text.size - 1);
    let best = { next: expected, length: 0, anchored: true };
    let bestScore = 0;
    for (let index = Math.max(1, lost - searchBefore); index <= end; index++) {
      const length = this.#agreementBefore(index);
      const score = length - Math.max(0, lost - index, index - expected) / tokensOffPerAgreement;
      if (length > 0 && score >= bestScore) {
        best = { next: index, length, anchored: true };
        bestScore = score;
      }
    }
    return best;
  }

  #agreementBefore(index: number): number {
    const { size } = this.#text;
    let length = 0;
    while (
      length < longestComparison &&
      length < index &&
      this.#text.token(index - 1 - length) === this.#text.token(size - 1 - length)
    ) {
      length++;
    }
    return length;
  }
}

import { type AcceptedPath, childWith } from "./acceptance.ts";
import type { TokenRows } from "./target.ts";

/** What decoding did, as sums: counts of several requests add up. */
export interface DecodingCounts {
  /** Emitted tokens, an end token and the one the prefill yields included. */
  completionTokens: number;
  /** Of these, the tokens committed by decoding forwards. */
  decodedTokens: number;
  /** Forwards of the target after the prefill. */
  targetForwards: number;
  draftForwards: number;
  /** Nodes given to verification, roots excluded. */
  draftedTokens: number;
  /** Index d - 1: walks that stood at depth d - 1 and found children there. */
  offeredByDepth: number[];
  /** Index d - 1: of these, the walks where a child was the drawn token. */
  acceptedByDepth: number[];
}

/** Milliseconds. */
export interface DecodingTimings {
  promptMs: number;
  /** From the start of the request to its first token. */
  firstTokenMs: number;
  draftMs: number;
  verifyMs: number;
  totalMs: number;
}

/** Draft diversity of one request (jakiro.md section 7). */
export interface DraftDiversity {
  /** G: different token ids among the drafted ones. */
  readonly uniqueDrafted: number;
  /** S: different token ids among the drafted ones that were accepted. */
  readonly uniqueAccepted: number;
  /** E: completion tokens. */
  readonly generated: number;
}

export function emptyCounts(): DecodingCounts {
  return {
    completionTokens: 0,
    decodedTokens: 0,
    targetForwards: 0,
    draftForwards: 0,
    draftedTokens: 0,
    offeredByDepth: [],
    acceptedByDepth: [],
  };
}

export function addCounts(sum: DecodingCounts, more: DecodingCounts): void {
  sum.completionTokens += more.completionTokens;
  sum.decodedTokens += more.decodedTokens;
  sum.targetForwards += more.targetForwards;
  sum.draftForwards += more.draftForwards;
  sum.draftedTokens += more.draftedTokens;
  more.offeredByDepth.forEach((offered, i) => {
    sum.offeredByDepth[i] = (sum.offeredByDepth[i] ?? 0) + offered;
    sum.acceptedByDepth[i] = (sum.acceptedByDepth[i] ?? 0) + more.acceptedByDepth[i]!;
  });
}

/** Tokens committed by decoding forwards per decoding forward; 1 where nothing had to be decoded, as in plain decoding. */
export function tau({ decodedTokens, targetForwards }: DecodingCounts): number {
  return targetForwards > 0 ? decodedTokens / targetForwards : 1;
}

/** Conditional acceptance at depth 1, 2, ...: accepted / offered, each in 0 .. 1. */
export function acceptanceByDepth({ offeredByDepth, acceptedByDepth }: DecodingCounts): number[] {
  return offeredByDepth.map((offered, i) => (offered > 0 ? acceptedByDepth[i]! / offered : 0));
}

/** Tokens after the first per second after the first; 0 where there was only one. */
export function tokensPerSecond({ completionTokens }: DecodingCounts, timings: DecodingTimings): number {
  const milliseconds = timings.totalMs - timings.firstTokenMs;
  return completionTokens > 1 && milliseconds > 0 ? ((completionTokens - 1) * 1000) / milliseconds : 0;
}

/** Collects one request's figures; the clock starts on construction. */
export class DecodingStatistics {
  readonly counts = emptyCounts();
  readonly timings: DecodingTimings = { promptMs: 0, firstTokenMs: 0, draftMs: 0, verifyMs: 0, totalMs: 0 };
  readonly #drafted = new Set<number>();
  readonly #accepted = new Set<number>();
  readonly #clock: () => number;
  readonly #start: number;

  /** @param clock milliseconds from any fixed moment on */
  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock;
    this.#start = clock();
  }

  /** The prompt is processed and has yielded a token: the first one, unless a device was lost on the way and the text read again. */
  recordPrefill(promptMs: number): void {
    this.timings.promptMs += promptMs;
    if (this.counts.completionTokens === 0) this.timings.firstTokenMs = this.#clock() - this.#start;
    this.counts.completionTokens++;
  }

  /** The prompt is processed up to its last token: the first round yields the first token. */
  recordPrompt(promptMs: number): void {
    this.timings.promptMs = promptMs;
  }

  recordDraft(forwards: number, milliseconds: number): void {
    this.counts.draftForwards += forwards;
    this.timings.draftMs += milliseconds;
  }

  /** One forward of the target over `rows` and what was accepted of it; plain decoding has the root as its only row. */
  recordRound(rows: TokenRows, { path, tokens }: AcceptedPath, verifyMs: number): void {
    const { counts, timings } = this;
    if (counts.completionTokens === 0) timings.firstTokenMs = this.#clock() - this.#start;
    counts.targetForwards++;
    counts.completionTokens += tokens.length;
    counts.decodedTokens += tokens.length;
    counts.draftedTokens += rows.tokens.length - 1;
    timings.verifyMs += verifyMs;
    for (let row = 1; row < rows.tokens.length; row++) this.#drafted.add(rows.tokens[row]!);
    path.forEach((row, depth) => {
      if (!hasChild(rows, row)) return;
      const accepted = childWith(rows, row, tokens[depth]!) >= 0;
      counts.offeredByDepth[depth] = (counts.offeredByDepth[depth] ?? 0) + 1;
      counts.acceptedByDepth[depth] = (counts.acceptedByDepth[depth] ?? 0) + (accepted ? 1 : 0);
      if (accepted) this.#accepted.add(tokens[depth]!);
    });
  }

  /** Sets the total time; to be called when the last token is out. */
  finish(): void {
    this.timings.totalMs = this.#clock() - this.#start;
  }

  get diversity(): DraftDiversity {
    return {
      uniqueDrafted: this.#drafted.size,
      uniqueAccepted: this.#accepted.size,
      generated: this.counts.completionTokens,
    };
  }
}

function hasChild({ tokens, parents }: TokenRows, parent: number): boolean {
  for (let row = parent + 1; row < tokens.length; row++) if (parents[row] === parent) return true;
  return false;
}

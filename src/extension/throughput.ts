import type { RequestStatistics } from "../protocol/messages.ts";

/** What one request of this window did. */
export interface RequestRecord {
  /** Milliseconds since the epoch at which it ended. */
  readonly at: number;
  readonly statistics: RequestStatistics;
  /** Somebody waited for it; what is fetched ahead of time has no latency that matters. */
  readonly awaited: boolean;
}

/** Milliseconds of an average round of draft, verify and accept. */
export interface RoundTimes {
  readonly draftMs: number;
  readonly verifyMs: number;
  /** Everything else: building trees, walking them, stop rules. */
  readonly hostMs: number;
}

/** One request in the history that charts show. */
export interface HistoryPoint {
  readonly at: number;
  readonly tokensPerSecond: number;
  readonly tau: number;
}

/** Figures over the recent requests of this window. */
export interface Figures {
  readonly requests: number;
  readonly tokensPerSecond: number;
  /** Tokens committed per forward of the target. */
  readonly tau: number;
  /** Share of the drafts offered at depth 1, 2, ... that were accepted, given that all before them were; 0 .. 1. */
  readonly acceptanceByDepth: readonly number[];
  readonly round: RoundTimes;
  /** From asking to the whole result, waiting included, of the last request that somebody waited for. */
  readonly lastLatencyMs: number | undefined;
  /** Suggestions take so long that they hinder rather than help. */
  readonly slow: boolean;
}

/** Figures follow a change of text or load within this many requests. */
const recentRequests = 30;
const historyPoints = 120;
/** One slow answer may be a cold cache; the middle of five is not. */
const judgedLatencies = 5;
const slowMs = 3000;

/** Sums up what the engine did for this window since it was opened or the model changed. */
export class Throughput {
  private records: RequestRecord[] = [];
  private latencies: number[] = [];
  private points: HistoryPoint[] = [];
  private readonly listeners = new Set<() => void>();

  /** Called after every change; gives back how to stop that. */
  onChange(listener: () => void): { dispose(): void } {
    this.listeners.add(listener);
    return { dispose: () => this.listeners.delete(listener) };
  }

  record(record: RequestRecord): void {
    const { statistics, awaited, at } = record;
    if (awaited) this.latencies = last([...this.latencies, statistics.waitedMs + statistics.totalMs], judgedLatencies);
    if (statistics.targetForwards > 0 && statistics.tokensPerSecond > 0) {
      this.records = last([...this.records, record], recentRequests);
      const point = { at, tokensPerSecond: statistics.tokensPerSecond, tau: statistics.tau };
      this.points = last([...this.points, point], historyPoints);
    }
    this.changed();
  }

  /** Forgets everything: another model's figures say nothing about this one. */
  clear(): void {
    this.records = [];
    this.latencies = [];
    this.points = [];
    this.changed();
  }

  /** Oldest first. */
  get history(): readonly HistoryPoint[] {
    return this.points;
  }

  /** Undefined until a request decoded something. */
  get figures(): Figures | undefined {
    if (this.records.length === 0) return undefined;
    const all = this.records.map(({ statistics }) => statistics);
    const forwards = sum(all, ({ targetForwards }) => targetForwards);
    const decodingMs = sum(all, ({ totalMs, firstTokenMs }) => totalMs - firstTokenMs);
    const draftMs = sum(all, (request) => request.draftMs);
    const verifyMs = sum(all, (request) => request.verifyMs);
    return {
      requests: all.length,
      tokensPerSecond: (1000 * sum(all, ({ completionTokens }) => completionTokens - 1)) / Math.max(decodingMs, 1e-3),
      tau: sum(all, ({ tau, targetForwards }) => tau * targetForwards) / forwards,
      acceptanceByDepth: acceptanceByDepth(all),
      round: {
        draftMs: draftMs / forwards,
        verifyMs: verifyMs / forwards,
        hostMs: Math.max(0, decodingMs - draftMs - verifyMs) / forwards,
      },
      lastLatencyMs: this.latencies.at(-1),
      slow: this.latencies.length === judgedLatencies && median(this.latencies) > slowMs,
    };
  }

  private changed(): void {
    for (const listener of this.listeners) listener();
  }
}

/** How many times faster than plain decoding on the same machine; undefined where either is unknown. */
export function speedUp(figures: Figures | undefined, plainTokensPerSecond: number): number | undefined {
  return figures === undefined || plainTokensPerSecond <= 0
    ? undefined
    : figures.tokensPerSecond / plainTokensPerSecond;
}

function acceptanceByDepth(requests: readonly RequestStatistics[]): number[] {
  const deepest = Math.max(...requests.map(({ offeredByDepth }) => offeredByDepth.length));
  return Array.from({ length: deepest }, (_, depth) => {
    const offered = sum(requests, ({ offeredByDepth }) => offeredByDepth[depth] ?? 0);
    const accepted = sum(requests, ({ acceptedByDepth }) => acceptedByDepth[depth] ?? 0);
    return offered > 0 ? accepted / offered : 0;
  });
}

function sum<Item>(items: readonly Item[], value: (item: Item) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}

function last<Item>(items: Item[], count: number): Item[] {
  return items.slice(-count);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}

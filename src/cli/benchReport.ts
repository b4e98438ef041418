import {
  acceptanceByDepth,
  addCounts,
  type DecodingStatistics,
  type DecodingTimings,
  type DraftDiversity,
  emptyCounts,
  tau,
  tokensPerSecond,
} from "../engine/decoding/statistics.ts";
import { formatMarkdownTable } from "./table.ts";

/** What one method made of one record. */
export interface RecordRun {
  readonly tokens: readonly number[];
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly statistics: Pick<DecodingStatistics, "counts" | "timings" | "diversity">;
}

/** One method's figures over a suite; null where no record allows one (every completion a single token). */
export interface MethodReport {
  readonly tau: number;
  readonly acceptanceByDepth: readonly number[];
  /** Median over records. */
  readonly tokensPerSecond: number | null;
  /** Median over records of the ratio to plain, after the first token. */
  readonly speedup: number | null;
  /** The same with the prompt's processing included. */
  readonly speedupEndToEnd: number | null;
  /** Outputs equal to plain's, token for token. */
  readonly identical: number;
  readonly total: number;
  /** Medians over records, in ms. */
  readonly timings: Readonly<Record<"loadMs" | keyof DecodingTimings, number>>;
  /** Sums over records. */
  readonly counts: Readonly<
    Record<
      "promptTokens" | "cachedTokens" | "completionTokens" | "targetForwards" | "draftForwards" | "draftedTokens",
      number
    >
  >;
  /** Means over records of the diversity figures (jakiro.md section 7). */
  readonly diversity: DraftDiversity;
}

/** @param plain the runs of plain decoding over the same records in the same order */
export function reportMethod(runs: readonly RecordRun[], plain: readonly RecordRun[], loadMs: number): MethodReport {
  const counts = emptyCounts();
  for (const { statistics } of runs) addCounts(counts, statistics.counts);
  const { completionTokens, targetForwards, draftForwards, draftedTokens } = counts;
  const timing = (key: keyof DecodingTimings) => median(runs.map(({ statistics }) => statistics.timings[key])) ?? 0;
  const mean = (key: keyof DraftDiversity) =>
    sum(runs.map(({ statistics }) => statistics.diversity[key])) / runs.length;
  return {
    tau: tau(counts),
    acceptanceByDepth: acceptanceByDepth(counts),
    tokensPerSecond: median(runs.map(speedAfterFirst).filter(isMeasured)),
    speedup: median(ratios(runs, plain, speedAfterFirst)),
    speedupEndToEnd: median(ratios(runs, plain, speedOverall)),
    identical: runs.filter((run, record) => equal(run.tokens, plain[record]!.tokens)).length,
    total: runs.length,
    timings: {
      loadMs,
      promptMs: timing("promptMs"),
      firstTokenMs: timing("firstTokenMs"),
      draftMs: timing("draftMs"),
      verifyMs: timing("verifyMs"),
      totalMs: timing("totalMs"),
    },
    counts: {
      promptTokens: sum(runs.map((run) => run.promptTokens)),
      cachedTokens: sum(runs.map((run) => run.cachedTokens)),
      completionTokens,
      targetForwards,
      draftForwards,
      draftedTokens,
    },
    diversity: {
      uniqueDrafted: mean("uniqueDrafted"),
      uniqueAccepted: mean("uniqueAccepted"),
      generated: mean("generated"),
    },
  };
}

/** The middle value, or the mean of the two middle ones; null for none. */
export function median(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The reports as a Markdown table, one row a method. */
export function reportTable(reports: Readonly<Record<string, MethodReport>>): string {
  const header = [
    "method",
    "tau",
    "acceptance by depth",
    "tok/s",
    "speedup",
    "speedup / tau",
    "end to end",
    "identical",
  ];
  const rows = Object.entries(reports).map(([method, report]) => [
    method,
    report.tau.toFixed(2),
    report.acceptanceByDepth.map((share) => share.toFixed(2)).join(" ") || "-",
    report.tokensPerSecond?.toFixed(1) ?? "-",
    ratio(report.speedup),
    report.speedup === null ? "-" : (report.speedup / report.tau).toFixed(2),
    ratio(report.speedupEndToEnd),
    `${report.identical}/${report.total}`,
  ]);
  return formatMarkdownTable([header, ...rows]);
}

function ratio(value: number | null): string {
  return value === null ? "-" : `${value.toFixed(2)}x`;
}

type Speed = (run: RecordRun) => number;

function speedAfterFirst({ statistics }: RecordRun): number {
  return tokensPerSecond(statistics.counts, statistics.timings);
}

function speedOverall({ statistics }: RecordRun): number {
  return statistics.counts.completionTokens / statistics.timings.totalMs;
}

function ratios(runs: readonly RecordRun[], plain: readonly RecordRun[], speed: Speed): number[] {
  return runs.flatMap((run, record) => {
    const [own, reference] = [speed(run), speed(plain[record]!)];
    return isMeasured(own) && isMeasured(reference) ? [own / reference] : [];
  });
}

function isMeasured(speed: number): boolean {
  return speed > 0 && Number.isFinite(speed);
}

function equal(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((token, i) => token === b[i]);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

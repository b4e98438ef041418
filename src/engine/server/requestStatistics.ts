import type { RequestStatistics } from "../../protocol/messages.ts";
import type { CompletionResult } from "../complete.ts";
import { addCounts, emptyCounts, tau, tokensPerSecond } from "../decoding/statistics.ts";

type Decoded = Pick<CompletionResult, "promptTokens" | "cachedTokens" | "suffixTokens" | "statistics">;

/** The figures of a request: of its first text where they concern the prompt, sums over all texts elsewhere. */
export function requestStatistics(
  [first, ...others]: readonly [Decoded, ...Decoded[]],
  { method, waitedMs }: { readonly method: string; readonly waitedMs: number },
): RequestStatistics {
  const counts = emptyCounts();
  const timings = { ...first.statistics.timings, draftMs: 0, verifyMs: 0, totalMs: 0 };
  for (const { statistics } of [first, ...others]) {
    addCounts(counts, statistics.counts);
    timings.draftMs += statistics.timings.draftMs;
    timings.verifyMs += statistics.timings.verifyMs;
    timings.totalMs += statistics.timings.totalMs;
  }
  const { completionTokens, targetForwards, draftForwards, draftedTokens, offeredByDepth, acceptedByDepth } = counts;
  return {
    method,
    promptTokens: first.promptTokens,
    cachedTokens: first.cachedTokens,
    suffixTokens: first.suffixTokens,
    completionTokens,
    targetForwards,
    draftForwards,
    draftedTokens,
    tau: tau(counts),
    tokensPerSecond: tokensPerSecond(counts, timings),
    offeredByDepth,
    acceptedByDepth,
    ...timings,
    waitedMs,
  };
}

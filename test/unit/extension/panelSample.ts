import type { ModelDescription, RequestStatistics, RoundParams } from "../../../src/protocol/messages.ts";

/** A request as the engine reports it; tests change what they are about. */
export function statistics(changes: Partial<RequestStatistics> = {}): RequestStatistics {
  return {
    method: "auto",
    promptTokens: 900,
    cachedTokens: 880,
    suffixTokens: 40,
    completionTokens: 37,
    targetForwards: 12,
    draftForwards: 40,
    draftedTokens: 96,
    tau: 3,
    tokensPerSecond: 120,
    offeredByDepth: [12, 9, 6],
    acceptedByDepth: [9, 6, 3],
    promptMs: 40,
    firstTokenMs: 50,
    draftMs: 60,
    verifyMs: 210,
    totalMs: 350,
    waitedMs: 0,
    ...changes,
  };
}

export function model(changes: Partial<ModelDescription> = {}): ModelDescription {
  return {
    name: "qwen2.5-coder-0.5b-instruct",
    device: "cpu",
    heads: ["jakiro"],
    infilling: true,
    chat: true,
    loadMs: 2300,
    weights: "1d96",
    residentBytes: 1_290_000_000,
    plainTokensPerSecond: 40,
    forwardMs: [
      { rows: 1, ms: 25 },
      { rows: 8, ms: 41 },
    ],
    ...changes,
  };
}

/** A tree with two branches at the root, of which the second was accepted for three tokens. */
export const round: RoundParams = {
  tokens: ["return", " value", " items", ".map", "(", "\n", "<T>", " => ", "&&"],
  parents: [-1, 0, 0, 2, 3, 1, 3, 4, 4],
  accepted: [0, 2, 3, 4],
  committed: 5,
  draftMs: 6.2,
  verifyMs: 19.5,
};

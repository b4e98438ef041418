import assert from "node:assert/strict";
import type { EngineAccess } from "../../../src/extension/engine.ts";
import { meteredEngine } from "../../../src/extension/meteredEngine.ts";
import { speedUp, Throughput } from "../../../src/extension/throughput.ts";
import type { RequestStatistics } from "../../../src/protocol/messages.ts";
import { statistics } from "./panelSample.ts";

function recorded(...requests: Partial<RequestStatistics>[]): Throughput {
  const throughput = new Throughput();
  for (const [at, changes] of requests.entries()) {
    throughput.record({ at, statistics: statistics(changes), awaited: true });
  }
  return throughput;
}

describe("throughput", () => {
  it("has no figures before anything was decoded", () => {
    assert.equal(recorded().figures, undefined);
    assert.equal(recorded({ targetForwards: 0, completionTokens: 1, tokensPerSecond: 0 }).figures, undefined);
  });

  it("weighs requests by their length, not each the same", () => {
    const { figures } = recorded(
      { completionTokens: 11, tau: 5, targetForwards: 2, firstTokenMs: 50, totalMs: 150 },
      { completionTokens: 91, tau: 1, targetForwards: 90, firstTokenMs: 50, totalMs: 950 },
    );
    assert.equal(figures?.tokensPerSecond, 100);
    assert.ok(Math.abs(figures.tau - 100 / 92) < 1e-9, String(figures.tau));
  });

  it("adds up acceptance by depth over requests of different depths", () => {
    const { figures } = recorded(
      { offeredByDepth: [10, 4], acceptedByDepth: [4, 1] },
      { offeredByDepth: [10], acceptedByDepth: [6] },
      { offeredByDepth: [], acceptedByDepth: [] },
    );
    assert.deepEqual(figures?.acceptanceByDepth, [0.5, 0.25]);
  });

  it("gives the host what draft and verify leave of a round", () => {
    const { figures } = recorded({ targetForwards: 10, draftMs: 60, verifyMs: 210, firstTokenMs: 50, totalMs: 350 });
    assert.deepEqual(figures?.round, { draftMs: 6, verifyMs: 21, hostMs: 3 });
    const rounded = recorded({ targetForwards: 10, draftMs: 100, verifyMs: 210, firstTokenMs: 50, totalMs: 350 });
    assert.equal(rounded.figures?.round.hostMs, 0, "clocks that disagree make no negative time");
  });

  it("takes latencies only from requests that somebody waited for, waiting included", () => {
    const throughput = recorded({ totalMs: 300, waitedMs: 20 });
    throughput.record({ at: 1, statistics: statistics({ totalMs: 9000 }), awaited: false });
    assert.equal(throughput.figures?.lastLatencyMs, 320);
  });

  it("is slow when most of the latest requests are, not when one is", () => {
    const slow = { totalMs: 4000 };
    assert.equal(recorded(slow, slow).figures?.slow, false);
    assert.equal(recorded(slow, {}, {}, slow, {}).figures?.slow, false);
    assert.equal(recorded(slow, {}, slow, {}, slow).figures?.slow, true);
    assert.equal(recorded(slow, slow, slow, slow, slow, {}, {}, {}).figures?.slow, false, "recovers");
  });

  it("forgets old requests and, when told, all", () => {
    const throughput = recorded(...Array.from({ length: 40 }, () => ({ tau: 2 })), ...Array(30).fill({ tau: 4 }));
    assert.equal(throughput.figures?.tau, 4);
    assert.equal(throughput.figures?.requests, 30);
    let changes = 0;
    const subscription = throughput.onChange(() => changes++);
    throughput.clear();
    assert.deepEqual([throughput.figures, throughput.history, changes], [undefined, [], 1]);
    subscription.dispose();
    throughput.clear();
    assert.equal(changes, 1);
  });

  it("compares with plain decoding where both are known", () => {
    const { figures } = recorded({ completionTokens: 11, firstTokenMs: 0, totalMs: 100 });
    assert.equal(speedUp(figures, 40), 2.5);
    assert.equal(speedUp(figures, 0), undefined);
    assert.equal(speedUp(undefined, 40), undefined);
  });
});

describe("metered engine", () => {
  const engine = (answer: { statistics: RequestStatistics } | undefined) =>
    ({ complete: async () => answer, generate: async () => answer }) as unknown as EngineAccess;
  const token = {} as Parameters<EngineAccess["complete"]>[1];
  const params = (priority: "typed" | "prefetch") => ({ priority }) as Parameters<EngineAccess["complete"]>[0];

  it("records what requests report and passes it on", async () => {
    const throughput = new Throughput();
    const answer = { statistics: statistics({ totalMs: 500 }) };
    const metered = meteredEngine(engine(answer), throughput, () => 42);
    assert.equal(await metered.complete(params("typed"), token), answer);
    assert.deepEqual(throughput.history, [{ at: 42, tokensPerSecond: 120, tau: 3 }]);
    assert.equal(throughput.figures?.lastLatencyMs, 500);
    await metered.generate({} as Parameters<EngineAccess["generate"]>[0], token);
    assert.equal(throughput.history.length, 2);
  });

  it("takes no latency from prefetching and nothing from cancelled requests", async () => {
    const throughput = new Throughput();
    await meteredEngine(engine({ statistics: statistics() }), throughput).complete(params("prefetch"), token);
    await meteredEngine(engine(undefined), throughput).complete(params("typed"), token);
    assert.equal(throughput.history.length, 1);
    assert.equal(throughput.figures?.lastLatencyMs, undefined);
  });
});

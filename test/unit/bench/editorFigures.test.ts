import assert from "node:assert/strict";
import { figuresOf, percentile } from "../../../bench/editor/figures.ts";
import type { SeenAsk, SeenInHost } from "../../../bench/editor/messages.ts";
import type { Sight } from "../../../bench/editor/page.ts";
import type { Sitting } from "../../../bench/editor/person.ts";
import type { RequestStatistics } from "../../../src/protocol/messages.ts";

const sitting: Sitting = {
  language: "typescript",
  file: "a.ts",
  before: "",
  typed: "let a",
  after: "\n",
  keys: [..."let a"].map((key) => [100, key] as const),
};
const keys = [1000, 1100, 1200, 2000, 2100];

function ask(
  at: number,
  character: number,
  source: SeenAsk["source"],
  answer: SeenAsk["answer"],
  request?: number,
): SeenAsk {
  return {
    at,
    line: 0,
    character,
    source,
    ...(answer === undefined ? {} : { answer }),
    ...(request ? { request } : {}),
  };
}

function sight(at: number, line: string, ghost: string): Sight {
  return { at, line, ghost };
}

const host: SeenInHost = {
  asks: [
    ask(1060, 1, "asked", { at: 1110, text: undefined, isCancelled: true }, 1),
    ask(1160, 2, "joined", { at: 1195, text: undefined, isCancelled: false }, 1),
    ask(1260, 3, "asked", { at: 1500, text: " a = 1;\nb", isCancelled: false }, 2),
    ask(2060, 4, "cache", { at: 2062, text: "a = 1;\nb", isCancelled: false }),
    ask(2160, 5, "cache", { at: 2162, text: " = 1;\nb", isCancelled: false }),
  ],
  requests: [
    { id: 1, priority: "typed", sentAt: 1061 },
    {
      id: 2,
      priority: "typed",
      sentAt: 1270,
      firstTextAt: 1400,
      endedAt: 1600,
      statistics: { waitedMs: 10, promptMs: 90, firstTokenMs: 95 } as RequestStatistics,
    },
    { id: 3, priority: "prefetch", sentAt: 1700 },
  ],
  work: [
    { at: 1010, ms: 1, wallMs: 9 },
    { at: 1050, ms: 0.5, wallMs: 0.5 },
    { at: 2150, ms: 3, wallMs: 3 },
  ],
  functions: [{ name: "provide:1:2", ms: 4 }],
};
const page = {
  keys,
  sights: [
    sight(1205, "le", "t stale"),
    sight(1510, "let", " a = 1;\nb"),
    sight(2010, "let ", "a = 1;\nb"),
    sight(2180, "let a", " = 1;\nb"),
  ],
};

describe("figures of the editor benchmark", () => {
  const figures = figuresOf([{ sitting, page, host }]);

  it("tell what became of each keystroke", () => {
    assert.deepEqual(figures.outcomes, { shown: 3, nothing: 1, hidden: 0, overtaken: 1 });
    assert.deepEqual(figures.asked, { count: 1, p50: 310, p95: 310 });
    assert.deepEqual(figures.neededModel, figures.asked);
    assert.deepEqual(figures.keptByEditor, { count: 1, p50: 10, p95: 10 });
    assert.deepEqual(figures.fromCache, { count: 1, p50: 80, p95: 80 });
    assert.equal(figures.all.p50, 80);
    assert.equal(figures.multiLineShare, 1);
  });

  it("count requests and the host's time by keystroke", () => {
    assert.equal(figures.requestsPerKeystroke, 2 / 5);
    assert.equal(figures.prefetchesPerKeystroke, 1 / 5);
    assert.equal(figures.cacheHitRate, 2 / 5);
    assert.equal(figures.hostMs.p95, 3);
    assert.equal(figures.hostMs.mean, 4.5 / 5);
    assert.equal(figures.hostWallMs.p95, 9.5);
    assert.deepEqual(figures.hostFunctions, [{ name: "provide:1:2", ms: 4 / 5 }]);
  });

  it("split the way of a keystroke into parts that add up", () => {
    assert.deepEqual(
      figures.parts.map(({ mean }) => mean),
      [60, 10, 130, 100, 10],
    );
    assert.deepEqual(
      figures.engineParts.map(({ mean }) => mean),
      [10, 90, 5, 25],
    );
  });

  it("see how much of a suggestion was typed", () => {
    assert.deepEqual(figures.suggestions, {
      offered: 1,
      perKeystroke: 1 / 5,
      typedThrough: 0,
      firstLineTypedThrough: 0,
    });
    const accepted = { ...host, asks: [ask(1060, 1, "asked", { at: 1090, text: "et a", isCancelled: false }, 1)] };
    assert.equal(figuresOf([{ sitting, page, host: accepted }]).suggestions.typedThrough, 1);
  });

  it("refuse to compare keys that the page did not see", () => {
    assert.throws(() => figuresOf([{ sitting, page: { ...page, keys: keys.slice(1) }, host }]), /5 keys were pressed/);
  });

  it("take percentiles by nearest rank", () => {
    const values = Array.from({ length: 20 }, (_, i) => i + 1);
    assert.deepEqual([percentile(values, 0.5), percentile(values, 0.95), percentile([], 0.5)], [10, 19, undefined]);
  });
});

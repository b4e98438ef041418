import assert from "node:assert/strict";
import { EngineBackoff } from "../../../src/extension/engineBackoff.ts";

describe("engine back-off", () => {
  let now = 0;
  let backoff = new EngineBackoff(() => now);
  beforeEach(() => {
    now = 0;
    backoff = new EngineBackoff(() => now);
  });

  const pauses = (count: number, servedMs: number | undefined, stepMs: number) =>
    Array.from({ length: count }, () => {
      now += stepMs;
      return backoff.pauseAfterEnd(servedMs);
    });

  it("waits longer after every end and stops at the fifth within a minute", () => {
    assert.deepEqual(pauses(5, 100, 14_000), [0, 500, 1000, 2000, undefined]);
  });

  it("goes on at its slowest while there are fewer within a minute", () => {
    assert.deepEqual(pauses(7, 100, 15_000), [0, 500, 1000, 2000, 4000, 4000, 4000]);
  });

  it("begins anew after a minute of service", () => {
    assert.deepEqual(pauses(3, 100, 1_000), [0, 500, 1000]);
    now += 60_000;
    assert.deepEqual([backoff.pauseAfterEnd(60_000), backoff.pauseAfterEnd(100)], [0, 500]);
  });

  it("stops after five failed starts in a row, however slow they are", () => {
    assert.deepEqual(pauses(4, undefined, 90_000), [0, 500, 1000, 2000]);
    assert.deepEqual(pauses(1, 100, 90_000), [4000]);
    assert.deepEqual(pauses(5, undefined, 90_000), [4000, 4000, 4000, 4000, undefined]);
  });

  it("forgets everything when it is reset", () => {
    pauses(5, undefined, 10);
    backoff.reset();
    assert.equal(backoff.pauseAfterEnd(undefined), 0);
  });
});

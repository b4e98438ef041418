import assert from "node:assert/strict";
import { Debounce } from "../../../src/extension/debounce.ts";

/** A user who types a character every `gap` ms, with an engine that takes `latency` ms. */
function used(gap: number, latency: number): Debounce {
  const debounce = new Debounce();
  for (let i = 0; i < 20; i++) {
    debounce.typed(i * gap);
    debounce.answered(latency);
  }
  return debounce;
}

describe("Debounce", () => {
  it("does not hold back a request to an engine that is idle and fast, or unknown", () => {
    assert.equal(new Debounce().delay(true), 0);
    assert.equal(used(100, 60).delay(true), 0);
  });

  it("waits a little for an engine that is busy", () => {
    const delay = used(100, 60).delay(false);
    assert.ok(delay > 0 && delay < 150);
  });

  it("waits longer the slower the engine is, up to 150 ms", () => {
    const delays = [60, 150, 250, 350, 2000].map((latency) => used(100, latency).delay(true));
    assert.deepEqual(
      delays,
      [...delays].sort((a, b) => a - b),
    );
    assert.equal(delays.at(-1), 150);
  });

  it("does not wait for who types more slowly than the engine answers", () => {
    assert.equal(used(900, 300).delay(true), 0);
    assert.ok(used(200, 300).delay(true) > 0);
  });

  it("follows an engine that becomes fast", () => {
    const debounce = used(100, 1000);
    for (let i = 0; i < 20; i++) debounce.answered(40);
    assert.equal(debounce.delay(true), 0);
  });
});

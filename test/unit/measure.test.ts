import assert from "node:assert/strict";
import type { ForwardResult, TargetSequence, TokenRows } from "../../src/engine/decoding/target.ts";
import { completeCosts, measureLasting, measureVerification } from "../../src/engine/measure.ts";

/** A sequence whose forwards take, by a clock of its own, what rows and keys decide; the first of a shape takes twice as long. */
class TimedSequence {
  now = 0;
  readonly tokens: number[] = [];
  private readonly shapes = new Set<string>();

  constructor(readonly capacity: number) {}

  async forward({ tokens }: TokenRows): Promise<ForwardResult> {
    const rows = tokens.length;
    const keys = this.tokens.length;
    const shape = `${rows} behind ${keys}`;
    this.now += msOf(rows, keys) * (this.shapes.has(shape) ? 1 : 2);
    this.shapes.add(shape);
    return { features: new Float32Array(rows) };
  }

  commit(rows: ArrayLike<number>): void {
    this.tokens.push(...Array.from(rows));
    assert.ok(this.tokens.length <= this.capacity);
  }

  trim(length: number): void {
    this.tokens.length = Math.min(this.tokens.length, length);
  }
}

const msOf = (rows: number, keys: number) => 10 + rows + (keys - 64) * (0.008 + 0.002 * rows);

describe("measureVerification", () => {
  const { now } = performance;
  afterEach(() => {
    performance.now = now;
  });

  function timed(capacity: number) {
    const own = new TimedSequence(capacity);
    performance.now = () => own.now;
    return { own, sequence: own as unknown as TargetSequence };
  }

  it("times rows behind a short text, and what a longer one adds to them", async () => {
    const { own, sequence } = timed(4096);
    const costs = await measureVerification(sequence);
    assert.deepEqual(
      costs.map(({ rows, ms }) => [rows, Math.round(ms * 1e6) / 1e6]),
      [1, 2, 4, 8].map((rows) => [rows, 10 + rows]),
    );
    const lasting = await measureLasting(costs, sequence);
    const { keys } = lasting;
    assert.ok(Math.abs(keys.one - 0.01) < 1e-6 && Math.abs(keys.perRow - 0.002) < 1e-6, JSON.stringify(keys));
    assert.deepEqual(
      completeCosts(costs, lasting).map(({ rows, ms, msPerKey }) => [rows, ms.toFixed(6), msPerKey!.toFixed(6)]),
      [1, 2, 4, 8, 16, 32].map((rows) => [rows, (10 + rows).toFixed(6), (0.008 + 0.002 * rows).toFixed(6)]),
    );
    assert.deepEqual(own.tokens, [], "the sequence is left empty");
  });

  it("a later load on a slower moment takes the larger sizes to be slower as well", async () => {
    const { sequence } = timed(4096);
    const lasting = await measureLasting(await measureVerification(sequence), sequence);
    const slower = [1, 2, 4, 8].map((rows) => ({ rows, ms: 2 * (10 + rows) }));
    const larger = completeCosts(slower, lasting).slice(4);
    assert.deepEqual(
      larger.map(({ rows, ms }) => [rows, Math.round(ms)]),
      [
        [16, 52],
        [32, 84],
      ],
    );
  });

  it("measures what fits into a short context, and nothing where nothing does", async () => {
    const { sequence } = timed(200);
    const { keys } = await measureLasting(await measureVerification(sequence), sequence);
    assert.ok(Math.abs(keys.one - 0.01) < 1e-6);
    const { sequence: tiny } = timed(100);
    const none = await measureLasting(await measureVerification(tiny), tiny);
    assert.deepEqual(none.keys, { one: 0, perRow: 0 });
  });

  it("ends where it is cancelled", async () => {
    const { sequence } = timed(4096);
    const costs = await measureVerification(sequence);
    const signal = AbortSignal.abort(new Error("enough"));
    await assert.rejects(measureVerification(sequence, signal), /enough/);
    await assert.rejects(measureLasting(costs, sequence, signal), /enough/);
  });
});

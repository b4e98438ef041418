import assert from "node:assert/strict";
import type { VerifyCost } from "../../src/engine/decoding/costModel.ts";
import type { ForwardResult, TargetSequence, TokenRows } from "../../src/engine/decoding/target.ts";
import { completeCosts, measureLasting, measureToken, measureVerification } from "../../src/engine/measure.ts";

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

describe("measuring", () => {
  const { now } = performance;
  afterEach(() => {
    performance.now = now;
  });

  function timed(capacity: number) {
    const own = new TimedSequence(capacity);
    performance.now = () => own.now;
    return { own, sequence: own as unknown as TargetSequence };
  }

  const shown = (costs: readonly VerifyCost[]) =>
    costs.map(({ rows, ms, msPerKey }) => [rows, ms.toFixed(6), msPerKey?.toFixed(6)]);

  it("a GPU's verifications are timed behind a short text", async () => {
    const { own, sequence } = timed(4096);
    const costs = await measureVerification(sequence, [1, 3, 8]);
    assert.deepEqual(
      shown(costs),
      [1, 3, 8].map((rows) => [rows, (10 + rows).toFixed(6), undefined]),
    );
    assert.deepEqual(own.tokens, [], "the sequence is left empty");
  });

  it("a processor's are timed behind a text of usual length, and what a longer one adds", async () => {
    const { own, sequence } = timed(4096);
    const tokenMs = await measureToken(sequence);
    assert.equal(tokenMs.toFixed(6), msOf(1, 256).toFixed(6));
    const lasting = await measureLasting(sequence);
    assert.deepEqual(
      shown(completeCosts(tokenMs, lasting, sequence)),
      [1, 2, 4, 8, 16, 32].map((rows) => [rows, msOf(rows, 64).toFixed(6), (0.008 + 0.002 * rows).toFixed(6)]),
    );
    assert.deepEqual(own.tokens, [], "the sequence is left empty");
  });

  it("what a disturbed forward takes does not count", async () => {
    const { own, sequence } = timed(4096);
    const expected = await measureLasting(sequence);
    const forward = own.forward.bind(own);
    let forwards = 0;
    own.forward = (rows) => {
      if (++forwards % 7 === 0) own.now += 30;
      return forward(rows);
    };
    assert.deepEqual(
      (await measureLasting(sequence)).sizes.map(({ times }) => times.toFixed(6)),
      expected.sizes.map(({ times }) => times.toFixed(6)),
    );
  });

  it("at a slower moment every size is taken to be slower", async () => {
    const { sequence } = timed(4096);
    const { sizes } = await measureLasting(sequence);
    const keys = { one: 0, perRow: 0 };
    assert.deepEqual(
      completeCosts(2 * msOf(1, 256), { sizes, keys }, sequence).map(({ rows, ms }) => [rows, ms.toFixed(6)]),
      [1, 2, 4, 8, 16, 32].map((rows) => [rows, (2 * msOf(rows, 256)).toFixed(6)]),
    );
  });

  it("measures what fits into a short context, and nothing where nothing does", async () => {
    const { sequence } = timed(300);
    const { keys } = await measureLasting(sequence);
    assert.ok(Math.abs(keys.one - 0.01) < 1e-6 && Math.abs(keys.perRow - 0.002) < 1e-6, JSON.stringify(keys));
    const { sequence: tiny } = timed(50);
    const none = await measureLasting(tiny);
    assert.deepEqual(none.keys, { one: 0, perRow: 0 });
    assert.equal(completeCosts(7, none, tiny)[0]!.ms, 7);
  });

  it("ends where it is cancelled", async () => {
    const { sequence } = timed(4096);
    const signal = AbortSignal.abort(new Error("enough"));
    await assert.rejects(measureVerification(sequence, [1], signal), /enough/);
    await assert.rejects(measureToken(sequence, signal), /enough/);
    await assert.rejects(measureLasting(sequence, signal), /enough/);
  });
});

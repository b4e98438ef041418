import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  keepLastingCosts,
  keepTokenMs,
  knownLastingCosts,
  knownTokenMs,
  type LastingCosts,
} from "../../src/engine/processorCost.ts";

const lasting: LastingCosts = { sizes: [{ rows: 16, times: 1.9 }], keys: { one: 0.01, perRow: 0.003 } };

describe("processorCost", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "jakiro-cost-"));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it("knows what was measured under the same conditions", async () => {
    assert.equal(await knownTokenMs(directory, 4), undefined);
    await keepTokenMs(directory, 4, 12.5);
    assert.equal(await knownTokenMs(directory, 4), 12.5);
    assert.equal(await knownTokenMs(directory, 8), undefined);
  });

  it("keeps the shortest time, since a busy machine only adds some", async () => {
    const kept: boolean[] = [];
    for (const ms of [12, 30, 9, 10]) kept.push(await keepTokenMs(directory, 4, ms));
    assert.deepEqual(kept, [true, false, true, false]);
    assert.equal(await knownTokenMs(directory, 4), 9);
  });

  it("a moment that is hardly better is no better one to measure in, though its time is kept", async () => {
    await keepTokenMs(directory, 4, 10);
    assert.equal(await keepTokenMs(directory, 4, 9.8), false);
    assert.equal(await knownTokenMs(directory, 4), 9.8);
    assert.equal(await keepTokenMs(directory, 4, 9.4), true);
  });

  it("knows what large verifications and longer texts cost, beside what a token costs", async () => {
    assert.equal(await knownLastingCosts(directory, 4), undefined);
    await keepTokenMs(directory, 4, 12);
    await keepLastingCosts(directory, 4, lasting);
    await keepTokenMs(directory, 4, 11);
    assert.deepEqual(await knownLastingCosts(directory, 4), lasting);
    assert.equal(await knownTokenMs(directory, 4), 11);
    assert.equal(await knownLastingCosts(directory, 2), undefined);
    await keepTokenMs(directory, 2, 20);
    assert.equal(await knownLastingCosts(directory, 2), undefined, "measured with other threads");
  });

  it("what no measurement can have written counts as none", async () => {
    const wrong = [
      { ...lasting, keys: { one: -1, perRow: 0 } },
      { ...lasting, keys: { one: 0 } },
      { ...lasting, sizes: [{ rows: 16, times: "x" }] },
      { ...lasting, sizes: {} },
      { keys: lasting.keys },
      null,
    ];
    for (const content of wrong) {
      await keepLastingCosts(directory, 4, content as LastingCosts);
      assert.equal(await knownLastingCosts(directory, 4), undefined, JSON.stringify(content));
    }
    await keepLastingCosts(directory, 4, lasting);
    assert.deepEqual(await knownLastingCosts(directory, 4), lasting);
  });

  it("passes over what it cannot read, and where it cannot write", async () => {
    writeFileSync(join(directory, "processor.json"), "{");
    assert.equal(await knownTokenMs(directory, 4), undefined);
    await keepTokenMs(directory, 4, 12);
    assert.equal(await knownTokenMs(directory, 4), 12);
    await keepTokenMs(join(directory, "missing"), 4, 12);
  });
});

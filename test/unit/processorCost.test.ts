import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keepKeyCost, keepTokenMs, knownKeyCost, knownTokenMs } from "../../src/engine/processorCost.ts";

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

  it("knows what longer texts cost, beside what a token costs", async () => {
    assert.equal(await knownKeyCost(directory, 4), undefined);
    await keepTokenMs(directory, 4, 12);
    await keepKeyCost(directory, 4, { one: 0.01, perRow: 0.003 });
    await keepTokenMs(directory, 4, 11);
    assert.deepEqual(await knownKeyCost(directory, 4), { one: 0.01, perRow: 0.003 });
    assert.equal(await knownTokenMs(directory, 4), 11);
    assert.equal(await knownKeyCost(directory, 2), undefined);
    await keepTokenMs(directory, 2, 20);
    assert.equal(await knownKeyCost(directory, 2), undefined, "measured with other threads");
    writeFileSync(join(directory, "processor.json"), '{"keyMs": {"one": -1, "perRow": "x"}}');
    assert.equal(await knownKeyCost(directory, 4), undefined);
  });

  it("passes over what it cannot read, and where it cannot write", async () => {
    writeFileSync(join(directory, "processor.json"), "{");
    assert.equal(await knownTokenMs(directory, 4), undefined);
    await keepTokenMs(directory, 4, 12);
    assert.equal(await knownTokenMs(directory, 4), 12);
    await keepTokenMs(join(directory, "missing"), 4, 12);
  });
});

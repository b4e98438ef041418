import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keepTokenMs, knownTokenMs } from "../../src/engine/processorCost.ts";

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
    for (const ms of [12, 30, 9, 10]) await keepTokenMs(directory, 4, ms);
    assert.equal(await knownTokenMs(directory, 4), 9);
  });

  it("passes over what it cannot read, and where it cannot write", async () => {
    writeFileSync(join(directory, "processor.json"), "{");
    assert.equal(await knownTokenMs(directory, 4), undefined);
    await keepTokenMs(directory, 4, 12);
    assert.equal(await knownTokenMs(directory, 4), 12);
    await keepTokenMs(join(directory, "missing"), 4, 12);
  });
});

import assert from "node:assert/strict";
import { freemem, totalmem } from "node:os";
import { resolve } from "node:path";
import { catalogue } from "../../../src/engine/model/catalogue.ts";
import type { ConnectionState } from "../../../src/extension/engine.ts";
import { freeMemory, MemoryNeed, memoryNeed } from "../../../src/extension/memoryNeed.ts";
import { english } from "./localizer.ts";
import { model } from "./panelSample.ts";

const loading: ConnectionState = { kind: "loading", name: "m", stage: "loading" };
const ready = (residentBytes: number): ConnectionState => ({
  kind: "ready",
  model: model({ residentBytes }),
  busy: false,
});

describe("memory that a model needs", () => {
  const logged: string[] = [];
  beforeEach(() => logged.splice(0));
  const watch = (free: number | undefined, need: () => number | undefined = () => 2e9) =>
    new MemoryNeed({ need, free: () => free, log: (line) => logged.push(line), l10n: english });

  it("is said to be short once for a load, in figures, until the load is over", () => {
    const memory = watch(8e8);
    memory.note(loading, "/m");
    memory.note({ kind: "loading", name: "m", stage: "loading", progress: 0.5 }, "/m");
    assert.equal(memory.shortage, "The model needs about 2.0 GB of memory, 800 MB are free.");
    assert.deepEqual(logged, [`Memory: ${memory.shortage}`]);
    memory.note(ready(1e9), "/m");
    assert.equal(memory.shortage, undefined);
  });

  it("counts what the model that goes on serving will give back", () => {
    const memory = watch(1.5e9);
    memory.note(ready(6e8), "/m");
    memory.note(loading, "/m");
    assert.equal(memory.shortage, undefined);
  });

  it("is said nothing of where it is there, or where either figure is unknown", () => {
    for (const memory of [watch(3e9), watch(undefined), watch(1, () => undefined)]) {
      memory.note(loading, "/m");
      assert.equal(memory.shortage, undefined);
    }
    const onGpu = watch(1);
    onGpu.note(loading, undefined);
    assert.equal(onGpu.shortage, undefined);
  });

  it("comes from the catalogue, or from a file's header", () => {
    assert.equal(memoryNeed(`/anywhere/${catalogue[0]!.file}`), catalogue[0]!.memoryBytes);
    assert.equal(memoryNeed(resolve("package.json")), undefined);
  });

  it("is free as the system says", function () {
    if (process.platform === "darwin") this.skip();
    const free = freeMemory()!;
    assert.ok(free > 0 && free <= Math.max(totalmem(), freemem()));
  });
});

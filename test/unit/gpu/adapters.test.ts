import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { diagnoseDevices } from "../../../src/engine/deviceDiagnosis.ts";
import { JakiroError } from "../../../src/engine/errors.ts";
import { type AdapterSearch, namesIn } from "../../../src/engine/gpu/adapterList.ts";
import { freshAdapters, rememberedAdapters } from "../../../src/engine/gpu/adapterMemory.ts";
import { type Adapter, chooseAdapter } from "../../../src/engine/gpu/adapters.ts";
import { driverState } from "../../../src/engine/gpu/driverState.ts";
import { adaptersOf, searchAdapters } from "../../../src/engine/gpu/findAdapters.ts";

function adapter(name: string, software = false): Adapter {
  return {
    name,
    backend: "vulkan",
    driver: "1.0",
    vendor: "x",
    software,
    abilities: { f16: true, subgroups: false, timestamps: true },
    limits: { maxBufferSize: 1, maxStorageBufferBindingSize: 1 },
  };
}

const [fast, slow, soft] = [adapter("Fast 9000"), adapter("Slow 100"), adapter("Softly", true)];

function refusal(message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof JakiroError && error.kind === "model" && message.test(error.message);
}

describe("chooseAdapter", () => {
  it("takes the first one that is none in software", () => {
    assert.equal(chooseAdapter([soft, fast, slow]), fast);
  });

  it("takes the one that is named in part, in software too", () => {
    assert.equal(chooseAdapter([fast, slow, soft], "slow"), slow);
    assert.equal(chooseAdapter([fast, slow, soft], "SOFT"), soft);
  });

  it("says what there is where it finds none", () => {
    assert.throws(
      () => chooseAdapter([fast, soft], "RTX"),
      refusal(/^There is no GPU called "RTX" \(found: Fast 9000, Softly\)\.$/),
    );
    assert.throws(() => chooseAdapter([], "RTX"), refusal(/found: none/));
    assert.throws(() => chooseAdapter([soft]), refusal(/emulated in software \(Softly\)/));
    assert.throws(() => chooseAdapter([]), refusal(/^No GPU with a driver/));
  });
});

describe("namesIn", () => {
  const list = `no suitable backends found
Available adapters:
 * backend: 'd3d11', name: 'GeForce'
 * backend: 'vulkan', name: 'GeForce'
 * backend: 'd3d12', name: 'GeForce'
 * backend: 'vulkan', name: 'Owner's (TM) card'
`;

  it("names each adapter once, by the backend that its system prefers", () => {
    assert.deepEqual(namesIn(list, ["d3d12", "vulkan"]), [
      { name: "GeForce", backend: "d3d12" },
      { name: "Owner's (TM) card", backend: "vulkan" },
    ]);
    assert.deepEqual(namesIn(list, ["metal"]), []);
    assert.deepEqual(namesIn("", ["vulkan"]), []);
  });
});

describe("searchAdapters", () => {
  const folder = mkdtempSync(join(tmpdir(), "jakiro-"));
  after(() => rmSync(folder, { recursive: true }));
  const findAdapters = async (path: string) => adaptersOf(await searchAdapters(path));
  const script = (program: string) => {
    const path = join(folder, "probe.cjs");
    writeFileSync(path, program);
    return path;
  };

  it("returns what the other process found, whatever drivers print", async () => {
    const program = 'console.log("Warning"); console.error("error"); process.send({ adapters: [{ name: "X" }] });';
    assert.deepEqual(await findAdapters(script(program)), [{ name: "X" }]);
  });

  it("survives drivers that end the process, and says so", async () => {
    const killed = findAdapters(script('process.kill(process.pid, "SIGSEGV"); setInterval(() => {}, 1000);'));
    await assert.rejects(killed, refusal(/^The search for GPUs was ended by a driver \(SIGSEGV\)\.$/));
    await assert.rejects(findAdapters(script("process.exit(3)")), refusal(/ended by a driver \(3\)/));
  });

  it("passes on why none can be used", async () => {
    const found = findAdapters(script('process.send({ failure: "WebGPU cannot be loaded here (no libvulkan)." });'));
    await assert.rejects(found, refusal(/^WebGPU cannot be loaded here \(no libvulkan\)\.$/));
  });
});

describe("rememberedAdapters", () => {
  const folder = mkdtempSync(join(tmpdir(), "jakiro-"));
  const file = join(folder, "gpu", "adapters.json");
  after(() => rmSync(folder, { recursive: true }));
  let found: AdapterSearch;
  let [state, clock, searches] = ["one", 0, 0];
  const memory = {
    file,
    search: async () => {
      searches++;
      return found;
    },
    state: async () => state,
    now: () => clock,
  };
  beforeEach(() => {
    [found, state, clock, searches] = [{ adapters: [] }, "one", 1_000, 0];
    rmSync(file, { force: true });
  });

  for (const [what, answer] of [
    ["nothing was found", { adapters: [] }],
    ["only software was found", { adapters: [soft] }],
  ] as const) {
    it(`searches once where ${what}`, async () => {
      found = answer;
      assert.deepEqual(await rememberedAdapters(memory), answer.adapters);
      assert.deepEqual(await rememberedAdapters(memory), answer.adapters);
      assert.equal(searches, 1);
    });
  }

  it("remembers why a search failed", async () => {
    found = { failure: "The search for GPUs took too long" };
    for (let i = 0; i < 2; i++) await assert.rejects(rememberedAdapters(memory), refusal(/took too long\.$/));
    assert.equal(searches, 1);
  });

  it("searches again after another driver, another boot, or an hour", async () => {
    await rememberedAdapters(memory);
    state = "two";
    await rememberedAdapters(memory);
    clock += 3_599_999;
    await rememberedAdapters(memory);
    assert.equal(searches, 2);
    clock++;
    await rememberedAdapters(memory);
    clock = 0;
    await rememberedAdapters(memory);
    assert.equal(searches, 4);
  });

  it("never takes a GPU for granted, and forgets that there was none", async () => {
    await rememberedAdapters(memory);
    found = { adapters: [fast] };
    assert.deepEqual(await rememberedAdapters(memory), []);
    assert.deepEqual(await freshAdapters(memory), [fast]);
    for (let i = 0; i < 2; i++) assert.deepEqual(await rememberedAdapters(memory), [fast]);
    assert.equal(searches, 4);
  });

  it("searches where the memory is damaged, and does without one", async () => {
    await rememberedAdapters(memory);
    writeFileSync(file, '{"state":"one","at":1000,"found":{"adapters":3}}');
    await rememberedAdapters(memory);
    writeFileSync(file, "{");
    await rememberedAdapters(memory);
    assert.equal(searches, 3);
    const nowhere = { ...memory, file: join(file, "below a file") };
    assert.deepEqual(await rememberedAdapters(nowhere), []);
  });

  it("knows the drivers of this machine by the same name twice", async () => {
    assert.equal(await driverState(), await driverState());
    const outside = process.env["VK_DRIVER_FILES"];
    const before = await driverState();
    process.env["VK_DRIVER_FILES"] = file;
    try {
      assert.notEqual(await driverState(), before);
    } finally {
      if (outside === undefined) delete process.env["VK_DRIVER_FILES"];
      else process.env["VK_DRIVER_FILES"] = outside;
    }
  });
});

describe("diagnoseDevices", () => {
  const find = async () => [fast, slow, soft];
  const reasons = (adapters: readonly { name: string; used: boolean; reason: string }[]) =>
    adapters.map(({ used, reason }) => `${used} ${reason}`);

  it("tells which adapter is used, and why the others are not", async () => {
    const placed = {
      device: "gpu",
      adapter: "Fast 9000",
      deviceReason: undefined,
      deviceComparison: undefined,
    } as const;
    const found = await diagnoseDevices(placed, { device: "auto" }, find);
    assert.deepEqual([found.device, found.deviceReason], ["gpu", "Fast 9000 can be used, without subgroups."]);
    const deviceComparison = "It is faster.";
    const compared = await diagnoseDevices({ ...placed, lanes: 32, deviceComparison }, { device: "auto" }, find);
    assert.equal(compared.deviceReason, "Fast 9000 can be used, with subgroups of 32. It is faster.");
    const tiled = await diagnoseDevices({ ...placed, tile: 16 }, { device: "auto" }, find);
    assert.match(tiled.deviceReason, /^Fast 9000 can be used, without subgroups, always 16 tokens together because/);
    const replaced = await diagnoseDevices(
      { ...placed, replacement: "Weights are float32." },
      { device: "auto" },
      find,
    );
    assert.equal(replaced.deviceReason, "Fast 9000 can be used, without subgroups. Weights are float32.");
    assert.deepEqual(reasons(found.adapters), [
      "true the model runs on it",
      "false another one is used",
      "false emulated in software, slower than the processor: used only where it is named",
    ]);
  });

  it("tells why the model is on the processor", async () => {
    const deviceReason = "The model needs 9 GB in one buffer.";
    const placed = { device: "cpu", adapter: undefined, deviceReason, deviceComparison: undefined } as const;
    const found = await diagnoseDevices(placed, { device: "auto", adapter: "slow" }, find);
    assert.deepEqual([found.device, found.deviceReason], ["cpu", deviceReason]);
    assert.deepEqual(reasons(found.adapters), [
      'false it is not the one called "slow"',
      `false ${deviceReason}`,
      'false it is not the one called "slow"',
    ]);
  });

  it("touches no driver where the processor was chosen", async () => {
    const found = await diagnoseDevices(undefined, { device: "cpu" }, () => assert.fail("looked for GPUs"));
    assert.deepEqual(found, { device: "cpu", deviceReason: "The processor was chosen.", adapters: [] });
  });

  it("tells what would be used where no model is loaded, and why nothing was found", async () => {
    assert.equal((await diagnoseDevices(undefined, { device: "auto" }, find)).device, "gpu");
    const failing = async () => assert.fail(new JakiroError("model", "The search failed."));
    const found = await diagnoseDevices(undefined, { device: "auto" }, failing);
    assert.deepEqual(found, { device: "cpu", deviceReason: "The search failed.", adapters: [] });
  });
});

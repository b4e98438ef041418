import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { WeightFormat } from "../../src/engine/cpu/packMatrix.ts";
import type { DecodeRequest } from "../../src/engine/decoding/decoder.ts";
import { DeviceLostError } from "../../src/engine/decoding/target.ts";
import { Engine, type EngineOptions } from "../../src/engine/engine.ts";
import { JakiroError } from "../../src/engine/errors.ts";
import type { Adapter } from "../../src/engine/gpu/adapters.ts";
import type { GpuDevice } from "../../src/engine/gpu/device.ts";
import { GpuTarget } from "../../src/engine/gpu/gpuTarget.ts";
import type { SelfTestSubject } from "../../src/engine/gpu/selfTest.ts";
import { commonTile } from "../../src/engine/gpu/targetKernels.ts";
import { openCheckpoint } from "../../src/engine/model/open.ts";
import type { Progress } from "../../src/engine/progress.ts";
import { request } from "../engine/decoding.ts";
import { chain } from "../engine/pathComparison.ts";
import { writeRandomHead } from "../engine/randomHead.ts";
import { packTiny, randomTokens, tinyPath } from "../engine/scratchTarget.ts";
import { openTestDevice } from "./testDevice.ts";

const path = tinyPath("tiny-qwen2");
const adapter: Adapter = {
  name: "Test GPU",
  backend: "vulkan",
  driver: "1",
  vendor: "x",
  software: false,
  abilities: { f16: false, subgroups: false, timestamps: false },
  limits: { maxBufferSize: 1 << 30, maxStorageBufferBindingSize: 1 << 30 },
};

const passed = { ok: true, failures: [] };

/** An engine on a device that the test may take away. Weights are exact, so that both devices write the same text. */
describe("an engine whose GPU is lost", function () {
  this.timeout(240_000);
  const outside = process.env["JAKIRO_CACHE_DIR"];
  const folder = mkdtempSync(join(tmpdir(), "jakiro-"));
  const checkpoint = openCheckpoint(path);
  const { vocabulary } = checkpoint.config;
  const head = writeRandomHead(join(folder, "head"), checkpoint.config, { kind: "jakiro" });
  checkpoint.close();
  before(() => {
    process.env["JAKIRO_CACHE_DIR"] = join(folder, "cache");
  });
  after(() => {
    if (outside === undefined) delete process.env["JAKIRO_CACHE_DIR"];
    else process.env["JAKIRO_CACHE_DIR"] = outside;
    rmSync(folder, { recursive: true });
  });

  let notes: string[];
  let devices: GpuDevice[];
  let clock: number;
  let engine: Engine;
  beforeEach(() => {
    [notes, devices, clock] = [[], [], 0];
  });
  afterEach(() => engine.release());

  /** @param named the GPU is used however slow it is, unless this is empty */
  async function load(
    options: Partial<EngineOptions> = {},
    named: { readonly adapter?: string } = { adapter: "Test" },
  ): Promise<void> {
    const open = async () => {
      const device = { ...(await openTestDevice()), name: adapter.name };
      devices.push(device);
      return device;
    };
    engine = await Engine.load({
      path,
      head,
      format: "float32",
      capacity: 300,
      threads: 1,
      device: "auto",
      ...named,
      gpuAccess: { find: async () => [adapter], open, test: async () => passed },
      onNote: (note) => notes.push(note),
      now: () => clock,
      ...options,
    });
  }

  /** What is said wherever these weights come onto the processor. */
  const inexactness = "float32 weights on the processor: drafts may change the text, so auto makes none.";

  /** What the processor writes. */
  async function expected(asked: DecodeRequest, format: WeightFormat = "float32"): Promise<readonly number[]> {
    const reference = await Engine.load({ path, format, threads: 1 });
    try {
      return (await (await reference.session("plain")).decode(asked)).tokens;
    } finally {
      await reference.release();
    }
  }

  it("goes on with the processor to the same text, and moves back when the GPU can be had again", async () => {
    const reports: Progress[] = [];
    await load({ progress: (progress) => reports.push(progress) });
    const stages = new Map(reports.map((progress) => [progress.stage, progress]));
    assert.deepEqual([engine.device, engine.adapter, engine.deviceReason, notes], ["gpu", "Test GPU", undefined, []]);
    for (const stage of ["Loading the model onto the GPU", "Compiling the GPU's kernels"])
      assert.equal(stages.get(stage)?.done, stages.get(stage)?.total ?? 0, stage);
    const sampling = { temperature: 0.8, topK: 0, topP: 1, seed: 5 };
    const asked = request(randomTokens(60, vocabulary, 3), { sampling });
    const text = await expected(asked);
    const compiled = stages.get("Compiling the GPU's kernels")!;
    reports.length = 0;
    const [session, idle] = [await engine.session("jakiro", { nodes: 6 }), await engine.session("lookup")];
    const opening = reports.filter(({ stage }) => stage === compiled.stage);
    // The head's and its rounds' pipelines are many, and are counted from the first one on.
    assert.ok(opening.length > 5 && opening[0]!.done < opening[0]!.total, JSON.stringify(opening));
    assert.deepEqual(
      [opening.at(-1)!.done, opening.every(({ done, total }) => done <= total)],
      [opening.at(-1)!.total, true],
    );
    await idle.prefill({ prompt: asked.prompt });

    const heard: number[] = [];
    const lost = await session.decode({
      ...asked,
      onTokens(tokens) {
        heard.push(...tokens);
        if (heard.length >= 5) devices[0]!.device.destroy();
        return undefined;
      },
    });
    assert.deepEqual([lost.tokens, heard, lost.finishReason], [text, text, "length"]);
    assert.equal(engine.device, "cpu");
    assert.match(engine.deviceReason!, /^The GPU Test GPU was lost: .*destroyed\.$/);
    assert.deepEqual(notes, [`${engine.deviceReason} Going on with the processor.`, inexactness]);
    assert.deepEqual(idle.tokens, [], "what it held is gone");
    assert.deepEqual((await idle.decode(asked)).tokens, text);

    clock += 60_000;
    // The processor's forwards block the event loop; between requests the GPU gets on.
    const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
    assert.deepEqual((await session.decode({ ...asked, turn })).tokens, text);
    assert.equal(engine.device, "cpu", "requests do not wait for the GPU");
    while (engine.device === "cpu" && !notes.at(-1)!.includes("yet")) await turn();
    assert.deepEqual([engine.adapter, engine.deviceReason], ["Test GPU", undefined]);
    assert.equal(notes.at(-1), "On the GPU Test GPU again.");
    assert.deepEqual((await session.decode(asked)).tokens, text);
    assert.deepEqual((await idle.decode(asked)).tokens, text);
    assert.equal(devices.length, 2);
  });

  for (const [what, fail, reason] of [
    ["it is gone", (device: GPUDevice) => device.destroy(), /Going on with the processor/],
    [
      "its driver compiles no kernel of the head",
      (device: GPUDevice) => {
        device.createComputePipelineAsync = async () => {
          throw new Error("the compiler gave up\nwith details");
        };
      },
      /The GPU Test GPU was lost: the compiler gave up\. Going on with the processor\./i,
    ],
    [
      "its memory does not hold the head's keys",
      (device: GPUDevice) => {
        const create = device.createBuffer.bind(device);
        device.createBuffer = (descriptor) =>
          create(descriptor.label === "head kv cache" ? { ...descriptor, size: 2 ** 50 } : descriptor);
      },
      /The GPU Test GPU was lost: .*(size|memory).* Going on with the processor\./i,
    ],
  ] as const) {
    it(`is left for the processor where a session finds, while it opens, that ${what}`, async () => {
      await load();
      fail(devices[0]!.device);
      const session = await engine.session("jakiro", { nodes: 6 });
      const asked = request(randomTokens(30, vocabulary, 4), { maxTokens: 6 });
      assert.deepEqual((await session.decode(asked)).tokens, await expected(asked));
      assert.equal(engine.device, "cpu");
      assert.match(notes.join("\n"), reason);
    });
  }

  it("moves all texts that share rounds to the processor, each to its own end", async () => {
    await load({ sessions: 3, forks: 2 });
    const requests = [0, 1].map((i) =>
      request(randomTokens(30 + i, vocabulary, 8 + i), {
        maxTokens: 14,
        sampling: { temperature: 0.8, topK: 0, topP: 1, seed: i },
      }),
    );
    const asked = request(randomTokens(40, vocabulary, 6), { maxTokens: 10 });
    const reference = await Engine.load({ path, format: "float32", threads: 1 });
    const plain = await reference.session("plain");
    const texts = [];
    for (const each of requests) texts.push((await plain.decode(each)).tokens);
    const alternatives = (await plain.decodeAlternatives([asked, asked, asked])).map(({ tokens }) => tokens);
    await reference.release();

    const sessions = [0, 1, 2].map(() => engine.session("jakiro"));
    const [first, second, third] = await Promise.all(sessions);
    let heard = 0;
    // Both others, and the alternatives of a third, are in the same rounds by then.
    const watched = {
      ...requests[0]!,
      onTokens(tokens: readonly number[]) {
        heard += tokens.length;
        if (heard >= 8) devices[0]!.device.destroy();
        return undefined;
      },
    };
    const [one, two, several] = await Promise.all([
      first!.decode(watched),
      second!.decode(requests[1]!),
      third!.decodeAlternatives([asked, asked, asked]),
    ]);
    assert.deepEqual([one.tokens, two.tokens], texts);
    assert.deepEqual(
      several.map(({ tokens }) => tokens),
      alternatives,
    );
    assert.deepEqual([engine.device, notes.length, devices.length], ["cpu", 2, 1]);
  });

  it("is cancelled within the forward that finds the device gone", async () => {
    await load();
    const abort = new AbortController();
    const session = await engine.session("plain");
    const asked = request(randomTokens(20, vocabulary, 4), { signal: abort.signal });
    const result = await session.decode({
      ...asked,
      onTokens(tokens) {
        devices[0]!.device.destroy();
        abort.abort();
        return tokens.length > 1 ? assert.fail() : undefined;
      },
    });
    assert.deepEqual([result.finishReason, result.tokens.length], ["cancelled", 1]);
  });

  it("is refused before the upload where the device's limits are too low, with the numbers", async () => {
    const limit = 65_536;
    let buffers = 0;
    const open = async () => {
      const opened = await openTestDevice();
      const { device } = opened;
      const limited = new Proxy(device, {
        get(target, key) {
          if (key === "limits") return { ...limitsOf(target), maxBufferSize: limit };
          if (key === "createBuffer") buffers++;
          const value = Reflect.get(target, key) as unknown;
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
      return { ...opened, device: limited, name: adapter.name };
    };
    await load({ gpuAccess: { find: async () => [adapter], open, test: async () => passed } });
    assert.equal(engine.device, "cpu");
    assert.match(engine.deviceReason!, /needs 1 MB in one buffer for .*, and Test GPU gives 1 MB at most\.$/);
    assert.equal(buffers, 0);
    const asked = request(randomTokens(20, vocabulary, 4), { maxTokens: 4 });
    assert.deepEqual((await (await engine.session("plain")).decode(asked)).tokens, await expected(asked));
  });

  it("stays on the processor where the kernels cannot take the model's shape, and says why", async () => {
    let buffers = 0;
    const open = async () => {
      const opened = await openTestDevice();
      const device = new Proxy(opened.device, {
        get(target, key) {
          if (key === "limits") return { ...limitsOf(target), maxComputeInvocationsPerWorkgroup: 128 };
          if (key === "createBuffer") buffers++;
          const value = Reflect.get(target, key) as unknown;
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
      return { ...opened, device, name: adapter.name };
    };
    const test = async () => assert.fail("its kernels need not be tried");
    const gpuAccess = { find: async () => [adapter], open, test };
    await load({ gpuAccess });
    const reason = "GPU kernels need 256 threads that work together, and Test GPU has 128.";
    assert.deepEqual([engine.device, engine.deviceReason, buffers], ["cpu", reason, 0]);
    assert.deepEqual(notes, [`Running on the processor. ${reason}`, inexactness]);
    const asked = Engine.load({ path, format: "float32", threads: 1, device: "gpu", gpuAccess });
    await assert.rejects(asked, (error) => {
      assert.ok(error instanceof JakiroError);
      assert.deepEqual([error.message, error.exitCode], [`${reason} Choose auto or cpu as the device.`, 4]);
      return true;
    });
  });

  it("is refused where the self-test finds kernels that compute wrongly, which are named", async () => {
    const failures = [
      { kernel: "norm", fault: "values", message: "row 0" },
      { kernel: "linear int8", fault: "rows", tile: 4, message: "row 1" },
      { kernel: "norm", fault: "rows", message: "row 2" },
    ] as const;
    const open = async () => ({ ...(await openTestDevice()), name: adapter.name });
    await load({ gpuAccess: { find: async () => [adapter], open, test: async () => ({ ok: false, failures }) } });
    assert.equal(engine.device, "cpu");
    assert.match(engine.deviceReason!, /Test GPU computes wrongly with its present driver \(norm, linear int8\)/);
  });

  it("is left for a processor that is faster, where none was named", async () => {
    await load({}, {});
    assert.equal(engine.device, "cpu");
    assert.match(engine.deviceReason!, /^The processor is faster than the GPU Test GPU: .* a token against .* ms\.$/);
    assert.deepEqual(notes, [`Running on the processor. ${engine.deviceReason}`, inexactness]);
    const session = await engine.session("auto");
    assert.equal((await session.decode(request([1, 2, 3], { maxTokens: 4 }))).tokens.length, 4);
  });

  it("does without subgroups where only kernels that use them compute wrongly", async () => {
    const failures = [{ kernel: "norm", fault: "values", message: "row 0" }] as const;
    const open = async () => ({ ...(await openTestDevice()), name: adapter.name });
    const test = async ({ lanes }: { lanes: number }) => (lanes > 0 ? { ok: false, failures } : passed);
    await load({ gpuAccess: { find: async () => [adapter], open, test } });
    assert.deepEqual([engine.device, engine.lanes], ["gpu", 0]);
  });

  it("keeps in float32 what was to be float16 where those kernels compute wrongly, and says so", async () => {
    const failures = [{ kernel: "attention float16", fault: "values", message: "off by 1" }] as const;
    const bytes = new Map<string, number>();
    const open = async () => {
      const opened = await openTestDevice();
      const create = opened.device.createBuffer.bind(opened.device);
      opened.device.createBuffer = (descriptor) => {
        bytes.set(descriptor.label ?? "", descriptor.size);
        return create(descriptor);
      };
      return { ...opened, name: adapter.name };
    };
    const test = async (_: GpuDevice, { format, cacheFormat }: SelfTestSubject) =>
      format === "float16" || cacheFormat === "float16" ? { ok: false, failures } : passed;
    await load({ format: "float16", kv: "float16", gpuAccess: { find: async () => [adapter], open, test } });
    const replacement =
      "Weights, keys and values are float32 on the GPU Test GPU: with its present driver kernels for float16 fail " +
      "(attention float16).";
    assert.deepEqual([engine.device, engine.replacement, notes], ["gpu", replacement, [replacement]]);
    const { layers, hidden, kvHeads, headDim, vocabulary } = engine.checkpoint.config;
    assert.equal(bytes.get("lm_head"), 4 * hidden * vocabulary);
    const slots = bytes.get("kv cache")! / (layers * 2 * kvHeads * headDim * 4);
    assert.ok(Number.isInteger(slots) && slots >= 3 * engine.capacity, `${slots} slots of float32`);
    const asked = request(randomTokens(30, vocabulary, 4), { maxTokens: 12 });
    const text = await expected(asked, "float16");
    for (const method of ["plain", "jakiro"] as const)
      assert.deepEqual((await (await engine.session(method)).decode(asked)).tokens, text, method);
  });

  it("takes tiles of one size where sizes disagree, for plain decoding as for verification", async () => {
    const failures = [{ kernel: "linear float32", fault: "rows", tile: 4, message: "row 1" }] as const;
    const open = async () => ({ ...(await openTestDevice()), name: adapter.name });
    const tried: (number | undefined)[] = [];
    const test = async ({ tile }: { tile?: number }) => {
      tried.push(tile);
      return tile === undefined ? { ok: false, failures } : passed;
    };
    await load({ gpuAccess: { find: async () => [adapter], open, test } });
    assert.deepEqual([engine.device, engine.tile, tried.at(-1)], ["gpu", commonTile, commonTile]);
    const asked = request(randomTokens(20, vocabulary, 4), { maxTokens: 12 });
    for (const method of ["plain", "lookup"] as const) {
      assert.deepEqual((await (await engine.session(method)).decode(asked)).tokens, await expected(asked), method);
    }
  });

  it("is refused where tiles of one size have other bits at other places too", async () => {
    const failures = [{ kernel: "linear float32", fault: "rows", tile: 16, message: "row 1" }] as const;
    const open = async () => ({ ...(await openTestDevice()), name: adapter.name });
    await load({ gpuAccess: { find: async () => [adapter], open, test: async () => ({ ok: false, failures }) } });
    assert.equal(engine.device, "cpu");
    assert.match(engine.deviceReason!, /computes wrongly with its present driver \(linear float32\)/);
  });

  it("has room for as many sessions as were asked for, and takes it back", async () => {
    await load({ sessions: 2 });
    const first = await engine.session("plain");
    await engine.session("plain");
    await assert.rejects(engine.session("plain"), /All 2 sequences/);
    first.release();
    await engine.session("plain");
  });
});

describe("GpuTarget, when its device fails", function () {
  this.timeout(120_000);

  it("tells errors apart from results", async () => {
    const scratch = await packTiny("tiny-llama", "int8");
    const { checkpoint, target } = scratch;
    const gpu = await openTestDevice();
    const loaded = await GpuTarget.load(gpu, checkpoint, target.packed, { capacity: 64, sequences: 1 });
    const sequence = loaded.sequence();
    await sequence.forward(chain([1, 2, 3]), "argmax");
    // What follows uses a buffer that is gone: Dawn makes an error of it, and the map of what was never written succeeds.
    loaded.scratch.logits.destroy();
    await assert.rejects(sequence.forward(chain([1, 2, 3]), "argmax"), (error) => {
      assert.ok(error instanceof DeviceLostError);
      assert.match(error.message, /destroyed/);
      return true;
    });
    await loaded.release();
    await scratch.release();
  });

  it("hears errors of what is compiled beside forwards, and of both where they overlap", async () => {
    const scratch = await packTiny("tiny-llama", "int8");
    const { checkpoint, target } = scratch;
    const gpu = await openTestDevice();
    const loaded = await GpuTarget.load(gpu, checkpoint, target.packed, { capacity: 64, sequences: 1 });
    const { STORAGE, MAP_READ } = GPUBufferUsage;
    const fail = async () => {
      gpu.device.createBuffer({ size: 4, usage: STORAGE | MAP_READ });
    };
    const refused = (work: Promise<unknown>) =>
      assert.rejects(work, (error) => error instanceof DeviceLostError && /usage/i.test(error.message));
    await refused(loaded.beside(fail));

    // Who ends first takes no error away from who goes on.
    const [begun, ended] = [signal(), signal()];
    const forward = refused(
      loaded.exclusively(async () => {
        await fail();
        begun.give();
        await ended.given;
      }),
    );
    await refused(loaded.beside(() => begun.given));
    ended.give();
    await forward;

    await loaded.exclusively(async () => undefined);
    await loaded.beside(async () => undefined);
    await loaded.release();
    await scratch.release();
  });

  it("gives a forward up that takes longer than its patience", async () => {
    const scratch = await packTiny("tiny-llama", "int8");
    const { checkpoint, target } = scratch;
    const options = { capacity: 64, sequences: 1, patienceMs: 1 };
    const loaded = await GpuTarget.load(await openTestDevice(), checkpoint, target.packed, options);
    const forward = loaded.exclusively(() => new Promise(() => undefined));
    await assert.rejects(forward, (error) => {
      assert.ok(error instanceof DeviceLostError);
      assert.equal(error.message, "it gave no answer for 0.001 s");
      return true;
    });
    await loaded.release();
    await scratch.release();
  });
});

function signal(): { readonly given: Promise<void>; give(): void } {
  let give = () => {};
  const given = new Promise<void>((resolve) => {
    give = resolve;
  });
  return { given, give: () => give() };
}

function limitsOf({ limits }: GPUDevice): Record<string, unknown> {
  const copied: Record<string, unknown> = {};
  for (const name in limits) copied[name] = limits[name as keyof GPUSupportedLimits];
  return copied;
}

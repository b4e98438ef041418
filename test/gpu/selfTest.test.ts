import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GpuDevice } from "../../src/engine/gpu/device.ts";
import { headCheck } from "../../src/engine/gpu/headCheck.ts";
import { type Kernel, KernelCompiler, type KernelConstants } from "../../src/engine/gpu/kernels.ts";
import { rightVariant } from "../../src/engine/gpu/kernelVariants.ts";
import { type SelfTestSubject, selfTest } from "../../src/engine/gpu/selfTest.ts";
import { rememberedSelfTest } from "../../src/engine/gpu/selfTestMemory.ts";
import { commonTile } from "../../src/engine/gpu/targetKernels.ts";
import { smallConfig } from "../unit/cpu/randomCheckpoint.ts";
import { openTestDevice } from "./testDevice.ts";

/** Changes to the sources of kernels, by the name of the kernel: [what, by what]. */
type Damage = Readonly<Record<string, readonly [string, string]>>;

/** Compiles damaged sources. */
class DamagingCompiler extends KernelCompiler {
  calls = 0;

  constructor(
    device: GPUDevice,
    private readonly damage: Damage = {},
  ) {
    super(device);
  }

  override compile(name: string, source: string, constants?: KernelConstants): Promise<Kernel> {
    this.calls++;
    const [what, by] = this.damage[name] ?? ["", ""];
    assert.ok(source.includes(what), `${name} has no "${what}"`);
    return super.compile(name, source.replace(what, by), constants);
  }
}

/** A user waits 2 s for a GPU's at most. In software it takes 2 to 4 s on two cores that others keep busy: more checks would show. */
const longestMs = 20_000;

const int8: SelfTestSubject = { config: { ...smallConfig, intermediate: 160 }, format: "int8" };

describe("the GPU's self-test", function () {
  this.timeout(180_000);
  let gpu: GpuDevice;
  before(async () => {
    gpu = await openTestDevice();
  });
  after(() => gpu.device.destroy());

  for (const subject of [
    int8,
    { config: smallConfig, format: "int4" },
    { config: smallConfig, format: "float16" },
    { config: smallConfig, format: "float32" },
    { ...int8, cacheFormat: "float16" },
  ] as const satisfies SelfTestSubject[]) {
    const kept = "cacheFormat" in subject ? ", keys and values in float16" : "";
    it(`finds nothing wrong with kernels that are right (${subject.format}${kept})`, async () => {
      const { ok, failures, ms } = await selfTest(new KernelCompiler(gpu.device), subject);
      assert.deepEqual([ok, failures], [true, []]);
      assert.ok(ms > 0 && ms < longestMs, `${ms} ms`);
    });
  }

  it("names every kernel that computes something else, and no other", async () => {
    const damage: Damage = {
      "linear int8": ["+ dot4I8Packed(a.w, w.w)", ""],
      "linearQkv int8": ["lane < half);", "lane <= half);"],
      norm: ["+ EPSILON", "+ 2.0 * EPSILON + 0.01"],
      embed: ["i / 32u]", "i / 16u]"],
      attention: ["position >= row.contiguous", "position > row.contiguous"],
      plantTree: ["noNode, 0u, 0.0", "noNode, 1u, 0.0"],
      growTree: ["parentValue + proposal.conditional", "proposal.conditional"],
      rerank: ["if (rank < wanted)", "if (rank <= wanted)"],
      chooseTokens: ["vec2(high, low)", "vec2(low, high)"],
      accept: ["parents[next] == row && ", ""],
      moveAccepted: ["(first + row)", "(first + i)"],
      stillGoing: ["finished == 0u", "finished != 0u"],
    };
    assert.deepEqual(await wrongUnder(damage), Object.keys(damage).sort());
  });

  it("names kernels that keep keys and values in float16 wrongly, where they do", async () => {
    const damage: Damage = {
      "linearQkv int8": [
        "cache[at / 2u] = pack2x16float(vec2(value, ",
        "cache[at / 2u] = pack2x16float(vec2(1.01 * value, ",
      ],
      "attention float16": ["unpack2x16float(", "1.01 * unpack2x16float("],
    };
    const half: SelfTestSubject = { ...int8, cacheFormat: "float16" };
    assert.deepEqual(await wrongUnder(damage, half), ["attention", "linearQkv int8"]);
  });

  it("gives up float16 where its kernels alone are wrong, weights and keys alike", async () => {
    const damage: Damage = {
      "linear float16": ["fma(", "1.01 * fma("],
      "attention float16": ["unpack2x16float(", "1.01 * unpack2x16float("],
    };
    const wanted = { config: smallConfig, format: "float16", cacheFormat: "float16" } as const;
    const tried: string[] = [];
    const { gpu: device, subject } = await rightVariant({ ...gpu, lanes: 0 }, wanted, (candidate, half) => {
      tried.push(`${half.format} ${half.cacheFormat}`);
      return selfTest(new DamagingCompiler(candidate.device, damage), half, candidate.tile);
    });
    assert.deepEqual(tried, ["float16 float16", "float16 float32", "float32 float16", "float32 float32"]);
    assert.deepEqual([subject.format, subject.cacheFormat, device.tile], ["float32", "float32", undefined]);
  });

  it("names what depends on the largest logits of tiles", async () => {
    const damage: Damage = { logitMaxima: ["i < perThread", "i + 1u < perThread"] };
    assert.deepEqual(await wrongUnder(damage), ["chooseTokens"]);
  });

  for (const [part, kernel, ...change] of [
    [
      "embeddings",
      "linearKeep int8-blocks",
      "tokenOf(row) * halfBlocks + block) * quads",
      "tokenOf(row) * halfBlocks + block) + quads",
    ],
    ["features", "linearKeep int8-blocks", "u32(rows[row].parent)", "row"],
    ["steps of features", "linearKeep int8-blocks", "* FEATURE_SCALE", "* FEATURE_SCALE * 2.0"],
    ["fc's bias", "linearKeep int8-blocks", "+ bias(column)", ""],
    ["gates", "linearNormed int8", "GATES + part - 1u]", "GATES]"],
    ["the norm's squares", "linearNormed int8", "fma(value, value, sum)", "fma(value, value, 2.0 * sum)"],
    ["the experts' input", "linearGated experts int8-blocks", "* rowFactor(row)", ""],
    ["routing", "linearMix", "gateOf(row, e) > gateOf(row, best)", "gateOf(row, e) < gateOf(row, best)"],
    [
      "lists",
      "linearMix",
      "(i % LISTS) * COUNT + row) * blockStride",
      "(LISTS - 1u - i % LISTS) * COUNT + row) * blockStride",
    ],
    ["ids of tiles", "linearBest int8-blocks", "vec2(mine, column)", "vec2(mine, lane)"],
    [
      "masses of tiles",
      "linearBest int8-blocks",
      "vec2(orderedValue(largest[turn]), tileValue(row, 0u))",
      "vec2(orderedValue(largest[turn]), 1.0)",
    ],
    ["sums over tiles", "draftTopK", "orderedValue(largest) + log(sums[0])", "log(sums[0])"],
  ] as const) {
    it(`finds a draft that goes wrong in ${kernel}: ${part}`, async () => {
      const check = headCheck(new DamagingCompiler(gpu.device, { [kernel]: change }), int8.config, true);
      assert.deepEqual(new Set((await check.run()).map(({ fault }) => fault)), new Set(["values"]));
    });
  }

  /** Names of the kernels in which the self-test finds wrong values, sorted. */
  async function wrongUnder(damage: Damage, subject = int8): Promise<string[]> {
    const { ok, failures } = await selfTest(new DamagingCompiler(gpu.device, damage), subject);
    assert.equal(ok, false);
    return [...new Set(failures.filter(({ fault }) => fault === "values").map(({ kernel }) => kernel))].sort();
  }

  describe("with sums that depend on", () => {
    const forward = "fma(a.w, w.w, fma(a.z, w.z, fma(a.y, w.y, fma(a.x, w.x, sums[row]))))";
    const backward = "fma(a.x, w.x, fma(a.y, w.y, fma(a.z, w.z, fma(a.w, w.w, sums[row]))))";
    const subject: SelfTestSubject = { config: smallConfig, format: "float32" };
    const test = async (backwardWhere: string, tile?: number) => {
      const damage: Damage = { "linear float32": [forward, `select(${forward}, ${backward}, ${backwardWhere})`] };
      const { ok, failures } = await selfTest(new DamagingCompiler(gpu.device, damage), subject, tile);
      assert.equal(ok, failures.length === 0);
      return {
        found: new Set(failures.map(({ kernel, fault }) => `${kernel} ${fault}`)),
        tiles: new Set(failures.map((failure) => failure.tile)),
      };
    };

    it("the number of rows, names the kernel and the tiles, and accepts a single size of tiles", async () => {
      const { found, tiles } = await test("ROWS >= 16u");
      assert.deepEqual(found, new Set(["linear float32 rows"]));
      assert.deepEqual(tiles, new Set([16, 32, 64]));
      assert.deepEqual(await test("ROWS >= 16u", commonTile), { found: new Set(), tiles: new Set() });
    });

    it("the place in a tile, refuses a single size of tiles too", async () => {
      const found = new Set(["linear float32 rows"]);
      assert.deepEqual(await test("row >= 5u"), { found, tiles: new Set([8, 16, 32, 64]) });
      assert.deepEqual(await test("row >= 5u", commonTile), { found, tiles: new Set([commonTile]) });
    });
  });

  it("reports what does not compile and what a variant does to features", async () => {
    const damage: Damage = {
      "linearGated int8": ["fillTile(column", "fillTiles(column"],
      norm: ["let next = value * nextFactor(word);", "let next = value * nextFactor(word) * (1.0 + 1e-6 * f32(KEEP));"],
    };
    const { failures } = await selfTest(new DamagingCompiler(gpu.device, damage), int8);
    const found = failures.map(({ kernel, fault, tile }) => [kernel, fault, tile]);
    const tiles = [1, 2, 4, 8, 16, 32, 64];
    assert.deepEqual(
      found,
      [...tiles.map((tile) => ["linearGated int8", "error", tile]), ["norm", "rows", undefined]],
      JSON.stringify(failures),
    );
  });

  describe("remembered", () => {
    const wrong: Damage = { plantTree: ["noNode, 0u, 0.0", "noNode, 1u, 0.0"] };
    let folder: string;
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), "jakiro-"));
    });
    afterEach(() => rmSync(folder, { recursive: true }));

    async function test(build: string, damage: Damage = {}) {
      const compiler = new DamagingCompiler(gpu.device, damage);
      const verdict = await rememberedSelfTest(gpu, int8, { build, folder: join(folder, "gpu"), compiler });
      return { verdict, ran: compiler.calls > 0 };
    }

    it("runs once for an adapter, a driver and a build, whatever its verdict", async () => {
      const first = await test("1", wrong);
      assert.deepEqual([first.verdict.ok, first.ran], [false, true]);
      const second = await test("1");
      assert.deepEqual(
        [second.verdict.ok, second.verdict.failures, second.ran],
        [false, first.verdict.failures, false],
      );
      const [file] = readdirSync(join(folder, "gpu"));
      assert.ok(JSON.parse(readFileSync(join(folder, "gpu", file!), "utf8")).ms > 0, "how long it took is kept");
      const other = await test("2");
      assert.deepEqual([other.verdict.ok, other.ran], [true, true]);
    });

    it("runs again where the verdict cannot be read, and where a kernel could not run", async () => {
      const broken: Damage = { rerank: ["workgroupBarrier", "barrierOfAll"] };
      assert.equal((await test("1", broken)).verdict.ok, false);
      const second = await test("1");
      assert.deepEqual([second.verdict.ok, second.ran], [true, true]);
      const [file] = readdirSync(join(folder, "gpu"));
      writeFileSync(join(folder, "gpu", file!), "{");
      assert.equal((await test("1")).ran, true);
    });
  });
});

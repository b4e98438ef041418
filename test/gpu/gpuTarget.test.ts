import assert from "node:assert/strict";
import type { WeightFormat } from "../../src/engine/cpu/packMatrix.ts";
import type { ForwardResult, TargetSequence } from "../../src/engine/decoding/target.ts";
import { attendedRows, logitRows } from "../../src/engine/gpu/forwardBuffers.ts";
import type { GpuSequence } from "../../src/engine/gpu/gpuSequence.ts";
import { GpuTarget } from "../../src/engine/gpu/gpuTarget.ts";
import { chain, randomTree } from "../engine/pathComparison.ts";
import { packScratch, packTiny, type ScratchTarget, type TinyModel, tinyModels } from "../engine/scratchTarget.ts";
import { assertClose, assertSameBits } from "../unit/cpu/numbers.ts";
import { randomCheckpoint, smallConfig } from "../unit/cpu/randomCheckpoint.ts";
import { readJson } from "../unit/model/fixtures.ts";
import { fresh, randomTokens } from "./freshRandom.ts";
import { openTestDevice } from "./testDevice.ts";

/** Made with transformers; features and logits of the rows from `firstRow` on. */
interface Golden {
  readonly sequences: readonly {
    readonly tokens: readonly number[];
    readonly firstRow: number;
    readonly features: readonly (readonly number[])[];
    readonly logits: readonly (readonly number[])[];
  }[];
}

interface Loaded extends ScratchTarget {
  readonly gpu: GpuTarget;
}

async function load(model: TinyModel, format: WeightFormat): Promise<Loaded> {
  return await upload(await packTiny(model, format));
}

async function upload(scratch: ScratchTarget): Promise<Loaded> {
  const options = { capacity: 512, sequences: 2 };
  return {
    ...scratch,
    gpu: await GpuTarget.load(await openTestDevice(), scratch.checkpoint, scratch.target.packed, options),
  };
}

async function unload({ gpu, release }: Loaded): Promise<void> {
  gpu.release();
  await release();
}

/** Runs a text in chunks; returns every row's features and logits. */
async function run(sequence: TargetSequence, tokens: readonly number[], chunk: number): Promise<ForwardResult[]> {
  const results: ForwardResult[] = [];
  for (let first = 0; first < tokens.length; first += chunk) {
    const part = tokens.slice(first, first + chunk);
    results.push(await sequence.forward(chain(part), "logits"));
    sequence.commit([...part.keys()]);
  }
  return results;
}

/** Logits of the same random text on either device. */
async function logitsOfBoth({ gpu, target, checkpoint }: Loaded) {
  const tokens = randomTokens(150, checkpoint.config.vocabulary, 5);
  const logits = async (sequence: TargetSequence) => joined(await run(sequence, tokens, 50), "logits");
  return { gpu: await logits(gpu.sequence()), cpu: await logits(target.sequence(512)) };
}

/** Commits a text in chunks. */
async function extend(sequence: TargetSequence, tokens: readonly number[], chunk: number): Promise<void> {
  for (let first = 0; first < tokens.length; first += chunk) {
    const part = tokens.slice(first, first + chunk);
    await sequence.forward(chain(part), "none");
    sequence.commit([...part.keys()]);
  }
}

function joined(results: readonly ForwardResult[], what: "features" | "logits"): Float32Array {
  return Float32Array.from(results.flatMap((result) => [...result[what]!]));
}

describe("GpuTarget", function () {
  this.timeout(120_000);

  for (const model of tinyModels) {
    it(`gives the features and logits of transformers in float32 (${model})`, async () => {
      const loaded = await load(model, "float32");
      const { hidden, vocabulary } = loaded.checkpoint.config;
      for (const { tokens, firstRow, features, logits } of readJson<Golden>("models", `${model}.golden.json`)
        .sequences) {
        const sequence = loaded.gpu.sequence();
        const results = await run(sequence, tokens, 60);
        assertClose(joined(results, "features").subarray(firstRow * hidden), features.flat(), 1e-4, "features");
        assertClose(joined(results, "logits").subarray(firstRow * vocabulary), logits.flat(), 1e-4, "logits");
        sequence.release();
      }
      await unload(loaded);
    });

    it(`multiplies float16 weights as the CPU does (${model})`, async () => {
      const loaded = await load(model, "float16");
      const { gpu, cpu } = await logitsOfBoth(loaded);
      assertClose(gpu, cpu, 1e-4, "logits");
      await unload(loaded);
    });

    it(`comes close to the CPU in int8 (${model})`, async () => {
      const loaded = await load(model, "int8");
      const { gpu, cpu } = await logitsOfBoth(loaded);
      // Both round activations, in other places: they differ by less than either does from the unrounded model.
      const error = Math.hypot(...cpu.map((value, i) => value - gpu[i]!)) / Math.hypot(...cpu);
      assert.ok(error < 0.1, `off by ${error} of the logits' size`);
      await unload(loaded);
    });

    for (const format of ["float32", "float16", "int8"] as const) {
      it(`gives a row the same bits whatever runs beside it and before it (${model}, ${format})`, async () => {
        const loaded = await load(model, format);
        const { vocabulary } = loaded.checkpoint.config;
        const [tree, plain] = [loaded.gpu.sequence(), loaded.gpu.sequence()];
        // Lengths on both sides of an attention block's end; every tile size serves some tree.
        for (const [i, [length, nodes]] of (
          [
            [1, 2],
            [60, 7],
            [126, 16],
            [129, 31],
            [250, 64],
          ] as const
        ).entries()) {
          const text = randomTokens(length, vocabulary, i);
          tree.trim(0);
          plain.trim(0);
          await extend(tree, text, 128);
          await extend(plain, text, 1 + (i % 2) * 16);
          await compareTree(tree, plain, randomTree(3, nodes, 9, randomTokens(64, vocabulary, 50 + i), fresh(i)));
        }
        await unload(loaded);
      });
    }
  }

  for (const [name, config] of [
    ["whole blocks of 128 everywhere", smallConfig],
    // The output projection has 96 inputs, and the down projection 192: both keep 8 bits among 4-bit matrices.
    ["8-bit matrices between", { ...smallConfig, heads: 3, kvHeads: 1, intermediate: 192 }],
  ] as const) {
    it(`runs 4-bit weights close to the CPU, rows independent of each other (${name})`, async () => {
      const loaded = await upload(await packScratch(randomCheckpoint(config), "int4"));
      const { vocabulary } = loaded.checkpoint.config;
      const text = randomTokens(70, vocabulary, 5);
      const [tree, plain] = [loaded.gpu.sequence(), loaded.gpu.sequence()];
      const gpu = joined(await run(tree, text, 50), "logits");
      const cpu = joined(await run(loaded.target.sequence(512), text, 50), "logits");
      const error = Math.hypot(...cpu.map((value, i) => value - gpu[i]!)) / Math.hypot(...cpu);
      assert.ok(error < 0.1, `off by ${error} of the logits' size`);
      await extend(plain, text, 3);
      for (const nodes of [3, 8, 31])
        await compareTree(tree, plain, randomTree(3, nodes, 2, randomTokens(64, vocabulary, nodes), fresh(nodes)));
      await unload(loaded);
    });
  }

  it("gives rows of more than one slice of attention the bits of plain decoding", async () => {
    const loaded = await load("tiny-qwen2", "int8");
    const { vocabulary } = loaded.checkpoint.config;
    const [tree, plain] = [loaded.gpu.sequence(), loaded.gpu.sequence()];
    const text = randomTokens(100, vocabulary, 31);
    await extend(tree, text, 128);
    await extend(plain, text, 128);
    await compareTree(tree, plain, randomTree(3, attendedRows + 61, 9, randomTokens(256, vocabulary, 32), fresh(33)));
    await unload(loaded);
  });

  it("commits a path of a tree as if it had been decoded plainly", async () => {
    const loaded = await load("tiny-qwen2", "int8");
    const { vocabulary } = loaded.checkpoint.config;
    const [tree, plain] = [loaded.gpu.sequence(), loaded.gpu.sequence()];
    const text = randomTokens(40, vocabulary, 1);
    const rows = randomTree(7, 24, 6, randomTokens(32, vocabulary, 2), fresh(3));
    const last = rows.parents.length - 1;
    const path: number[] = [];
    for (let row = last; row >= 0; row = rows.parents[row]!) path.unshift(row);
    assert.ok(
      path.some((row, i) => row !== i),
      "the path must move rows",
    );
    await run(tree, text, 40);
    await tree.forward(rows, "none");
    tree.commit(path);
    await run(plain, [...text, ...path.map((row) => rows.tokens[row]!)], 1);
    assert.deepEqual(tree.tokens, plain.tokens);
    const next = chain(randomTokens(3, vocabulary, 4));
    const [moved, expected] = [await tree.forward(next, "logits"), await plain.forward(next, "logits")];
    assertSameBits(moved.logits!, expected.logits!, "logits behind the path");
    await unload(loaded);
  });

  it("makes bind groups once for all forwards with the same tiles", async () => {
    const scratch = await packTiny("tiny-qwen2", "int8");
    const gpu = await openTestDevice();
    const { device } = gpu;
    const makeGroup = device.createBindGroup.bind(device);
    let made = 0;
    device.createBindGroup = (descriptor) => {
      made++;
      return makeGroup(descriptor);
    };
    const target = await GpuTarget.load(gpu, scratch.checkpoint, scratch.target.packed, { capacity: 64, sequences: 2 });
    const [first, second] = [target.sequence(), target.sequence()];
    await first.forward(chain([1, 2, 3]), "argmax");
    assert.ok(made > 8 * scratch.checkpoint.config.layers);
    made = 0;
    first.commit([0, 2]);
    await first.forward(chain([4, 5, 6, 7]), "logits");
    await first.forward(chain([4, 5, 6]), { temperature: 1, topK: 0, topP: 1, seed: 1 });
    await second.forward(chain([8, 9, 10]), "argmax");
    assert.equal(made, 0);
    await target.release();
    await scratch.release();
  });

  it("asks for all pipelines before it waits for one, and tells of each", async () => {
    const scratch = await packTiny("tiny-qwen2", "int8");
    const gpu = await openTestDevice();
    const { device } = gpu;
    const compile = device.createComputePipelineAsync.bind(device);
    let [asked, ready, askedBeforeFirst] = [0, 0, 0];
    device.createComputePipelineAsync = async (descriptor) => {
      asked++;
      const pipeline = await compile(descriptor);
      if (ready++ === 0) askedBeforeFirst = asked;
      return pipeline;
    };
    const target = await GpuTarget.load(gpu, scratch.checkpoint, scratch.target.packed, { capacity: 64, sequences: 1 });
    const [before, readyBefore] = [asked, ready];
    ready = 0;
    const told: (readonly [number, number])[] = [];
    await target.prepare((done, total) => told.push([done, total]));
    const all = asked - readyBefore;
    const done = told.map(([first]) => first);
    assert.deepEqual(
      done,
      [...new Set(done)].sort((one, other) => one - other),
    );
    assert.ok(told.length > 1 && all > 20, `${told.length} reports of ${all} pipelines`);
    assert.deepEqual([...new Set(told.map(([, total]) => total))], [all]);
    assert.equal(done.at(-1), all);
    assert.ok(askedBeforeFirst > before + 1, "pipelines were asked for one after the other");
    // Forwards need no more than that.
    await target.sequence().forward(chain([1, 2, 3]), "logits");
    assert.equal(asked, readyBefore + all);
    await target.release();
    await scratch.release();
  });

  it("gives regions back and refuses more sequences than have room", async () => {
    const loaded = await load("tiny-llama", "int8");
    const first = loaded.gpu.sequence();
    loaded.gpu.sequence();
    assert.throws(() => loaded.gpu.sequence(), /All 2 sequences/);
    first.release();
    loaded.gpu.sequence();
    await unload(loaded);
  });
});

/** Verifies a tree in one forward of `tree`, then decodes plainly along every path of it, and compares each node's bits. */
async function compareTree(tree: GpuSequence, plain: GpuSequence, rows: ReturnType<typeof randomTree>): Promise<void> {
  const { hidden, vocabulary } = tree.config;
  const count = rows.tokens.length;
  // Of a large tree, logits of all rows have no room.
  const firstOutput = Math.max(0, count - logitRows);
  const outputs = firstOutput === 0 ? undefined : Array.from({ length: logitRows }, (_, i) => firstOutput + i);
  const verified = await tree.forward(rows, "logits", outputs);
  const length = plain.tokens.length;
  const visit = async (row: number, depth: number): Promise<void> => {
    const expected = await plain.forward({ tokens: [rows.tokens[row]!], parents: [-1] }, "logits");
    const what = `row ${row} of ${count} at depth ${depth} behind ${length}`;
    assertSameBits(
      verified.features.subarray(row * hidden, (row + 1) * hidden),
      expected.features,
      `features, ${what}`,
    );
    const output = row - firstOutput;
    if (output >= 0) {
      const logits = verified.logits!.subarray(output * vocabulary, (output + 1) * vocabulary);
      assertSameBits(logits, expected.logits!, `logits, ${what}`);
    }
    plain.commit([0]);
    for (let child = row + 1; child < count; child++) if (rows.parents[child] === row) await visit(child, depth + 1);
    plain.trim(length + depth);
  };
  await visit(0, 0);
}

import assert from "node:assert/strict";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Method } from "../../src/engine/decoding/method.ts";
import { greedy } from "../../src/engine/decoding/sampling.ts";
import { Engine, type EngineOptions } from "../../src/engine/engine.ts";
import { JakiroError } from "../../src/engine/errors.ts";
import { catalogue } from "../../src/engine/model/catalogue.ts";
import { modelPath } from "../../src/engine/model/installed.ts";
import { openCheckpoint } from "../../src/engine/model/open.ts";
import { type Progress, preparingStage } from "../../src/engine/progress.ts";
import { safetensorsBytes, tensorsOf } from "../unit/model/safetensorsBytes.ts";
import { writeRandomHead } from "./randomHead.ts";
import { randomTokens, tinyPath } from "./scratchTarget.ts";

describe("Engine", () => {
  let folder: string;
  let headPath: string;
  const outside = process.env["JAKIRO_CACHE_DIR"];
  const engines: Engine[] = [];
  const checkpoint = openCheckpoint(tinyPath("tiny-qwen2"));
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "jakiro-"));
    process.env["JAKIRO_CACHE_DIR"] = join(folder, "cache");
    headPath = writeRandomHead(join(folder, "head"), checkpoint.config, { kind: "jakiro" });
  });
  after(() => {
    if (outside === undefined) delete process.env["JAKIRO_CACHE_DIR"];
    else process.env["JAKIRO_CACHE_DIR"] = outside;
    checkpoint.close();
    rmSync(folder, { recursive: true });
  });
  afterEach(async () => {
    for (const engine of engines.splice(0)) await engine.release();
  });

  async function load(options: Partial<EngineOptions> = {}): Promise<Engine> {
    const engine = await Engine.load({ path: tinyPath("tiny-qwen2"), threads: 2, ...options });
    engines.push(engine);
    return engine;
  }

  function refusal(kind: string, message: RegExp): (error: unknown) => boolean {
    return (error) => {
      if (!(error instanceof JakiroError)) throw error;
      assert.equal(error.kind, kind);
      assert.match(error.message, message);
      return true;
    };
  }

  const request = {
    prompt: randomTokens(40, checkpoint.config.vocabulary, 1),
    maxTokens: 12,
    sampling: greedy,
    endTokens: new Set<number>(),
  };

  it("loads any model, prepares it once and decodes by every method it can", async () => {
    const progress: number[] = [];
    const first = await load({ head: headPath, progress: ({ done, total }) => progress.push(done / total) });
    assert.equal(progress.at(-1), 1);
    assert.deepEqual(first.headKinds, ["jakiro"]);
    assert.equal(first.modelName, tinyPath("tiny-qwen2"));
    const texts = [];
    for (const method of ["plain", "lookup", "jakiro", "auto"] as Method[]) {
      texts.push((await (await first.session(method)).decode(request)).tokens);
    }
    assert.equal(texts[0]!.length, 12);
    for (const text of texts) assert.deepEqual(text, texts[0]);

    const second = await load({ progress: () => assert.fail("prepared again") });
    assert.deepEqual(second.headKinds, []);
    assert.deepEqual((await (await second.session("plain")).decode(request)).tokens, texts[0]);
  });

  it("prepares a model again whose packed files were damaged", async () => {
    const packed = join(folder, "cache", "packed");
    await load();
    const [directory] = readdirSync(packed).filter((name) => existsSync(join(packed, name, "pack.json")));
    for (const damage of [
      (path: string) => writeFileSync(join(path, "pack.json"), '{"format": '),
      (path: string) => truncateSync(join(path, "body.bin"), 5000),
      (path: string) => rmSync(join(path, "lm_head.bin")),
    ]) {
      damage(join(packed, directory!));
      let prepared = 0;
      const engine = await load({ progress: () => prepared++ });
      assert.ok(prepared > 0);
      assert.equal((await (await engine.session("plain")).decode(request)).tokens.length, 12);
    }
  });

  it("prepares a model folder again whose configuration was changed", async () => {
    const model = join(folder, "model");
    cpSync(tinyPath("tiny-qwen2").replace(/\.gguf$/, ""), model, { recursive: true });
    const text = readFileSync(join(model, "config.json"), "utf8");
    const tokens = async () => {
      let prepared = 0;
      const engine = await load({ path: model, progress: () => prepared++ });
      return { tokens: (await (await engine.session("plain")).decode(request)).tokens, prepared: prepared > 0 };
    };
    const first = await tokens();
    assert.equal((await tokens()).prepared, false);
    writeFileSync(join(model, "config.json"), text.replace(/"rms_norm_eps": [^,]+/, '"rms_norm_eps": 0.9'));
    const changed = await tokens();
    assert.equal(changed.prepared, true);
    assert.notDeepEqual(changed.tokens, first.tokens);
  });

  it("refuses a file that lies in a catalogue model's place and is another one", async () => {
    const models = process.env["JAKIRO_MODELS_DIR"];
    process.env["JAKIRO_MODELS_DIR"] = join(folder, "models");
    try {
      const path = modelPath(catalogue[0]!);
      mkdirSync(join(folder, "models"));
      cpSync(tinyPath("tiny-qwen2"), path);
      const message = new RegExp(`is not ${catalogue[0]!.name} as it was published.+jakiro models remove`);
      await assert.rejects(load({ path }), refusal("model", message));
    } finally {
      if (models === undefined) delete process.env["JAKIRO_MODELS_DIR"];
      else process.env["JAKIRO_MODELS_DIR"] = models;
    }
  });

  it("refuses a tokenizer with more entries than the model has embeddings", async () => {
    const model = join(folder, "wordy");
    cpSync(tinyPath("tiny-qwen2").replace(/\.gguf$/, ""), model, { recursive: true });
    const path = join(model, "tokenizer.json");
    const json = JSON.parse(readFileSync(path, "utf8")) as { model: { vocab: Record<string, number> } };
    json.model.vocab["surplus"] = 288;
    writeFileSync(path, JSON.stringify(json));
    await assert.rejects(load({ path: model }), refusal("model", /289 vocabulary entries but embeddings for 288/));
  });

  it("forgets everything on reset", async () => {
    const session = await (await load({ head: headPath })).session("jakiro", { nodes: 8 });
    const first = await session.decode(request);
    assert.equal((await session.decode(request)).cachedTokens, request.prompt.length - 1);
    session.reset();
    const again = await session.decode(request);
    assert.equal(again.cachedTokens, 0);
    assert.deepEqual(again.tokens, first.tokens);
    assert.deepEqual(again.statistics.counts, first.statistics.counts);
  });

  it("refuses a method whose head it lacks, names it, and goes on", async () => {
    const engine = await load({ head: "none" });
    for (const kind of ["jakiro", "jakiro-star", "eagle"] as const) {
      await assert.rejects(engine.session(kind), refusal("model", new RegExp(`no ${kind} head .+ --head`)));
    }
    assert.equal((await (await engine.session("auto")).decode(request)).tokens.length, 12);
  });

  for (const format of ["float32", "float16"] as const) {
    it(`says that drafts may change the text of ${format} weights, and leaves auto without any`, async () => {
      const notes: string[] = [];
      const engine = await load({ head: headPath, format, onNote: (note) => notes.push(note) });
      assert.deepEqual(notes, [`${format} weights on the processor: drafts may change the text, so auto makes none.`]);
      const phrase = request.prompt.slice(0, 10);
      const drafted = async (method: Method) => {
        const session = await engine.session(method, { nodes: 8 });
        const { statistics } = await session.decode({ ...request, prompt: [...phrase, ...phrase, ...phrase] });
        return statistics.counts.draftedTokens;
      };
      assert.equal(await drafted("auto"), 0);
      for (const method of ["lookup", "jakiro"] as const) assert.ok((await drafted(method)) > 0, method);
    });
  }

  for (const format of ["int8", "int4"] as const) {
    it(`lets auto draft with ${format} weights, and says nothing of drafts`, async () => {
      const notes: string[] = [];
      const engine = await load({ format, onNote: (note) => notes.push(note) });
      assert.deepEqual(
        notes.filter((note) => note.includes("drafts")),
        [],
      );
      const phrase = request.prompt.slice(0, 10);
      const session = await engine.session("auto", { nodes: 8 });
      const { statistics } = await session.decode({ ...request, prompt: [...phrase, ...phrase, ...phrase] });
      assert.ok(statistics.counts.draftedTokens > 0);
    });
  }

  it("keeps to the given capacity, and to the model's own", async () => {
    assert.equal((await (await load({ capacity: 50 })).session("plain")).capacity, 50);
    assert.equal((await (await load({ capacity: 1_000_000 })).session("plain")).capacity, 512);
  });

  it("stops preparing when it is told to, and leaves nothing behind", async () => {
    const packed = join(folder, "cache", "packed");
    const before = readdirSync(packed);
    const abort = new AbortController();
    const options = {
      path: tinyPath("tiny-llama"),
      signal: abort.signal,
      progress: ({ stage }: Progress) => stage === preparingStage && abort.abort(new Error("enough")),
    };
    await assert.rejects(Engine.load(options), /enough/);
    assert.deepEqual(readdirSync(packed), before);
  });

  it("tells how far a model file that it does not know is read, and stops there when it is told to", async () => {
    const path = join(folder, "unknown.gguf");
    cpSync(tinyPath("tiny-llama"), path);
    const abort = new AbortController();
    const stages: string[] = [];
    const progress = ({ stage }: Progress) => {
      stages.push(stage);
      abort.abort(new Error("enough"));
    };
    await assert.rejects(Engine.load({ path, signal: abort.signal, progress }), /^Error: enough$/);
    assert.deepEqual(stages, ["Checking"]);
  });

  describe("with heads that do not fit", () => {
    const config = () => JSON.parse(readFileSync(join(headPath, "config.json"), "utf8")) as Record<string, unknown>;

    /** A copy of the head with another config or other tensors. */
    function spoilt(
      name: string,
      changes: { config?: object; drop?: string; replace?: Parameters<typeof safetensorsBytes>[0] },
    ): string {
      const path = join(folder, name);
      cpSync(headPath, path, { recursive: true });
      writeFileSync(join(path, "config.json"), JSON.stringify({ ...config(), ...changes.config }));
      const tensors = { ...tensorsOf(readFileSync(join(headPath, "model.safetensors"))), ...changes.replace };
      if (changes.drop !== undefined) delete tensors[changes.drop];
      writeFileSync(join(path, "model.safetensors"), safetensorsBytes(tensors));
      return path;
    }

    const integers = (...values: number[]) => ({
      dtype: "I32",
      shape: [values.length],
      data: new Uint8Array(Int32Array.from(values).buffer),
    });
    const floats = (...shape: number[]) => ({
      dtype: "F32",
      shape,
      data: new Uint8Array(4 * shape.reduce((size, length) => size * length, 1)),
    });

    const cases: readonly (readonly [name: string, changes: Parameters<typeof spoilt>[1], message: RegExp])[] = [
      [
        "another hidden size",
        { config: { hidden: 128 } },
        /another model: its hidden size is 128 and the model's is 64/,
      ],
      ["another vocabulary", { replace: { d2t: integers(1, 288) } }, /another model: it drafts token 288 .+ has 288/],
      [
        "a target with another vocabulary",
        { config: { target_vocabulary: 287 } },
        /another model: its target has a vocabulary of 287 and the model's has 288/,
      ],
      [
        "fewer bytes than its shape has",
        { replace: { "fc.bias": { ...floats(64), data: new Uint8Array(252) } } },
        /"fc\.bias" is 64 in 252 bytes, which do not go together/,
      ],
      ["an empty draft vocabulary", { replace: { d2t: integers() } }, /"d2t"/],
      ["another head size", { config: { heads: 2, kv_heads: 1, head_dim: 32 } }, /another model: .+ 32 .+ 16/],
      ["another rotary base", { config: { rope_base: 500_000 } }, /another model: .+500000/],
      ["an unknown kind", { config: { kind: "medusa" } }, /kind "medusa" is not one of jakiro, jakiro-star, eagle/],
      ["a count that is none", { config: { experts: 1.5 } }, /"experts" in its config\.json/],
      ["one expert", { config: { experts: 1 } }, /"experts" in its config\.json/],
      ["a missing tensor", { drop: "fc.bias" }, /no tensor "fc\.bias"/],
      ["a missing expert", { config: { experts: 4 } }, /mlp_moe\.(gate|experts\.3)/],
      [
        "a matrix of the wrong shape",
        { replace: { "fc.weight": floats(64, 64) } },
        /"fc\.weight" is 64 x 64 .+ 64 x 128/,
      ],
      ["a vector of the wrong length", { replace: { "fc.bias": floats(63) } }, /"fc\.bias"/],
      [
        "tensors of another type",
        { replace: { "fc.bias": { ...floats(64), dtype: "I32" } } },
        /"fc\.bias" is I32 where F32/,
      ],
      ["fewer query heads than it says", { config: { heads: 8, kv_heads: 4 } }, /self_attn/],
    ];
    for (const [name, changes, message] of cases) {
      it(`says what is wrong: ${name}`, async () => {
        const path = spoilt(name.replaceAll(" ", "-"), changes);
        // Some faults show when the head is opened, some when its weights are read.
        await assert.rejects(
          load({ head: path }).then((engine) => engine.session("jakiro")),
          refusal("model", message),
        );
      });
    }

    it("says what is wrong: no head at all, and one cut short", async () => {
      await assert.rejects(load({ head: join(folder, "nowhere") }), refusal("model", /no readable config\.json/));
      const path = spoilt("cut", {});
      const bytes = readFileSync(join(path, "model.safetensors"));
      writeFileSync(join(path, "model.safetensors"), bytes.subarray(0, bytes.length - 100));
      await assert.rejects(load({ head: path }), refusal("model", /model\.safetensors/));
      writeFileSync(join(path, "config.json"), "{");
      await assert.rejects(load({ head: path }), refusal("model", /config\.json is not JSON/));
    });
  });
});

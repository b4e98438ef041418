import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { closest, editDistance } from "../../src/engine/closest.ts";
import { decodeSmoothing } from "../../src/engine/cpu/smoothingFile.ts";
import { JakiroError } from "../../src/engine/errors.ts";
import {
  type CatalogueModel,
  catalogue,
  defaultModelName,
  lookUpModel,
  packageRoot,
  requireModel,
  shippedHeads,
} from "../../src/engine/model/catalogue.ts";
import { withFolder } from "./modelServer.ts";

describe("catalogue", () => {
  it("has the default model", () => {
    assert.equal(requireModel(defaultModelName).bytes, 491_400_064);
  });

  for (const model of catalogue) {
    it(`describes ${model.name} completely`, () => {
      assert.match(model.name, /^[a-z0-9.-]+$/);
      assert.match(model.sha256, /^[0-9a-f]{64}$/);
      assert.match(model.source.repository, /^[\w.-]+\/[\w.-]+$/);
      assert.match(model.source.revision, /^[0-9a-f]{40}$/, "a revision that cannot move");
      assert.match(model.file, /^[\w.-]+\.gguf$/);
      assert.equal(model.heads, `models/heads/${model.name}`);
      assert.equal(model.licence, "Apache-2.0");
      assert.ok(model.memoryBytes > model.bytes, "the weights alone take as much");
    });
  }

  it("has every name and file once", () => {
    assert.equal(new Set(catalogue.map(({ name }) => name.toLowerCase())).size, catalogue.length);
    assert.equal(new Set(catalogue.map(({ file }) => file.toLowerCase())).size, catalogue.length);
  });

  it("matches names without regard to case", () => {
    assert.equal(lookUpModel("Qwen2.5-Coder-0.5B-Instruct"), requireModel(defaultModelName));
    assert.equal(lookUpModel("SMOLLM2-135M-INSTRUCT")?.family, "SmolLM2");
    assert.equal(lookUpModel("smollm2"), undefined);
  });

  it("lists the known names for an unknown one, with the closest", () => {
    assert.throws(
      () => requireModel("qwem2.5-coder-0.5b"),
      (error: unknown) => {
        assert.ok(error instanceof JakiroError);
        assert.equal(error.exitCode, 4);
        assert.match(error.message, /did you mean "qwen2\.5-coder-0\.5b-instruct"\?/);
        for (const { name } of catalogue) assert.ok(error.message.includes(name));
        return true;
      },
    );
    assert.throws(() => requireModel("llama"), /There is no model named "llama"\. Known/);
  });

  it("finds its package from a folder inside it, and refuses elsewhere", () =>
    withFolder(async (folder) => {
      assert.throws(() => packageRoot(folder), /install it again/);
      await mkdir(join(folder, "models"));
      await mkdir(join(folder, "out", "test"), { recursive: true });
      await writeFile(join(folder, "models", "catalogue.json"), "[]");
      assert.equal(packageRoot(join(folder, "out", "test")), folder);
    }));

  it("reports the heads whose configuration is there", () =>
    withFolder(async (folder) => {
      const model: CatalogueModel = requireModel(defaultModelName);
      assert.deepEqual(shippedHeads(model, folder), []);
      for (const kind of ["eagle", "jakiro"]) {
        await mkdir(join(folder, model.heads, kind), { recursive: true });
        await writeFile(join(folder, model.heads, kind, "config.json"), "{}");
      }
      await mkdir(join(folder, model.heads, "jakiro-star"));
      assert.deepEqual(shippedHeads(model, folder), ["jakiro", "eagle"]);
    }));
});

describe("shipped smoothing", () => {
  for (const { name, heads } of catalogue) {
    it(`is there for ${name}, every divisor a positive number`, () => {
      const { layers, lmHead } = decodeSmoothing(join(packageRoot(), heads, "smoothing.safetensors"));
      assert.ok(layers.length > 0);
      for (const { qkv, gateUp } of layers)
        assert.deepEqual([qkv.length, gateUp.length], [lmHead.length, lmHead.length]);
      const divisors = layers.flatMap(({ qkv, o, gateUp, down }) => [qkv, o, gateUp, down]).concat(lmHead);
      for (const vector of divisors) assert.ok(vector.every((divisor) => divisor > 0 && Number.isFinite(divisor)));
    });
  }
});

describe("shipped heads", () => {
  for (const model of catalogue) {
    for (const kind of shippedHeads(model)) {
      it(`name the weights and the smoothing they were trained on (${model.name}, ${kind})`, async () => {
        const folder = join(packageRoot(), model.heads);
        const config = JSON.parse(await readFile(join(folder, kind, "config.json"), "utf8"));
        const smoothing = await readFile(join(folder, "smoothing.safetensors"));
        assert.equal(config.target_sha256, model.sha256);
        assert.ok(config.target_vocabulary > 0);
        assert.equal(config.smoothing_sha256, createHash("sha256").update(smoothing).digest("hex"));
      });
    }
  }
});

describe("closest", () => {
  const distances: [string, string, number][] = [
    ["", "", 0],
    ["", "abc", 3],
    ["kitten", "sitting", 3],
    ["flaw", "lawn", 2],
    ["same", "same", 0],
  ];
  for (const [a, b, edits] of distances) {
    it(`is ${edits} edits from "${a}" to "${b}"`, () => {
      assert.equal(editDistance(a, b), edits);
      assert.equal(editDistance(b, a), edits);
    });
  }

  const words = ["temperature", "top-k", "top-p", "nodes", "depth", "json"];
  const meant: [string, string | undefined][] = [
    ["temprature", "temperature"],
    ["temp", "temperature"],
    ["TEMPERATURE", "temperature"],
    ["node", "nodes"],
    ["jsno", undefined],
    ["x", undefined],
    ["", undefined],
    ["threads", undefined],
  ];
  for (const [word, expected] of meant) {
    it(`takes "${word}" for ${expected ?? "nothing known"}`, () => assert.equal(closest(word, words), expected));
  }
});

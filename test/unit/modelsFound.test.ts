import assert from "node:assert/strict";
import { copyFile, link, mkdir, readdir, symlink, truncate, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { requireModel } from "../../src/engine/model/catalogue.ts";
import { type DiskFolders, diskUse, removeFiles } from "../../src/engine/model/diskUse.ts";
import { inspectModel } from "../../src/engine/model/inspect.ts";
import { foundModels, localPlaces } from "../../src/engine/model/localFiles.ts";
import { ggufBytes, text } from "./model/ggufBytes.ts";
import { withFolder } from "./modelServer.ts";

async function put(path: string, content: string | Buffer = "GGUF"): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
  return path;
}

async function found(home: string): Promise<{ name: string; place: string; path: string; bytes: number }[]> {
  const files: Awaited<ReturnType<typeof found>> = [];
  for await (const file of foundModels(localPlaces({ JAKIRO_CACHE_DIR: join(home, "jakiro") }, home))) files.push(file);
  return files.filter(({ path }) => path.startsWith(home));
}

describe("models of other programs", () => {
  it("are found under the names that those programs give them", () =>
    withFolder(async (home) => {
      const digest = "ab".repeat(32);
      const blob = await put(join(home, ".ollama", "models", "blobs", `sha256-${digest}`));
      await put(
        join(home, ".ollama", "models", "manifests", "registry.ollama.ai", "library", "coder", "0.5b"),
        JSON.stringify({
          layers: [
            { mediaType: "application/vnd.ollama.image.license", digest: `sha256:${"cd".repeat(32)}` },
            { mediaType: "application/vnd.ollama.image.model", digest: `sha256:${digest}` },
          ],
        }),
      );
      const hub = join(home, ".cache", "huggingface", "hub", "models--owner--repository");
      const hubBlob = await put(join(hub, "blobs", "0123"));
      await mkdir(join(hub, "snapshots", "revision"), { recursive: true });
      await symlink(hubBlob, join(hub, "snapshots", "revision", "hub-model.gguf"));
      const studio = await put(join(home, ".lmstudio", "models", "owner", "repository", "studio.GGUF"));
      const llama = await put(join(home, ".cache", "llama.cpp", "llama.gguf"));
      await put(join(home, ".cache", "llama.cpp", "notes.txt"));
      await symlink(llama, join(home, ".lmstudio", "models", "again.gguf"));

      assert.deepEqual(
        (await found(home)).map(({ name, place, path }) => [name, place, path]),
        [
          ["hub-model", "the Hugging Face cache", hubBlob],
          ["again", "LM Studio", llama],
          ["studio", "LM Studio", studio],
          ["coder:0.5b", "Ollama", blob],
        ],
      );
    }));

  it("are left out where a manifest is broken or its blob is gone", () =>
    withFolder(async (home) => {
      const manifests = join(home, ".ollama", "models", "manifests", "h", "o");
      const gone = { mediaType: "application/vnd.ollama.image.model", digest: `sha256:${"ef".repeat(32)}` };
      await put(join(home, "outside"));
      const elsewhere = { ...gone, digest: "sha256:x/../../../../outside" };
      for (const [name, content] of Object.entries({
        broken: "{",
        list: "[]",
        null: "null",
        gone: JSON.stringify({ layers: [gone] }),
        elsewhere: JSON.stringify({ layers: [elsewhere] }),
      })) {
        await put(join(manifests, name, "tag"), content);
      }
      assert.deepEqual(await found(home), []);
    }));
});

describe("inspectModel", () => {
  const fixtures = join("test", "fixtures", "models");

  for (const [name, architecture] of [
    ["tiny-qwen2.gguf", "qwen2"],
    ["tiny-llama.gguf", "llama"],
    ["tiny-llama", "llama"],
  ] as const) {
    it(`tells architecture and size of ${name}`, () => {
      const found = inspectModel(join(fixtures, name));
      assert.ok(found.usable);
      assert.equal(found.architecture, architecture);
      assert.ok(found.weights > 10_000 && found.weights < 400_000, String(found.weights));
    });
  }

  it("counts the same weights in both forms of one model", () => {
    const [file, folder] = ["tiny-qwen2.gguf", "tiny-qwen2"].map((name) => inspectModel(join(fixtures, name)));
    assert.deepEqual(file, folder);
  });

  it("says why a file cannot be run", () =>
    withFolder(async (folder) => {
      const clip = await put(
        join(folder, "mmproj.gguf"),
        ggufBytes({ metadata: { "general.architecture": text("clip") }, tensors: [] }),
      );
      const cut = join(folder, "cut.gguf");
      await copyFile(join(fixtures, "tiny-qwen2.gguf"), cut);
      await truncate(cut, 5000);
      const cases: [string, RegExp][] = [
        [clip, /architecture "clip", but Jakiro runs/],
        [cut, /incomplete/],
        [await put(join(folder, "page.gguf"), "<html>"), /not a GGUF file|incomplete|ends inside/],
        [join(folder, "absent.gguf"), /does not exist/],
        [folder, /\.$/],
      ];
      for (const [path, says] of cases) {
        const found = inspectModel(path);
        assert.ok(!found.usable, path);
        assert.match(found.reason, says);
        assert.match(found.reason, /^[^\n]+\.$/);
      }
    }));
});

describe("disk use", () => {
  const model = requireModel("smollm2-135m-instruct");
  const hash = model.sha256.slice(0, 16);

  async function withFiles(use: (folders: DiskFolders, home: string) => Promise<void>): Promise<void> {
    await withFolder(async (home) => {
      const folders = { models: join(home, "models"), packed: join(home, "packed") };
      await put(join(folders.models, model.file), Buffer.alloc(1000));
      await put(join(folders.models, `${model.file}.part`), Buffer.alloc(10));
      await put(join(folders.packed, `${hash}-int8`, "body", "weights.bin"), Buffer.alloc(300));
      await put(join(folders.packed, `${hash}-head`, "weights.bin"), Buffer.alloc(40));
      await put(join(folders.packed, `${"f".repeat(16)}-int8`, "weights.bin"), Buffer.alloc(7));
      await use(folders, home);
    });
  }

  it("lists model files, begun downloads and packed weights with what removing each frees", () =>
    withFiles(async (folders) => {
      assert.deepEqual(
        (await diskUse(folders)).map(({ kind, name, paths, bytes }) => [kind, name, paths.length, bytes]),
        [
          ["model", model.name, 1, 1000],
          ["partial", model.name, 1, 10],
          ["packed", model.name, 2, 340],
          ["packed", "f".repeat(16), 1, 7],
        ],
      );
    }));

  it("counts nothing for a file that another program holds too", () =>
    withFiles(async (folders, home) => {
      await link(join(folders.models, model.file), join(home, "theirs.gguf"));
      assert.equal((await diskUse(folders))[0]?.bytes, 0);
    }));

  it("removes one item and leaves the others", () =>
    withFiles(async (folders, home) => {
      const [file, part] = await diskUse(folders);
      const removed: string[] = [];
      const options = { signal: new AbortController().signal, onRemoved: (path: string) => removed.push(path) };
      await removeFiles(file!.model, file!.paths, options, folders);
      assert.deepEqual(removed, file!.paths);
      assert.deepEqual(await readdir(folders.models), [`${model.file}.part`]);
      await removeFiles(part!.model, part!.paths, options, folders);
      assert.deepEqual(await readdir(folders.models), []);
      assert.equal((await readdir(folders.packed)).length, 3);
      assert.deepEqual(await readdir(home), ["models", "packed"]);
    }));

  it("is empty where nothing was ever made", () =>
    withFolder(async (home) => {
      assert.deepEqual(await diskUse({ models: join(home, "a"), packed: join(home, "b") }), []);
    }));
});

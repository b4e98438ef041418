import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, statSync } from "node:fs";
import {
  link,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { catalogue, requireModel } from "../../src/engine/model/catalogue.ts";
import { type ObtainedModel, obtainModel } from "../../src/engine/model/fetchSources.ts";
import { installation, locateModel } from "../../src/engine/model/installed.ts";
import { adopt, localPlaces } from "../../src/engine/model/localFiles.ts";
import { type Answer, modelOf, noise, serveModel, withFolder } from "./modelServer.ts";

const content = noise(50_000);
const model = modelOf(content);

async function put(path: string, bytes: Buffer = content): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, bytes);
  return path;
}

/** Looks in the places of a made-up home; no source is asked. */
function getLocally(home: string, env: Record<string, string> = {}): Promise<ObtainedModel> {
  const places = localPlaces({ JAKIRO_CACHE_DIR: join(home, "jakiro"), ...env }, home);
  const folder = join(home, "jakiro", "models");
  return obtainModel(model, { folder, places, sources: [], signal: new AbortController().signal });
}

describe("local copies", () => {
  const hub = join("models--someone--fork", "blobs", model.sha256);
  const ollama = join("blobs", `sha256-${model.sha256}`);
  const places: { at: string; env?: string; value?: string; place: string }[] = [
    { at: join(".cache", "huggingface", "hub", hub), place: "the Hugging Face cache" },
    {
      at: join(".cache", "huggingface", "hub", "models--someone--fork", "snapshots", "0a1b", "named.gguf"),
      place: "the Hugging Face cache",
    },
    { at: join("elsewhere", "hub", hub), env: "HF_HOME", value: "elsewhere", place: "the Hugging Face cache" },
    { at: join("elsewhere", hub), env: "HF_HUB_CACHE", value: "elsewhere", place: "the Hugging Face cache" },
    {
      at: join("xdg", "huggingface", "hub", hub),
      env: "XDG_CACHE_HOME",
      value: "xdg",
      place: "the Hugging Face cache",
    },
    { at: join(".lmstudio", "models", "owner", "repository", "renamed.GGUF"), place: "LM Studio" },
    { at: join(".cache", "lm-studio", "models", "owner", "repository", "x.gguf"), place: "LM Studio" },
    { at: join(".cache", "llama.cpp", "owner_repository_x.gguf"), place: "llama.cpp's cache" },
    { at: join("Library", "Caches", "llama.cpp", "x.gguf"), place: "llama.cpp's cache" },
    { at: join("llama", "x.gguf"), env: "LLAMA_CACHE", value: "llama", place: "llama.cpp's cache" },
    { at: join(".ollama", "models", ollama), place: "Ollama" },
    { at: join("elsewhere", ollama), env: "OLLAMA_MODELS", value: "elsewhere", place: "Ollama" },
    { at: join("jakiro", "models", "renamed.gguf"), place: "Jakiro's cache" },
    { at: join("custom", "renamed.gguf"), env: "JAKIRO_MODELS_DIR", value: "custom", place: "Jakiro's cache" },
  ];
  for (const { at, env, value, place } of places) {
    it(`takes over ${at}${env === undefined ? "" : ` by ${env}`} without copying`, () =>
      withFolder(async (home) => {
        const theirs = await put(join(home, at));
        const { path, how, from } = await getLocally(home, env === undefined ? {} : { [env]: join(home, value!) });
        assert.equal(how, "adopted");
        assert.equal(from, `${place} (${theirs}, hard link)`);
        assert.equal((await stat(path)).ino, (await stat(theirs)).ino);
        assert.deepEqual(
          await readdir(dirname(path)),
          at.startsWith("jakiro") ? ["renamed.gguf", model.file] : [model.file],
        );
      }));
  }

  it("follows the links of a snapshot to the file itself", () =>
    withFolder(async (home) => {
      const theirs = await put(join(home, "storage", "file"));
      const snapshot = join(home, ".lmstudio", "models", "a", "b", "x.gguf");
      await mkdir(dirname(snapshot), { recursive: true });
      await symlink(theirs, snapshot);
      const { path } = await getLocally(home);
      assert.equal((await lstat(path)).isSymbolicLink(), false);
      assert.equal((await stat(path)).ino, (await stat(theirs)).ino);
    }));

  it("trusts the hash, not the name or size", () =>
    withFolder(async (home) => {
      const impostor = await put(join(home, ".cache", "huggingface", "hub", hub), noise(content.length, 2));
      await put(join(home, ".cache", "llama.cpp", "short.gguf"), content.subarray(1));
      await assert.rejects(getLocally(home), (error: Error) => {
        assert.ok(error.message.includes(`${impostor} has the right size but other bytes`), error.message);
        assert.match(error.message, /Jakiro's cache, the Hugging Face cache, LM Studio, llama\.cpp's cache or Ollama/);
        return true;
      });
      assert.deepEqual(await readdir(join(home, "jakiro", "models")), []);

      await put(join(home, ".ollama", "models", ollama));
      assert.match((await getLocally(home)).from!, /^Ollama/);
      assert.ok(existsSync(impostor));
    }));

  it("replaces a link whose target is gone", () =>
    withFolder(async (home) => {
      const path = join(home, "jakiro", "models", model.file);
      await mkdir(dirname(path), { recursive: true });
      await symlink(join(home, "gone"), path);
      await put(join(home, ".ollama", "models", ollama));
      assert.equal((await getLocally(home)).how, "adopted");
      assert.deepEqual(await readFile(path), content);
    }));

  it("refers by symbolic link to a file on another disk", async function () {
    const otherDisk = "/dev/shm";
    await withFolder(async (folder) => {
      if (!existsSync(otherDisk) || statSync(otherDisk).dev === statSync(folder).dev) return this.skip();
      const theirs = await put(join(otherDisk, `jakiro-test-${process.pid}.gguf`));
      try {
        assert.equal(await adopt(theirs, join(folder, model.file)), "symbolic link");
        assert.equal(await readlink(join(folder, model.file)), theirs);
        assert.deepEqual(await readdir(folder), [model.file]);
        const found = await installation(model, folder);
        assert.deepEqual([found.state, found.linkedFrom], ["installed", theirs]);
      } finally {
        await rm(theirs);
      }
    });
  });

  it("says what is in the way when nothing can be put into the folder", () =>
    withFolder(async (folder) => {
      const theirs = await put(join(folder, "theirs"));
      await assert.rejects(adopt(theirs, join(folder, "no", "folder")), /could not be written \(ENOENT\)/);
      assert.ok(existsSync(theirs));
    }));
});

describe("locateModel", () => {
  const known = catalogue[0]!;

  it("finds catalogue names, files and directories, and says how to get what is missing", () =>
    withFolder(async (folder) => {
      await assert.rejects(locateModel(known.name, folder), /get it with `jakiro models get \S+` \(491 MB\)/);
      const path = await put(join(folder, known.file), Buffer.alloc(0));
      await truncate(path, known.bytes - 1);
      await assert.rejects(locateModel(known.name, folder), /models get/);
      await truncate(path, known.bytes);
      assert.deepEqual(await locateModel(known.name.toUpperCase(), folder), { path, model: known });
      assert.deepEqual(await locateModel(path, folder), { path, model: undefined });
      assert.deepEqual(await locateModel(folder, folder), { path: folder, model: undefined });
      await assert.rejects(locateModel(join(folder, "x"), folder), /no model file or directory/);
      await assert.rejects(locateModel("x.gguf", folder), /no model file or directory x\.gguf/);
      await assert.rejects(locateModel("qwen2.5-codr", folder), /did you mean "qwen2\.5-coder-0\.5b-instruct"/);
    }));
});

describe("command line", function () {
  // Whole processes, one of which downloads 98 MB from this machine.
  this.timeout(30_000);
  const cli = resolve(process.env["JAKIRO_CLI"] ?? join("dist", "cli.js"));
  const small = requireModel("smollm2-135m-instruct");

  function start(
    home: string,
    argv: readonly string[],
    env: Record<string, string> = {},
  ): ChildProcessWithoutNullStreams {
    return spawn(process.execPath, [cli, ...argv], {
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: home,
        USERPROFILE: home,
        JAKIRO_CACHE_DIR: join(home, "cache"),
        ...env,
      },
    });
  }

  async function run(home: string, argv: readonly string[], env: Record<string, string> = {}) {
    const child = start(home, argv, env);
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    const [code] = (await once(child, "close")) as [number | null];
    return { code, stdout, stderr };
  }

  const unchanged: { argv: string[]; code: number; stderr?: RegExp; stdout?: RegExp }[] = [
    { argv: [], code: 2, stderr: /^jakiro: Which command\? / },
    { argv: ["modls"], code: 2, stderr: /^jakiro: There is no command "modls"; did you mean "models"\? / },
    { argv: ["--help"], code: 0, stdout: /COMMAND[\s\S]+models +list/ },
    { argv: ["models", "--help"], code: 0, stdout: /get NAME[\s\S]+--source/ },
    { argv: ["models", "get", "-h"], code: 0, stdout: /get NAME/ },
    { argv: ["models"], code: 2, stderr: /expects list, get NAME or remove NAME\. / },
    { argv: ["models", "get"], code: 2, stderr: /expects the name of one model/ },
    { argv: ["models", "get", "x", "--sorce", "y"], code: 2, stderr: /no option --sorce; did you mean --source\?/ },
    { argv: ["models", "get", "nothing"], code: 4, stderr: /no model named "nothing"\. Known models: qwen2\.5-coder/ },
    { argv: ["models", "remove", "nothing"], code: 4, stderr: /no model named/ },
    { argv: ["models", "remove", small.name], code: 0, stderr: /not installed; there is nothing to remove/ },
    { argv: ["models", "list"], code: 0, stdout: /^NAME[\s\S]+smollm2-135m-instruct +98 MB +Apache-2\.0 .+ no\n$/ },
  ];
  for (const { argv, code, stdout = /^$/, stderr = /^$/ } of unchanged) {
    it(`answers "jakiro ${argv.join(" ")}" with exit code ${code}`, () =>
      withFolder(async (home) => {
        const result = await run(home, argv);
        assert.equal(result.code, code, result.stderr);
        assert.match(result.stdout, stdout);
        assert.match(result.stderr, stderr);
        assert.match(result.stderr, /^([^\n]+\n)?$/, "one line at most");
        assert.deepEqual(await readdir(home), [], "writes nothing");
      }));
  }

  it("lists as JSON what is installed and what was begun", () =>
    withFolder(async (home) => {
      const folder = join(home, "models");
      await truncate(await put(join(folder, small.file), Buffer.alloc(0)), small.bytes);
      await put(join(folder, `${catalogue[0]!.file}.part`), Buffer.alloc(10));
      const { stdout } = await run(home, ["models", "list", "--json"], { JAKIRO_MODELS_DIR: folder });
      const records = JSON.parse(stdout) as {
        name: string;
        state: string;
        path: string;
        received: number;
        heads: string[];
      }[];
      assert.deepEqual(
        records.map(({ name, state, path, received }) => ({ name, state, path, received })),
        [
          { name: catalogue[0]!.name, state: "partial", path: join(folder, catalogue[0]!.file), received: 10 },
          { name: small.name, state: "installed", path: join(folder, small.file), received: small.bytes },
        ],
      );
      assert.ok(records.every(({ heads }) => Array.isArray(heads)));
    }));

  it("removes what is Jakiro's and leaves what is not", () =>
    withFolder(async (home) => {
      const folder = join(home, "cache", "models");
      const theirs = await put(join(home, "theirs.gguf"));
      await mkdir(folder, { recursive: true });
      await link(theirs, join(folder, small.file));
      await put(join(folder, `${small.file}.part`));
      await put(join(folder, "other.gguf"));
      await put(join(home, "cache", "packed", `${small.sha256}-int8`, "weights.bin"));
      await put(join(home, "cache", "packed", "ffff", "weights.bin"));
      const { code, stderr } = await run(home, ["models", "remove", small.name.toUpperCase()]);
      assert.equal(code, 0, stderr);
      assert.deepEqual(await readdir(folder), ["other.gguf"]);
      assert.deepEqual(await readdir(join(home, "cache", "packed")), ["ffff"]);
      assert.deepEqual(await readFile(theirs), content);
    }));

  async function withHub(
    script: readonly Answer[],
    use: (hub: Awaited<ReturnType<typeof serveModel>>) => Promise<void>,
  ) {
    const hub = await serveModel(Buffer.alloc(small.bytes), script);
    try {
      await use(hub);
    } finally {
      await hub.close();
    }
  }

  it("exits 6 after a download with the wrong hash and keeps nothing of it", () =>
    withHub([{}], async (hub) =>
      withFolder(async (home) => {
        const { code, stderr } = await run(home, ["models", "get", small.name], { HF_ENDPOINT: hub.endpoint });
        assert.equal(code, 6, stderr);
        assert.match(stderr, /jakiro: smollm2-135m-instruct could not be fetched: .+other bytes than this model's/);
        assert.deepEqual(await readdir(join(home, "cache", "models")), []);
      }),
    ));

  it("exits 130 on Ctrl-C in the middle, and the next run goes on", async function () {
    if (process.platform === "win32") this.skip();
    const begun = 100_000;
    await withHub([{ stallAfter: begun }, { status: 404 }], async (hub) =>
      withFolder(async (home) => {
        const part = join(home, "cache", "models", `${small.file}.part`);
        const child = start(home, ["models", "get", small.name], { HF_ENDPOINT: hub.endpoint });
        while ((await stat(part).catch(() => undefined))?.size !== begun)
          await new Promise((done) => setTimeout(done, 20));
        child.kill("SIGINT");
        assert.deepEqual(await once(child, "close"), [130, null]);
        assert.deepEqual(await readdir(dirname(part)), [`${small.file}.part`]);

        await run(home, ["models", "get", small.name], { HF_ENDPOINT: hub.endpoint });
        assert.equal(hub.requests[1]?.range, `bytes=${begun}-`);
        assert.equal((await stat(part)).size, begun);
      }),
    );
  });

  it("is quiet when nobody reads its output", async function () {
    if (process.platform === "win32") this.skip();
    await withFolder(async (home) => {
      const child = start(home, ["--help"]);
      child.stdout.destroy();
      let stderr = "";
      child.stderr.on("data", (text) => {
        stderr += text;
      });
      assert.deepEqual(await once(child, "close"), [0, null]);
      assert.equal(stderr, "");
    });
  });
});

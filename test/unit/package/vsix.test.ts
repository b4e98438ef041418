import assert from "node:assert/strict";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, posix, win32 } from "node:path";
import { version } from "../../../package.json";
import platforms from "../../../scripts/platforms.json";
import { resolveRuntime } from "../../../src/extension/engineRuntime.ts";
import { binaryKind } from "./nativeBinary.ts";
import { projectToPackage, run, runPackaging } from "./project.ts";
import { readVsix, unpackVsix, type VsixFile } from "./vsixArchive.ts";

/** Node binaries are fetched once; packing five platforms is half a minute of compression. */
const packagingMs = 15 * 60_000;

/** Names that only the package mirror's table contains, which the extension must not (src/cli/packageMirror.ts). */
const mirrorTraces = [/pandas.sns/, /llm.smollm2/, /pip.?download/i, /--only-binary/];

const ownFiles = [
  /^\[Content_Types\]\.xml$/,
  /^extension\.vsixmanifest$/,
  /^extension\/(package(\.nls(\.[\w-]+)?)?\.json|readme\.md|changelog\.md|LICENSE\.txt|THIRD_PARTY_NOTICES\.txt)$/,
  /^extension\/l10n\/bundle\.l10n(\.[\w-]+)?\.json$/,
  /^extension\/media\/[\w./-]+\.(svg|png|css|js)$/,
  /^extension\/models\/(catalogue\.json|calibration\.txt)$/,
  // The heads to compare with stay out.
  /^extension\/models\/heads\/[\w.-]+\/(jakiro\/)?[\w-]+\.(json|safetensors|md|svg)$/,
  /^extension\/dist\/(extension|engine|adapters)\.js$/,
  /^extension\/dist\/node\/LICENSE$/,
  /^extension\/dist\/node_modules\/onnxruntime-node\/(package\.json|LICENSE|ThirdPartyNotices\.txt|dist\/\w+\.js)$/,
  /^extension\/dist\/node_modules\/webgpu\/(package\.json|index\.js|LICENSE\.md)$/,
  /^extension\/dist\/node_modules\/onnxruntime-common\/(package\.json|dist\/cjs\/(package\.json|[\w-]+\.js))$/,
];

interface Vsix {
  readonly path: string;
  readonly files: readonly VsixFile[];
}

const scripts = ({ files }: Vsix) => files.filter(({ path }) => path.endsWith(".js"));

describe("VSIX", () => {
  let folder: string;
  const built = new Map<string, Vsix>();
  const vsixOf = (target: string) => built.get(target) ?? assert.fail(`no VSIX for ${target}`);

  before(async function () {
    this.timeout(packagingMs);
    folder = await mkdtemp(join(tmpdir(), "jakiro-vsix-"));
    const project = await projectToPackage();
    const packaging = await runPackaging(project.root, ["--out", folder]);
    await project.remove();
    assert.equal(packaging.code, 0, packaging.stderr);
    for (const target of Object.keys(platforms)) {
      const path = join(folder, `jakiro-${target}-${version}.vsix`);
      built.set(target, { path, files: await readVsix(path) });
    }
  });
  after(() => rm(folder, { recursive: true, force: true }));

  for (const [target, platform] of Object.entries(platforms)) {
    const node = `extension/dist/node/${platform.os === "win32" ? "node.exe" : "bin/node"}`;
    const runtime = platform.runtime.map(
      (name) => `extension/dist/node_modules/onnxruntime-node/bin/napi-v6/${platform.os}/${platform.cpu}/${name}`,
    );
    const webgpu = platform.webgpu.files.map(
      (name) => `extension/dist/node_modules/webgpu/dist/${platform.webgpu.folder}/${name}`,
    );

    describe(target, () => {
      it("holds its own native files and no others", () => {
        const native = vsixOf(target).files.flatMap(({ path, head }) => {
          const kind = binaryKind(head);
          return kind === undefined ? [] : [[path, kind] as const];
        });
        const cpuOf = (path: string) =>
          /dawn\.node$/.test(path) && platform.os === "darwin" ? "universal" : platform.cpu;
        const expected = [node, ...runtime, ...webgpu]
          .filter((path) => !/\.txt$/i.test(path))
          .map((path) => [path, { os: platform.os, cpu: cpuOf(path) }] as const);
        assert.deepEqual(new Map(native), new Map(expected));
      });

      it("holds nothing foreign", () => {
        const foreign = vsixOf(target)
          .files.map(({ path }) => path)
          .filter((path) => ![node, ...runtime, ...webgpu].includes(path))
          .filter((path) => !ownFiles.some((pattern) => pattern.test(path)));
        assert.deepEqual(foreign, []);
      });

      it("says which platform it is for", () => {
        const manifest = textOf(vsixOf(target), "extension.vsixmanifest");
        assert.match(manifest, new RegExp(`TargetPlatform="${target}"`));
      });

      it("may be run", () => {
        const mode = fileOf(vsixOf(target), node).mode;
        assert.equal(mode & 0o111, 0o111);
      });

      it("has its Node where the extension looks for it", async () => {
        const path = platform.os === "win32" ? win32 : posix;
        const installed = platform.os === "win32" ? "C:\\jakiro" : "/jakiro";
        const files = new Set(vsixOf(target).files.map((file) => path.join(installed, path.normalize(file.path))));
        const runtime = await resolveRuntime(
          path.join(installed, "extension", "dist", "engine.js"),
          { workspaceFolders: [], trusted: true },
          {
            platform: platform.os as NodeJS.Platform,
            searchPath: "",
            editor: { path: "editor", electron: true },
            isExecutable: async (name) => files.has(name),
            realPath: async (name) => name,
            version: async () => `v${platform.node.version}`,
          },
          { info: () => undefined, trace: () => undefined },
        );
        assert.equal(runtime.command, path.join(installed, path.normalize(node)));
      });

      it("has at most 120 MB", async () => {
        const { size } = await stat(vsixOf(target).path);
        assert.ok(size <= 120e6, `${size} bytes`);
      });

      it("knows nothing of the package mirror and of source maps", () => {
        const bundles = scripts(vsixOf(target)).filter(({ path }) => /dist\/\w+\.js$/.test(path));
        assert.ok(bundles.length >= 2);
        for (const { path, head } of bundles) {
          const text = head.toString();
          for (const trace of mirrorTraces) assert.doesNotMatch(text, trace, path);
          if (!path.includes("node_modules")) assert.doesNotMatch(text, /\n\/\/# sourceMappingURL=/, path);
        }
      });

      it("carries the licences of what is in it", () => {
        const vsix = vsixOf(target);
        const notices = textOf(vsix, "extension/THIRD_PARTY_NOTICES.txt");
        assert.match(notices, new RegExp(`Node\\.js ${platform.node.version.replaceAll(".", "\\.")} `));
        assert.match(notices, /vscode-jsonrpc \S+ \(MIT\)[^=]+Permission is hereby granted/);
        for (const path of [
          "node/LICENSE",
          "node_modules/onnxruntime-node/LICENSE",
          "node_modules/webgpu/LICENSE.md",
        ]) {
          assert.match(
            fileOf(vsix, `extension/dist/${path}`).head.toString(),
            /Permission is hereby granted|Node\.js is licensed|Dawn & Tint Authors/,
          );
        }
      });

      it("has a manifest without what is for development, and pages without links into the repository", () => {
        const vsix = vsixOf(target);
        const manifest = JSON.parse(textOf(vsix, "extension/package.json"));
        for (const field of ["scripts", "dependencies", "devDependencies", "bin", "files", "private", "repository"]) {
          assert.equal(manifest[field], undefined, field);
        }
        assert.deepEqual(Object.keys(manifest.engines), ["vscode"]);
        for (const page of ["readme.md", "changelog.md"]) {
          assert.doesNotMatch(textOf(vsix, `extension/${page}`), /\]\((?!https?:|#|mailto:)/, page);
        }
      });
    });
  }

  const here = `${process.platform}-${process.arch}`;
  if (here in platforms) {
    it(`for ${here} runs its engine's runtime with its own Node`, async function () {
      this.timeout(packagingMs);
      const unpacked = join(folder, "unpacked");
      await unpackVsix(vsixOf(here).path, unpacked);
      const dist = join(unpacked, "extension", "dist");
      const node = join(dist, "node", process.platform === "win32" ? "node.exe" : join("bin", "node"));
      const program = `
        const load = require("node:module").createRequire(${JSON.stringify(join(dist, "engine.js"))});
        const backends = load("onnxruntime-node").listSupportedBackends().map(({ name }) => name);
        console.log(JSON.stringify({ version: process.version, backends, from: load.resolve("onnxruntime-node") }));`;
      const { code, stdout, stderr } = await run(node, ["-e", program]);
      assert.equal(code, 0, stderr);
      const { version, backends, from } = JSON.parse(stdout);
      assert.equal(version, `v${platforms[here as keyof typeof platforms].node.version}`);
      assert.ok(backends.includes("cpu"));
      assert.ok(from.startsWith(join(dist, "node_modules")), from);

      const looking = `
        const { fork } = require("node:child_process");
        const probe = fork(${JSON.stringify(join(dist, "adapters.js"))}, { stdio: ["ignore", "ignore", "ignore", "ipc"] });
        probe.on("message", (search) => console.log(JSON.stringify(search)));`;
      // Whether there is a GPU or not: the library that looks for it has been loaded.
      const search = JSON.parse((await run(node, ["-e", looking])).stdout);
      assert.ok(Array.isArray(search.adapters), JSON.stringify(search));
    });
  }
});

function fileOf({ files }: Vsix, path: string): VsixFile {
  return files.find((file) => file.path === path) ?? assert.fail(`no ${path}`);
}

function textOf(vsix: Vsix, path: string): string {
  return fileOf(vsix, path).head.toString();
}

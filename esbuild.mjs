// Builds dist/ (what ships) and, with --tests, out/test/ (what mocha runs). With --watch, stays.
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import * as esbuild from "esbuild";

const tests = process.argv.includes("--tests");
const watch = process.argv.includes("--watch");

/** Native modules and the editor's own API stay outside of the bundles. */
const external = ["vscode", "onnxruntime-node", "webgpu", "mocha", "playwright-core"];

function testFiles(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true })
    .map(String)
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => join(folder, name));
}

const shared = {
  bundle: true,
  platform: "node",
  target: "node20",
  format: "cjs",
  sourcemap: true,
  external,
  logLevel: "warning",
  loader: { ".wgsl": "text" },
  // Bundles are CommonJS; import.meta.url has no meaning there and must not be used.
  logOverride: { "empty-import-meta": "error" },
};

const product = {
  ...shared,
  entryPoints: {
    cli: "src/cli/main.ts",
    demo: "src/cli/demo.ts",
    adapters: "src/engine/gpu/adapterProbe.ts",
    engine: "src/engine/server/main.ts",
    extension: "src/extension/extension.ts",
  },
  outdir: "dist",
  minify: !watch && !tests,
};

/** What runs suites inside an editor. */
const workbench = ["extensionTests", "runExtensionTests", "windowAgent"].map((name) => `test/workbench/${name}.ts`);

const suites = { ...shared, entryPoints: [...testFiles("test"), ...workbench], outbase: ".", outdir: "out" };

const builds = tests ? [product, suites] : [product];
if (tests) rmSync("out", { recursive: true, force: true });
if (watch) for (const options of builds) await (await esbuild.context(options)).watch();
else await Promise.all(builds.map((options) => esbuild.build(options)));

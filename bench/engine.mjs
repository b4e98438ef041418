// Bundles the engine from its sources, as the command line is built, and hands out its exports.
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const folder = dirname(fileURLToPath(import.meta.url));
const outfile = join(folder, "out", "engine.cjs");

await esbuild.build({
  entryPoints: [join(folder, "engine.ts")],
  outfile,
  bundle: true,
  platform: "node",
  target: "node20",
  format: "cjs",
  external: ["onnxruntime-node", "webgpu"],
  loader: { ".wgsl": "text" },
  logLevel: "warning",
});

export const product = createRequire(import.meta.url)(outfile);

// TypeScript for plain Node: bundles modules of this folder into out/.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const folder = dirname(fileURLToPath(import.meta.url));

/** Path of the CommonJS bundle that is made of a module, named within this folder. */
export async function bundle(module) {
  const outfile = join(folder, "out", module.replace(/\.ts$/, ".cjs"));
  await esbuild.build({
    entryPoints: [join(folder, module)],
    outfile,
    bundle: true,
    platform: "node",
    target: "node20",
    format: "cjs",
    external: ["onnxruntime-node", "playwright-core", "vscode", "webgpu"],
    loader: { ".wgsl": "text" },
    logLevel: "warning",
  });
  return outfile;
}

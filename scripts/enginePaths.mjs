import { join } from "node:path";
import { buildSync } from "esbuild";

/** src/engine/model/paths.ts as it is: scripts run without a build. */
const { outputFiles } = buildSync({
  entryPoints: [join(import.meta.dirname, "..", "src", "engine", "model", "paths.ts")],
  bundle: true,
  platform: "node",
  format: "esm",
  write: false,
});
const bundled = Buffer.from(outputFiles[0].contents).toString("base64");

export const { cacheDirectory, modelsDirectory } = await import(`data:text/javascript;base64,${bundled}`);

/**
 * Builds the platform VSIX files from what `npm run build` left in dist/:
 *
 *     npm run package -- [--target linux-x64]... [--with-model] [--out DIR]
 *
 * Without --target, one for every platform. --with-model puts the default model inside, for machines without internet; registries
 * refuse files of that size. The files appear in DIR ("vsix" where absent) when all of them are done, or none does.
 */

import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { createVSIX } from "@vscode/vsce";
import { findDefaultModel } from "./offlineModel.mjs";
import { PackagingError } from "./packagingError.mjs";
import platforms from "./platforms.mjs";
import { bundles, stageExtension } from "./stage.mjs";

const root = join(import.meta.dirname, "..");

/** What one platform's download may weigh, without a model. */
const largestBytes = 120e6;

function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        target: { type: "string", multiple: true },
        "with-model": { type: "boolean", default: false },
        out: { type: "string", default: "vsix" },
      },
    });
    return {
      targets: values.target ?? Object.keys(platforms),
      withModel: values["with-model"],
      out: resolve(values.out),
    };
  } catch (error) {
    throw new PackagingError(
      `${error.message}\nUsage: npm run package -- [--target NAME]... [--with-model] [--out DIR]`,
    );
  }
}

function checkBeforeWork({ targets }) {
  const known = Object.keys(platforms);
  for (const target of targets) {
    if (!known.includes(target)) {
      throw new PackagingError(`There is no platform "${target}"; the platforms are ${known.join(", ")}.`);
    }
    if (process.platform === "win32" && platforms[target].os !== "win32") {
      throw new PackagingError(
        `${target} cannot be packaged on Windows, where executable bits get lost; use Linux or macOS.`,
      );
    }
  }
  for (const bundle of bundles) {
    if (!existsSync(join(root, "dist", bundle))) {
      throw new PackagingError(`dist/${bundle} is missing; run \`npm run build\` first.`);
    }
  }
}

async function packageAll({ targets, withModel, out }) {
  const { name, version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const model = withModel ? await findDefaultModel(root) : undefined;
  mkdirSync(out, { recursive: true });
  // In the same file system as the result, so that renaming is all that is left to do.
  const scratch = mkdtempSync(join(out, ".unfinished-"));
  // vsce ends the process where it finds fault with a file.
  process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));

  const finished = [];
  for (const target of new Set(targets)) {
    const file = `${name}-${target}-${version}${withModel ? "-with-model" : ""}.vsix`;
    const folder = join(scratch, target);
    await stageExtension(root, target, folder, model);
    // Dependencies are in place already; there is no public address to name as the repository.
    const options = { dependencies: false, allowMissingRepository: true };
    await createVSIX({ cwd: folder, target, packagePath: join(scratch, file), ...options });
    rmSync(folder, { recursive: true });
    const { size } = statSync(join(scratch, file));
    if (!withModel && size > largestBytes) {
      throw new PackagingError(
        `${file} has ${megabytes(size)}, more than ${megabytes(largestBytes)}; leave something out.`,
      );
    }
    finished.push({ file, size });
  }
  for (const { file } of finished) renameSync(join(scratch, file), join(out, file));
  for (const { file, size } of finished) console.log(`${join(out, file)} (${megabytes(size)})`);
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

try {
  const options = readArguments();
  checkBeforeWork(options);
  await packageAll(options);
} catch (error) {
  console.error(error instanceof PackagingError ? error.message : error);
  process.exitCode = 1;
}

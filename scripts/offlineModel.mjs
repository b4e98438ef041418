import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { copyFile, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { modelsDirectory } from "./enginePaths.mjs";
import { PackagingError } from "./packagingError.mjs";

/** The catalogue's first model, which is the default one, and its verified file on this disk. */
export async function findDefaultModel(root) {
  const [model] = JSON.parse(await readFile(join(root, "models", "catalogue.json"), "utf8"));
  const path = join(modelsDirectory(), model.file);
  const found = await stat(path).catch(() => undefined);
  const get = `run \`node dist/cli.js models get ${model.name}\` and try again`;
  if (found === undefined) throw new PackagingError(`${model.file} is not in ${modelsDirectory()}; ${get}.`);
  if (found.size !== model.bytes || (await sha256Of(path)) !== model.sha256) {
    throw new PackagingError(`${path} is not the file that the catalogue names; remove it, ${get}.`);
  }
  if (model.licence !== "Apache-2.0") {
    throw new PackagingError(
      `There is no licence text for ${model.name} (${model.licence}); add one to scripts/licences.`,
    );
  }
  return { model, path };
}

/** Puts the model and its licence into `folder`. */
export async function stageModel({ model, path }, root, folder) {
  await mkdir(folder, { recursive: true });
  await copyFile(path, join(folder, model.file));
  const { repository, revision } = model.source;
  const origin = `${model.file}\nfrom ${repository} on Hugging Face, revision ${revision}, unchanged.`;
  const licence = await readFile(join(root, "LICENSE"), "utf8");
  await writeFile(
    join(folder, "LICENSE.txt"),
    `${origin}\nLicensed under the Apache License, Version 2.0:\n\n${licence}`,
  );
}

async function sha256Of(path) {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

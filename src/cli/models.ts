import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type CatalogueModel, catalogue, requireModel, shippedHeads } from "../engine/model/catalogue.ts";
import { acquireLock } from "../engine/model/fileLock.ts";
import { type Installation, installation, modelPath } from "../engine/model/installed.ts";
import { partPath, writeFailure } from "../engine/model/partFile.ts";
import { cacheDirectory, modelsDirectory } from "../engine/model/paths.ts";
import type { ModelSourceName, ModelsOptions } from "./arguments.ts";
import type { CommandContext } from "./command.ts";
import { fetchInOrder } from "./ensureModel.ts";
import { formatTable } from "./table.ts";

export async function runModels(options: ModelsOptions, context: CommandContext): Promise<void> {
  switch (options.action) {
    case "list":
      return await listModels(options.json, context);
    case "get":
      return await getModel(requireModel(options.name), options.sources, context);
    case "remove":
      return await removeModel(requireModel(options.name), context);
  }
}

async function getModel(
  model: CatalogueModel,
  sources: readonly ModelSourceName[],
  { signal, progress, note, print }: CommandContext,
): Promise<void> {
  const { path, how, from } = await fetchInOrder(model, sources, { signal, onProgress: progress, onNote: note });
  const origin = {
    present: "is already there",
    adopted: `was taken over from ${from}`,
    downloaded: `was fetched from ${from}`,
  };
  note(`${model.name} ${origin[how]}.`);
  print(`${path}\n`);
}

async function listModels(json: boolean, { print }: CommandContext): Promise<void> {
  const rows = await Promise.all(
    catalogue.map(async (model) => ({ model, found: await installation(model), heads: shippedHeads(model) })),
  );
  if (json) {
    const records = rows.map(({ model, found, heads }) => ({ ...model, heads, headFolder: model.heads, ...found }));
    print(`${JSON.stringify(records, null, 2)}\n`);
    return;
  }
  const table = rows.map(({ model, found, heads }) => [
    model.name,
    `${(model.bytes / 1e6).toFixed(0)} MB`,
    model.licence,
    heads.join(", ") || "none",
    whereInstalled(model, found),
  ]);
  print(formatTable([["NAME", "SIZE", "LICENCE", "HEADS", "INSTALLED"], ...table]));
}

function whereInstalled(model: CatalogueModel, { state, path, received, linkedFrom }: Installation): string {
  switch (state) {
    case "installed":
      return linkedFrom === undefined ? path : `${path} -> ${linkedFrom}`;
    case "partial":
      return `${Math.floor((received / model.bytes) * 100)} % fetched`;
    case "absent":
      return "no";
  }
}

/** Removes what Jakiro made of a model; a file shared with another program by link stays where that program keeps it. */
async function removeModel(model: CatalogueModel, { signal, note }: CommandContext): Promise<void> {
  const path = modelPath(model);
  const present = (await readdir(modelsDirectory()).catch(() => [])).map((name) => join(modelsDirectory(), name));
  const own = [path, partPath(path), `${path}.wheel`].filter((file) => present.includes(file));
  const packed = await packedFiles(model);
  if (own.length + packed.length === 0) {
    note(`${model.name} is not installed; there is nothing to remove.`);
    return;
  }
  const lock = own.length > 0 ? await acquireLock(`${path}.lock`, { signal }) : undefined;
  try {
    for (const file of [...own, ...packed]) {
      await rm(file, { recursive: true, force: true }).catch((error) => {
        throw writeFailure(error, file);
      });
      note(`Removed ${file}.`);
    }
  } finally {
    await lock?.release();
  }
}

/** Packed weights are kept under the hash of the file they were made from. */
async function packedFiles(model: CatalogueModel): Promise<string[]> {
  const folder = join(cacheDirectory(), "packed");
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => name.startsWith(model.sha256.slice(0, 16))).map((name) => join(folder, name));
}

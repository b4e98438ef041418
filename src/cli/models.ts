import { type CatalogueModel, catalogue, requireModel, shippedHeads } from "../engine/model/catalogue.ts";
import { ownFiles, removeFiles } from "../engine/model/diskUse.ts";
import { type Installation, installation } from "../engine/model/installed.ts";
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

async function removeModel(model: CatalogueModel, { signal, note }: CommandContext): Promise<void> {
  const files = await ownFiles(model);
  if (files.length === 0) {
    note(`${model.name} is not installed; there is nothing to remove.`);
    return;
  }
  await removeFiles(model, files, { signal, onRemoved: (path) => note(`Removed ${path}.`) });
}

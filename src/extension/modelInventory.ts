import { readdir, stat } from "node:fs/promises";
import { totalmem } from "node:os";
import { basename, join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { type CatalogueModel, catalogue, packageRoot, shippedHeads } from "../engine/model/catalogue.ts";
import { type Inspection, inspectModel } from "../engine/model/inspect.ts";
import { installation } from "../engine/model/installed.ts";
import {
  type FoundModel,
  foundModels,
  type LocalPlace,
  localPlaces,
  type NamedFile,
  namedFilesBelow,
  packagedModels,
  packagePlace,
} from "../engine/model/localFiles.ts";
import type { Inventory, KnownModel, LocalModel } from "./modelChoices.ts";

/** What the inventory depends on besides the disk. */
export interface InventoryOptions {
  /** Files and folders that the user added. */
  readonly added: readonly string[];
  readonly speeds: Readonly<Record<string, number>>;
  readonly current: string;
  readonly places?: readonly LocalPlace[];
}

/** Places to take models from, the package's own first. */
export function modelPlaces(): LocalPlace[] {
  return [packagedModels(packageRoot()), ...localPlaces()];
}

/** Looks through the catalogue, other programs' folders and what the user added. Nothing is hashed or changed. */
export async function takeInventory({
  added,
  speeds,
  current,
  places = modelPlaces(),
}: InventoryOptions): Promise<Inventory> {
  const found: FoundModel[] = [];
  for await (const file of foundModels(places)) found.push(file);
  const known = await Promise.all(catalogue.map((model) => knownModel(model, found)));
  const theirs = found.filter(({ bytes }) => !catalogue.some((model) => model.bytes === bytes));
  const local = await inspected([...(await addedModels([...added, ...chosenPath(current)])), ...theirs]);
  return { known, local, speeds, memoryBytes: totalmem(), current };
}

/** A model that was chosen by path stays in the list, wherever it lies. */
function chosenPath(current: string): string[] {
  const isName = current === "" || catalogue.some(({ name }) => name.toLowerCase() === current.toLowerCase());
  return isName ? [] : [current];
}

async function knownModel(model: CatalogueModel, found: readonly FoundModel[]): Promise<KnownModel> {
  const { state, received, path } = await installation(model);
  const copy = state === "installed" ? undefined : found.find(({ bytes }) => bytes === model.bytes);
  const file = state === "installed" ? path : copy?.path;
  const inspection = file === undefined ? undefined : inspectOnce(file);
  return {
    model,
    state,
    received: state === "partial" ? received : 0,
    copyIn: copy?.place,
    packaged: copy !== undefined && copy.place === packagePlace,
    head: shippedHeads(model).length > 0,
    weights: inspection?.usable ? inspection.weights : undefined,
  };
}

type Uninspected = Omit<LocalModel, "inspection">;

/** Reading a header blocks for a moment: the editor gets its turn between two files. */
async function inspected(files: readonly Uninspected[]): Promise<LocalModel[]> {
  const seen = new Set<string>();
  const models: LocalModel[] = [];
  for (const file of files) {
    if (seen.has(file.path)) continue;
    seen.add(file.path);
    await turn();
    models.push({ ...file, inspection: inspectOnce(file.path) });
  }
  return models;
}

const inspections = new Map<string, Inspection>();

/** A path's first inspection is good for as long as the window is open; a fault is looked at again. */
function inspectOnce(path: string): Inspection {
  const known = inspections.get(path);
  if (known?.usable) return known;
  const inspection = inspectModel(path);
  inspections.set(path, inspection);
  return inspection;
}

async function addedModels(paths: readonly string[]): Promise<Uninspected[]> {
  return (await Promise.all(paths.map(modelsAt))).flat();
}

/** A file, a safetensors folder, or every GGUF file below a folder. What is gone is left out. */
async function modelsAt(path: string): Promise<Uninspected[]> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return [];
  if (!found.isDirectory()) return [await added({ path, name: basename(path).replace(/\.gguf$/i, "") })];
  const names = await readdir(path).catch((): string[] => []);
  if (names.includes("config.json") && names.some((name) => name.endsWith(".safetensors"))) {
    return [await added({ path, name: basename(path) })];
  }
  const files: Uninspected[] = [];
  for await (const file of namedFilesBelow(path)) files.push(await added(file));
  return files;
}

async function added({ path, name }: NamedFile): Promise<Uninspected> {
  return { path, name, place: undefined, bytes: await weightBytes(path) };
}

async function weightBytes(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isDirectory()) return found?.size ?? 0;
  let sum = 0;
  for (const name of await readdir(path).catch(() => [])) {
    if (name.endsWith(".safetensors")) sum += await weightBytes(join(path, name));
  }
  return sum;
}

import { join } from "node:path";
import { recallJson, rememberJson } from "../memoryFile.ts";
import { isObject } from "../model/jsonFile.ts";
import { cacheDirectory } from "../model/paths.ts";
import type { AdapterSearch } from "./adapterList.ts";
import type { Adapter } from "./adapters.ts";
import { driverState } from "./driverState.ts";
import { adaptersOf, searchAdapters } from "./findAdapters.ts";

export interface AdapterMemory {
  /** File of the answer. */
  readonly file?: string;
  readonly search?: () => Promise<AdapterSearch>;
  /** Names what the answer depends on. */
  readonly state?: () => Promise<string>;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** Milliseconds after which a GPU is looked for again though nothing seems to have changed. */
const lifeMs = 3_600_000;

/**
 * Looks for adapters as `searchAdapters` does, unless an earlier process found no GPU with the drivers that are there now: the search
 * takes tenths of a second, and half a minute where a driver hangs. That a GPU was found is never remembered.
 */
export async function rememberedAdapters(memory: AdapterMemory = {}): Promise<readonly Adapter[]> {
  const known = await recall(memory);
  return known === undefined ? await freshAdapters(memory) : adaptersOf(known);
}

/** Looks for adapters whatever an earlier process found, and lets later ones know. */
export async function freshAdapters(memory: AdapterMemory = {}): Promise<readonly Adapter[]> {
  const { file = defaultFile(), search = searchAdapters, state = driverState, now = Date.now } = memory;
  const found = await search();
  await rememberJson(file, hasGpu(found) ? {} : { state: await state(), at: now(), found });
  return adaptersOf(found);
}

function defaultFile(): string {
  return join(cacheDirectory(), "gpu", "adapters.json");
}

function hasGpu(found: AdapterSearch): boolean {
  return "adapters" in found && found.adapters.some(({ software }) => !software);
}

async function recall(memory: AdapterMemory): Promise<AdapterSearch | undefined> {
  const { file = defaultFile(), state = driverState, now = Date.now } = memory;
  const { at, found, state: known } = (await recallJson(file)) ?? {};
  const age = now() - Number(at);
  if (!isObject(found) || !(age >= 0 && age < lifeMs) || known !== (await state())) return undefined;
  if (typeof found["failure"] === "string") return { failure: found["failure"] };
  return Array.isArray(found["adapters"]) ? { adapters: found["adapters"] as readonly Adapter[] } : undefined;
}

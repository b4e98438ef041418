import { cpus } from "node:os";
import { join } from "node:path";
import { recallJson, rememberJson } from "./memoryFile.ts";
import { packageVersion } from "./model/catalogue.ts";
import { isObject } from "./model/jsonFile.ts";

/** What earlier loads of a model measured on a processor; it lies beside the packed model, and is removed with it. */
interface Measurements {
  /** Milliseconds of a plain token. */
  readonly tokenMs?: number;
  readonly lasting?: LastingCosts;
}

/** What depends on the processor alone, so that a load need not time it again: relative to what every load times. */
export interface LastingCosts {
  /** Times of verifications of several rows, as multiples of a plain token's. */
  readonly sizes: readonly { readonly rows: number; readonly times: number }[];
  readonly keys: KeyCost;
}

/** Milliseconds that a verification takes for every further token of the text: of one row, and of each row more. */
export interface KeyCost {
  readonly one: number;
  readonly perRow: number;
}

/** A plain token has to be faster by this share before the moment counts as a better one: times vary by as much by themselves. */
const betterShare = 0.03;

/** Milliseconds of a plain token on this processor, as earlier loads of this version measured them; undefined where none did. */
export async function knownTokenMs(directory: string, threads: number): Promise<number | undefined> {
  return (await known(directory, threads)).tokenMs;
}

/**
 * Keeps a measurement unless a shorter one is known: what else the machine does only adds time. Returns whether it is shorter by so
 * much that this is the best moment so far to measure anything.
 */
export async function keepTokenMs(directory: string, threads: number, tokenMs: number): Promise<boolean> {
  const before = await known(directory, threads);
  if (before.tokenMs !== undefined && before.tokenMs <= tokenMs) return false;
  await keep(directory, threads, { ...before, tokenMs });
  return before.tokenMs === undefined || tokenMs < (1 - betterShare) * before.tokenMs;
}

/** What verifications and long texts cost on this processor beside a plain token, as an earlier load measured it; undefined where none did. */
export async function knownLastingCosts(directory: string, threads: number): Promise<LastingCosts | undefined> {
  return (await known(directory, threads)).lasting;
}

export async function keepLastingCosts(directory: string, threads: number, lasting: LastingCosts): Promise<void> {
  await keep(directory, threads, { ...(await known(directory, threads)), lasting });
}

async function known(directory: string, threads: number): Promise<Measurements> {
  const { tokenMs, lasting, ...conditions } = (await recallJson(fileIn(directory))) ?? {};
  const isSame = Object.entries(conditionsNow(threads)).every(([key, value]) => conditions[key] === value);
  if (!isSame) return {};
  return {
    ...(typeof tokenMs === "number" && tokenMs > 0 ? { tokenMs } : {}),
    ...(areLastingCosts(lasting) ? { lasting } : {}),
  };
}

function areLastingCosts(value: unknown): value is LastingCosts {
  if (!isObject(value)) return false;
  const { sizes, keys } = value;
  return Array.isArray(sizes) && sizes.every(hasNumbers("rows", "times")) && hasNumbers("one", "perRow")(keys);
}

function hasNumbers(...names: readonly string[]): (value: unknown) => boolean {
  const isNumber = (number: unknown) => typeof number === "number" && number >= 0;
  return (value) => isObject(value) && names.every((name) => isNumber(value[name]));
}

async function keep(directory: string, threads: number, measurements: Measurements): Promise<void> {
  await rememberJson(fileIn(directory), { ...conditionsNow(threads), ...measurements });
}

/** What they depend on. */
function conditionsNow(threads: number) {
  return { processor: cpus()[0]?.model.trim() ?? "unknown", threads, version: packageVersion() };
}

function fileIn(directory: string): string {
  return join(directory, "processor.json");
}

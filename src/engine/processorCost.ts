import { cpus } from "node:os";
import { join } from "node:path";
import { recallJson, rememberJson } from "./memoryFile.ts";
import { packageVersion } from "./model/catalogue.ts";

/** What earlier loads of a model measured on a processor; it lies beside the packed model, and is removed with it. */
interface Measurements {
  /** Milliseconds of a plain token. */
  readonly tokenMs?: number;
  /** What a verification takes for every further token of the text: of one row, and of each row more. */
  readonly keyMs?: KeyCost;
}

export interface KeyCost {
  readonly one: number;
  readonly perRow: number;
}

/** Milliseconds of a plain token on this processor, as earlier loads of this version measured them; undefined where none did. */
export async function knownTokenMs(directory: string, threads: number): Promise<number | undefined> {
  return (await known(directory, threads)).tokenMs;
}

/**
 * Keeps a measurement unless a shorter one is known: what else the machine does only adds time. Returns whether it was kept, which
 * makes this the best moment so far to measure anything.
 */
export async function keepTokenMs(directory: string, threads: number, tokenMs: number): Promise<boolean> {
  const before = await known(directory, threads);
  if (before.tokenMs !== undefined && before.tokenMs <= tokenMs) return false;
  await keep(directory, threads, { ...before, tokenMs });
  return true;
}

/** What longer texts cost on this processor, as an earlier load measured it; undefined where none did. */
export async function knownKeyCost(directory: string, threads: number): Promise<KeyCost | undefined> {
  return (await known(directory, threads)).keyMs;
}

export async function keepKeyCost(directory: string, threads: number, keyMs: KeyCost): Promise<void> {
  await keep(directory, threads, { ...(await known(directory, threads)), keyMs });
}

async function known(directory: string, threads: number): Promise<Measurements> {
  const { tokenMs, keyMs, ...conditions } = (await recallJson(fileIn(directory))) ?? {};
  const isSame = Object.entries(conditionsNow(threads)).every(([key, value]) => conditions[key] === value);
  if (!isSame) return {};
  return {
    ...(typeof tokenMs === "number" && tokenMs > 0 ? { tokenMs } : {}),
    ...(isKeyCost(keyMs) ? { keyMs } : {}),
  };
}

function isKeyCost(value: unknown): value is KeyCost {
  if (typeof value !== "object" || value === null) return false;
  const { one, perRow } = value as Record<string, unknown>;
  return [one, perRow].every((ms) => typeof ms === "number" && ms >= 0);
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

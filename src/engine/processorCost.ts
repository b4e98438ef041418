import { cpus } from "node:os";
import { join } from "node:path";
import { recallJson, rememberJson } from "./memoryFile.ts";
import { packageVersion } from "./model/catalogue.ts";

/** What a plain token took on a processor, by what it depends on. */
interface Measurement {
  readonly processor: string;
  readonly threads: number;
  readonly version: string;
  readonly tokenMs: number;
}

/**
 * Milliseconds of a plain token on this processor, as earlier loads of this version measured them; undefined where none did.
 * @param directory of the packed model: figure and model are removed together
 */
export async function knownTokenMs(directory: string, threads: number): Promise<number | undefined> {
  const { tokenMs, ...conditions } = (await recallJson(fileIn(directory))) ?? {};
  const isSame = Object.entries(conditionsNow(threads)).every(([key, value]) => conditions[key] === value);
  return isSame && typeof tokenMs === "number" && tokenMs > 0 ? tokenMs : undefined;
}

/** Keeps a measurement unless a shorter one is known: what else the machine does only adds time. */
export async function keepTokenMs(directory: string, threads: number, tokenMs: number): Promise<void> {
  const known = await knownTokenMs(directory, threads);
  if (known !== undefined && known <= tokenMs) return;
  const measurement: Measurement = { ...conditionsNow(threads), tokenMs };
  await rememberJson(fileIn(directory), measurement);
}

function conditionsNow(threads: number): Omit<Measurement, "tokenMs"> {
  return { processor: cpus()[0]?.model.trim() ?? "unknown", threads, version: packageVersion() };
}

function fileIn(directory: string): string {
  return join(directory, "processor.json");
}

import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { packageVersion } from "./model/catalogue.ts";
import { isObject } from "./model/jsonFile.ts";

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
export function knownTokenMs(directory: string, threads: number): number | undefined {
  try {
    const content: unknown = JSON.parse(readFileSync(fileIn(directory), "utf8"));
    if (!isObject(content)) return undefined;
    const { tokenMs, ...conditions } = content;
    const isSame = Object.entries(conditionsNow(threads)).every(([key, value]) => conditions[key] === value);
    return isSame && typeof tokenMs === "number" && tokenMs > 0 ? tokenMs : undefined;
  } catch {
    // What cannot be read or understood was never there.
    return undefined;
  }
}

/** Keeps a measurement unless a shorter one is known: what else the machine does only adds time. */
export function keepTokenMs(directory: string, threads: number, tokenMs: number): void {
  const known = knownTokenMs(directory, threads);
  if (known !== undefined && known <= tokenMs) return;
  const measurement: Measurement = { ...conditionsNow(threads), tokenMs };
  const temporary = `${fileIn(directory)}.${process.pid}`;
  try {
    writeFileSync(temporary, `${JSON.stringify(measurement)}\n`);
    renameSync(temporary, fileIn(directory));
  } catch {
    // Without it the processor is measured again.
  }
}

function conditionsNow(threads: number): Omit<Measurement, "tokenMs"> {
  return { processor: cpus()[0]?.model.trim() ?? "unknown", threads, version: packageVersion() };
}

function fileIn(directory: string): string {
  return join(directory, "processor.json");
}

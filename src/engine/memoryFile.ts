import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { isObject } from "./model/jsonFile.ts";

/** What an earlier process remembered; what cannot be read or understood was never there. */
export async function recallJson(file: string): Promise<Record<string, unknown> | undefined> {
  try {
    const content: unknown = JSON.parse(await readFile(file, "utf8"));
    return isObject(content) ? content : undefined;
  } catch {
    return undefined;
  }
}

/** Remembers for later processes. Failing costs them what was remembered, never this one its work. */
export async function rememberJson(file: string, content: object): Promise<void> {
  const temporary = `${file}.${process.pid}`;
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(temporary, `${JSON.stringify(content)}\n`);
    await rename(temporary, file);
  } catch {
    // The memory is an optimization.
  }
}

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Sitting } from "./person.ts";
import type { TypingLanguage } from "./typing.ts";

export { keysFor, randomNumbers } from "./person.ts";

export const languages: readonly TypingLanguage[] = ["python", "typescript", "javascript"];

/** A language's traces, one JSON object per line. */
export function tracePath(folder: string, language: TypingLanguage): string {
  return join(folder, `${language}.jsonl`);
}

/** None where there is no file yet. */
export function readSittings(folder: string, language: TypingLanguage): Sitting[] {
  const path = tracePath(folder, language);
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line) as Sitting);
}

/** The first sittings, the last of them cut short, so that they have no more keystrokes than that. */
export function shortened(sittings: readonly Sitting[], keystrokes: number): Sitting[] {
  let left = keystrokes;
  return sittings.flatMap((sitting) => {
    const keys = sitting.keys.slice(0, left);
    left -= keys.length;
    return keys.length > 0 ? [{ ...sitting, keys }] : [];
  });
}

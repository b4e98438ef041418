import { scanBrackets } from "./brackets.ts";
import type { CodePlace } from "./insertion.ts";
import { languageFamily } from "./languages.ts";
import { firstLines, isBlank, lastLines } from "./lines.ts";

/** Lines of the document on either side that are looked at. */
const linesAround = 200;

const importLine = /^\s*(?:import\b|from\s+\S+\s+import\b|(?:const|let|var)\b.*\brequire\(|use\s|using\s|#include\b)/;

/**
 * Leaves out what a model repeats of the document around the code it was asked for: imports and runs of lines from above,
 * lines from directly below, and closing brackets of what was opened above.
 */
export function trimKnownLines(code: string, place: CodePlace): string {
  const above = lastLines(place.prefix, linesAround).filter((line) => !isBlank(line));
  const below = firstLines(place.suffix, linesAround).filter((line) => !isBlank(line));
  const selected = new Set(place.selection.split("\n").map((line) => line.trim()));
  const kept = withoutKnownEnd(withoutKnownStart(code.split("\n"), above, selected), below);
  const family = languageFamily(place.languageId, kept);
  const unmatched = (text: string) => scanBrackets(text, family).unmatched.length;
  while (isOnlyClosers(kept.at(-1)) && unmatched(kept.join("\n")) > unmatched(place.selection)) {
    kept.pop();
    while (kept.length > 0 && isBlank(kept.at(-1)!)) kept.pop();
  }
  return kept.join("\n").replace(/^\n+/, "").trimEnd();
}

/**
 * A single line may well be wanted twice, an import or a run of lines may not, unless it is rewritten. Imports that are
 * not there yet stay.
 */
function withoutKnownStart(
  lines: readonly string[],
  above: readonly string[],
  selected: ReadonlySet<string>,
): readonly string[] {
  const newImports: string[] = [];
  let start = 0;
  for (;;) {
    const index = lines.findIndex((line, at) => at >= start && !isBlank(line));
    if (index < 0) break;
    const line = lines[index]!;
    const run = Math.max(0, ...above.map((_, from) => commonLines(lines, index, above, from).length));
    const isImport = importLine.test(line);
    if (run === 0 && isImport) {
      newImports.push(line);
      start = index + 1;
    } else if (!selected.has(line.trim()) && (run >= 2 || (isImport && run === 1))) {
      start = endOfNonBlank(lines, index, run);
    } else {
      break;
    }
  }
  return newImports.length === 0 ? lines.slice(start) : [...newImports, ...lines.slice(start)];
}

/** Lines of both, blank ones passed over in `lines`, that are the same from here on. */
function commonLines(lines: readonly string[], index: number, known: readonly string[], from: number): string[] {
  const common: string[] = [];
  for (const line of lines.slice(index)) {
    if (isBlank(line)) continue;
    if (line.trim() !== known[from + common.length]?.trim()) break;
    common.push(line);
  }
  return common;
}

function endOfNonBlank(lines: readonly string[], index: number, count: number): number {
  let left = count;
  let end = index;
  while (left > 0) if (!isBlank(lines[end++]!)) left -= 1;
  return end;
}

function withoutKnownEnd(lines: readonly string[], below: readonly string[]): string[] {
  for (let index = 1; index < lines.length; index++) {
    if (isBlank(lines[index]!) || !/\w{3}/.test(lines[index]!)) continue;
    const rest = lines.slice(index).filter((line) => !isBlank(line));
    if (rest.every((line, at) => line.trim() === below[at]?.trim())) return [...lines.slice(0, index)];
  }
  return [...lines];
}

function isOnlyClosers(line: string | undefined): boolean {
  return line !== undefined && /^\s*[)\]}]+[;,]?\s*$/.test(line);
}

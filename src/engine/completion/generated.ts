import { scanBrackets } from "./brackets.ts";
import type { CursorFacts } from "./facts.ts";
import { indentColumns, isBlank } from "./lines.ts";

/** A line of generated text as it would stand in the document. */
export interface GeneratedLine {
  /** Without its line break; the first line includes what stands left of the cursor. */
  readonly text: string;
  /** Offset in the generated text at which the line begins. */
  readonly start: number;
  /** Offset in the generated text at which the line ends, before its line break. */
  readonly end: number;
  /** Its line break has been generated. */
  readonly complete: boolean;
  /** Brackets that generated text above opened and has not closed where this line begins. */
  readonly openBrackets: number;
  /** A string that began above still goes on where this line begins. */
  readonly insideString: boolean;
}

/** Generated text seen as lines of the document. */
export interface Generated {
  readonly text: string;
  readonly lines: readonly GeneratedLine[];
  /** Index of the first line on which something other than white space was generated; `lines.length` while there is none. */
  readonly first: number;
  /** Indentation of that line in columns. */
  readonly startIndent: number;
}

/**
 * A stop rule: the offset after which the generated text is to be dropped, or undefined while the rule has nothing against
 * it. Rules are asked again whenever a character has been added, so each need only notice what the newest one decides.
 */
export type StopRule = (generated: Generated, facts: CursorFacts) => number | undefined;

/** Read into lines when a rule first asks for them. */
export function generatedLines(text: string, facts: Pick<CursorFacts, "linePrefix" | "family">): Generated {
  let read: Omit<Generated, "text"> | undefined;
  const lines = () => {
    read ??= readLines(text, facts);
    return read;
  };
  return {
    text,
    get lines() {
      return lines().lines;
    },
    get first() {
      return lines().first;
    },
    get startIndent() {
      return lines().startIndent;
    },
  };
}

function readLines(
  text: string,
  { linePrefix, family }: Pick<CursorFacts, "linePrefix" | "family">,
): Omit<Generated, "text"> {
  const states = scanBrackets(linePrefix + text, family).lines;
  const lines: GeneratedLine[] = [];
  let start = 0;
  for (const [index, part] of text.split("\n").entries()) {
    const end = start + part.length;
    const state = states[index];
    lines.push({
      text: index === 0 ? linePrefix + part : part,
      start,
      end,
      complete: end < text.length,
      openBrackets: state?.open.filter((bracket) => bracket.offset >= linePrefix.length).length ?? 0,
      insideString: state?.insideString ?? false,
    });
    start = end + 1;
  }
  const found = lines.findIndex((line) => !isBlank(text.slice(line.start, line.end)));
  const first = found < 0 ? lines.length : found;
  return { lines, first, startIndent: indentColumns(lines[first]?.text ?? "") };
}

/** Where the text ends if line `index` and the blank lines above it are dropped. */
export function endBefore(lines: readonly GeneratedLine[], index: number): number {
  for (let above = index - 1; above >= 0; above--) {
    const line = lines[above]!;
    if (!isBlank(line.text)) return line.end;
  }
  return 0;
}

import { scanBrackets } from "./brackets.ts";
import type { CursorFacts } from "./facts.ts";

/** Fewer letters than this at the end of the text and the beginning of the suffix agree by chance. */
const leastPartialOverlap = 3;

/** Drops the end of the text where the rest of the cursor's line begins with the same characters. */
export function trimSuffixOverlap(text: string, facts: CursorFacts): string {
  const suffix = facts.lineSuffix;
  const written = text.trimEnd();
  for (const candidate of new Set([suffix, suffix.trimStart()])) {
    for (let length = Math.min(candidate.length, written.length); length > 0; length--) {
      if (!written.endsWith(candidate.slice(0, length))) continue;
      const rest = written.slice(0, -length);
      if (isSameText(rest, candidate, length) && keepsBrackets(rest, written, facts)) return rest;
    }
  }
  return text;
}

/** The overlap is the whole suffix, signs, or at least a whole word of it, and does not begin within a word. */
function isSameText(rest: string, suffix: string, length: number): boolean {
  const overlap = suffix.slice(0, length);
  if (/^\W*$/.test(overlap)) return overlap.trim() !== "";
  const beginsWord = !(/\w$/.test(rest) && /^\w/.test(overlap));
  const endsWord = !/^\w/.test(suffix.slice(length)) || !/\w$/.test(overlap);
  return beginsWord && endsWord && (length === suffix.length || length >= leastPartialOverlap);
}

/** Dropping a closing bracket must not leave the bracket it closes open. */
function keepsBrackets(rest: string, written: string, { linePrefix, family }: CursorFacts): boolean {
  const opened = (text: string) =>
    scanBrackets(linePrefix + text, family).open.filter((b) => b.offset >= linePrefix.length);
  return opened(rest).length <= opened(written).length;
}

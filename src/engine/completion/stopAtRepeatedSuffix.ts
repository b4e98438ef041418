import type { CursorFacts } from "./facts.ts";
import { endBefore, type GeneratedLine, type StopRule } from "./generated.ts";
import { indentColumns, isBlank } from "./lines.ts";
import { similarity } from "./similarity.ts";

/** A line of at least this many letters and digits says something by itself; shorter ones (`}`, `else:`) occur everywhere. */
const distinctiveLength = 8;
/** Lines at least this alike may be the same line written a little differently, if the lines around them agree. */
const alike = 0.75;
/** What a repeated line proves; a completion ends when a run of consecutive lines adds up to one. */
const proof = { distinctive: 1, generic: 0.4, alike: 0.6 };
/** A run that begins on the completion's first line needs more than one line. */
const proofFromStart = 1.4;
/** One that leaves out lines needs more than an idiom, such as Go's handling of errors, that stands everywhere. */
const proofWithGap = 2.8;
/** How many of the following lines a model may leave out before it begins to repeat. */
const mostLeftOut = 2;

/**
 * Ends where the text begins to repeat the lines below the cursor, the commonest way for a small model to run past its
 * end. Lines are compared with their indentation; blank lines do not count. All the lines that the document still has,
 * however short, are a repetition too.
 */
export const stopAtRepeatedSuffix: StopRule = ({ lines, first }, facts) => {
  const below = linesBelow(facts);
  const written = lines.flatMap((line, index) => (line.complete && !isBlank(line.text) ? [{ ...line, index }] : []));
  const start = written.findIndex((line) => line.index >= first);
  if (start < 0) return undefined;
  for (let from = start; from < written.length; from++) {
    for (let leftOut = 0; leftOut <= Math.min(mostLeftOut, below.length - 1); leftOut++) {
      const run = proofOfRun(written, from, below, leftOut);
      const needed = leftOut > 0 ? proofWithGap : from === start ? proofFromStart : proof.distinctive;
      if (run.proof < needed && !run.reachesEnd) continue;
      const begin = beginningOfRun(written, from, start, below, leftOut);
      return endBefore(lines, written[begin]!.index);
    }
  }
  return undefined;
};

/** The lines below the cursor that have content. */
export function linesBelow(facts: CursorFacts): string[] {
  return facts.followingLines.filter((line) => !isBlank(line));
}

function proofOfRun(
  written: readonly GeneratedLine[],
  from: number,
  below: readonly string[],
  leftOut: number,
): { proof: number; reachesEnd: boolean } {
  let total = 0;
  let length = 0;
  for (; from + length < written.length && leftOut + length < below.length; length++) {
    const line = written[from + length]!.text;
    const value = proofOfLine(line, below[leftOut + length]!);
    if (value === 0) break;
    if (value === proof.alike && written[from + length + 1]?.text.trimEnd() === below[leftOut + length]!.trimEnd())
      break;
    total += value;
  }
  const beginsExactly = written[from]!.text.trimEnd() === below[leftOut]!.trimEnd();
  return { proof: total, reachesEnd: beginsExactly && leftOut === 0 && length === below.length };
}

function proofOfLine(line: string, below: string): number {
  if (indentColumns(line) !== indentColumns(below)) return 0;
  const [a, b] = [line.trim(), below.trim()];
  const letters = b.replace(/\W/g, "").length;
  if (a === b) return letters >= distinctiveLength ? proof.distinctive : proof.generic;
  return letters >= distinctiveLength && similarity(a, b) >= alike ? proof.alike : 0;
}

/** A run that leaves out lines may have been preceded by those lines rewritten: they go as well. */
function beginningOfRun(
  written: readonly GeneratedLine[],
  from: number,
  start: number,
  below: readonly string[],
  leftOut: number,
): number {
  let begin = from;
  let line = leftOut;
  while (begin > start + 1 && line > 0 && proofOfLine(written[begin - 1]!.text, below[line - 1]!) > 0) {
    begin -= 1;
    line -= 1;
  }
  return begin;
}

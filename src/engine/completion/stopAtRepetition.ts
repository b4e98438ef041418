import { endBefore, type GeneratedLine, type StopRule } from "./generated.ts";
import { isBlank } from "./lines.ts";

/** A single line is repeated when it stands three times in a row; a block of lines when it stands twice. */
const sameLineTimes = 3;
const longestBlock = 8;
/** A block made of lines without this many letters and digits (rows of a table, closing tags) may well stand twice, not thrice. */
const distinctiveLength = 8;

/** The last so many words and signs repeat with a period of at most so many: long enough that no code is meant that way. */
const loops = [
  { period: 2, length: 16 },
  { period: 10, length: 30 },
  { period: 20, length: 45 },
  { period: 30, length: 60 },
];

/** Ends a text that goes round in circles: the same lines again, or the same words within a line. */
export const stopAtRepetition: StopRule = ({ text, lines }) => {
  const repeated = repeatedLines(lines);
  return repeated !== undefined ? repeated : loopWithinLine(text, lines);
};

function repeatedLines(lines: readonly GeneratedLine[]): number | undefined {
  const written = lines.flatMap((line, index) => (line.complete && !isBlank(line.text) ? [{ ...line, index }] : []));
  for (let length = 2; length <= written.length; length++) {
    const texts = written.slice(0, length).map((line) => line.text.trimEnd());
    for (let period = 1; period <= longestBlock; period++) {
      const times = period === 1 || !texts.slice(-period).some(isDistinctive) ? sameLineTimes : 2;
      const from = length - times * period;
      if (from < 0 || !hasPeriod(texts.slice(from), period)) continue;
      return endBefore(lines, written[from + period]!.index);
    }
  }
  return undefined;
}

function isDistinctive(line: string): boolean {
  return line.replace(/\W/g, "").length >= distinctiveLength;
}

/** Words and runs of one sign; where a loop among them begins, the line that it begins on is of no use. */
function loopWithinLine(text: string, lines: readonly GeneratedLine[]): number | undefined {
  const lexemes = [...text.matchAll(/\w+|([^\w\s])\1*/g)].map((match) => ({ text: match[0], offset: match.index }));
  for (const { period: longest, length } of loops) {
    const tail = lexemes.slice(-length);
    if (tail.length < length) continue;
    const texts = tail.map((lexeme) => lexeme.text);
    for (let period = 1; period <= longest; period++) {
      if (!hasPeriod(texts, period)) continue;
      const line = lines.findLastIndex((candidate) => candidate.start <= tail[0]!.offset);
      return endBefore(lines, line);
    }
  }
  return undefined;
}

function hasPeriod(items: readonly string[], period: number): boolean {
  return items.every((item, index) => index < period || item === items[index - period]);
}

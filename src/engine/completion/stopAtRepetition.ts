import { endBefore, type Generated, type StopRule } from "./generated.ts";
import { isBlank } from "./lines.ts";

/** A single line is repeated when it stands three times in a row, a block of lines when it stands twice. */
const sameLineTimes = 3;
const longestBlock = 8;
/** A block of lines with fewer letters and digits each (rows of a table, closing tags) may well stand twice, not thrice. */
const distinctiveLength = 8;

/** So many words and signs in a row that repeat with such a period: more than anyone writes by hand. */
const loops = [
  { period: 2, length: 32 },
  { period: 10, length: 40 },
  { period: 20, length: 60 },
  { period: 30, length: 90 },
];
/** Text in which that many words and signs are looked for. */
const loopCharacters = 1000;

/** Ends a text that goes round in circles: the lines just written stand above already, or the same words come over and over. */
export const stopAtRepetition: StopRule = (generated) =>
  generated.text.endsWith("\n") ? repeatedLines(generated) : loopOfWords(generated);

function repeatedLines({ lines }: Generated): number | undefined {
  const written = lines.flatMap((line, index) => (line.complete && !isBlank(line.text) ? [{ ...line, index }] : []));
  for (let period = 1; period <= longestBlock; period++) {
    const block = written.slice(-period);
    const distinctive = block.some((line) => line.text.replace(/\W/g, "").length >= distinctiveLength);
    const times = period > 1 && distinctive ? 2 : sameLineTimes;
    if (written.length < times * period) continue;
    const repeated = written.slice(-times * period);
    const texts = repeated.map((line) => line.text.trimEnd());
    if (hasPeriod(texts, period)) return endBefore(lines, repeated[period]!.index);
  }
  return undefined;
}

/** The line on which the loop begins is of no use either. */
function loopOfWords(generated: Generated): number | undefined {
  const { text } = generated;
  const from = Math.max(0, text.length - loopCharacters);
  const words = [...text.slice(from).matchAll(/\w+|([^\w\s])\1*/g)];
  for (const { period: longest, length } of loops) {
    const tail = words.slice(-length);
    if (tail.length < length) return undefined;
    const texts = tail.map((word) => word[0]);
    for (let period = 1; period <= longest; period++) {
      if (!hasPeriod(texts, period)) continue;
      const begin = from + tail[0]!.index;
      const { lines } = generated;
      return endBefore(
        lines,
        lines.findLastIndex((line) => line.start <= begin),
      );
    }
  }
  return undefined;
}

function hasPeriod(items: readonly string[], period: number): boolean {
  return items.every((item, index) => index < period || item === items[index - period]);
}

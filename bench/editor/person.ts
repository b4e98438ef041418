import { type Key, lineAt, press, type TypedText, type TypingLanguage } from "./typing.ts";

/** Milliseconds since the key before it, and the key. */
export type TimedKey = readonly [number, Key];

/** A place in a real file at which somebody sits down and types what the file has there. */
export interface Sitting {
  readonly language: TypingLanguage;
  /** Relative to the repository, at the time when the text was taken from it. */
  readonly file: string;
  readonly before: string;
  readonly typed: string;
  readonly after: string;
  readonly keys: readonly TimedKey[];
}

/** Medians of the time before a key, in milliseconds, by what it is; gaps spread log-normally around them. */
const medianMs = {
  /** Within a word: a burst. */
  letter: 130,
  /** The first letter of a word, a space, a digit. */
  wordStart: 190,
  symbol: 240,
  lineEnd: 300,
  /** After a line break people think, and read what is suggested. */
  afterLine: 900,
  /** From the wrong letter to the first correction. */
  noticing: 350,
  correction: 140,
} as const;
const spread = 0.35;
const shortestMs = 35;
const longestMs = 4000;
/** Of the letters within words, those that are first mistyped. */
const mistakes = 0.03;

const neighbours: Readonly<Record<string, string>> = {
  a: "s",
  b: "v",
  c: "x",
  d: "f",
  e: "r",
  f: "g",
  g: "h",
  h: "j",
  i: "o",
  j: "k",
  k: "l",
  l: "k",
  m: "n",
  n: "m",
  o: "p",
  p: "o",
  q: "w",
  r: "t",
  s: "d",
  t: "y",
  u: "i",
  v: "c",
  w: "e",
  x: "z",
  y: "u",
  z: "x",
};

/**
 * The keys with which a person brings about `typed`, as the editor helps along: indentation and closers that it adds are not
 * typed, closers are passed. Throws where it cannot be typed in one go.
 * @param random 0 .. 1
 */
export function keysFor(sitting: Omit<Sitting, "keys">, random: () => number): TimedKey[] {
  const { language, before, typed, after } = sitting;
  const goal = before + typed;
  const keys: TimedKey[] = [];
  let text: TypedText = { before, after, closed: 0 };
  let previous: Key = "Enter";
  const hit = (key: Key, median: number) => {
    keys.push([gap(median, random), key]);
    text = press(text, key, language);
    previous = key;
  };

  while (text.before + text.after !== goal + after) {
    const wanted = goal[text.before.length];
    if (text.before.length > goal.length || wanted === undefined) throw stuck(sitting, text);
    if (wanted === "\n") {
      hit("Enter", medianMs.lineEnd);
      while (!goal.startsWith(text.before) && /\n *$/.test(text.before)) hit("Backspace", medianMs.correction);
    } else {
      const isInWord = /[a-z]/.test(wanted) && /[A-Za-z]/.test(previous) && previous.length === 1;
      if (isInWord && random() < mistakes) mistype(wanted, hit);
      hit(wanted, medianBefore(wanted, previous, isInWord));
    }
    if (!goal.startsWith(text.before)) throw stuck(sitting, text);
  }
  return keys;
}

/** What every key leads to, beginning with the text before the first one. */
export function textsAfterKeys({ language, before, after, keys }: Sitting): TypedText[] {
  const texts: TypedText[] = [{ before, after, closed: 0 }];
  for (const [, key] of keys) texts.push(press(texts.at(-1)!, key, language));
  return texts;
}

/** Numbers from 0 to 1, the same for the same name on every machine (mulberry32). */
export function randomNumbers(name: string): () => number {
  let state = 0;
  for (const character of name) state = (Math.imul(state, 31) + character.codePointAt(0)!) | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function mistype(wanted: string, hit: (key: Key, median: number) => void): void {
  hit(neighbours[wanted]!, medianMs.letter);
  hit("Backspace", medianMs.noticing);
}

function medianBefore(wanted: string, previous: Key, isInWord: boolean): number {
  if (previous === "Enter") return medianMs.afterLine;
  if (isInWord) return medianMs.letter;
  return /[\w ]/.test(wanted) ? medianMs.wordStart : medianMs.symbol;
}

/** Box and Muller's way to a normal distribution. */
function gap(median: number, random: () => number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Math.round(Math.min(longestMs, Math.max(shortestMs, median * Math.exp(spread * normal))));
}

function stuck({ file }: Omit<Sitting, "keys">, text: TypedText): Error {
  const { left, right } = lineAt(text);
  return new Error(`In ${file} the editor makes "${left}|${right}" of what is typed; choose other lines.`);
}

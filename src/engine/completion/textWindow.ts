import type { Tokenizer } from "../model/tokenizer.ts";
import { normalizeLineEnds } from "./lines.ts";

/** A head window reads at most this much text per token of budget. */
const charactersPerToken = 8;
/** A tail window keeps at least this part of its budget when its start moves on. */
const leastKept = 1 / 4;

/** A part of a longer text that fits into a token budget, with "\n" line ends. */
export interface TextWindow {
  readonly tokens: readonly number[];
  /** Offset in the text, in UTF-16 code units, at which the window begins (a tail) or ends (a head). */
  readonly edge: number;
}

type Encode = (text: string) => number[];

/**
 * The beginning of `text` in at most `budget` tokens, cut at a line end unless its first line is longer than that. It is encoded as
 * what stands behind other text or a mark.
 */
export function headWindow(text: string, budget: number, tokenizer: Tokenizer): TextWindow {
  if (budget <= 0) return { tokens: [], edge: 0 };
  const encode = encoder(tokenizer, true);
  let edge = endOfFittingLines(text, budget, encode);
  if (edge === 0) edge = Math.min(text.length, charactersPerToken * budget);
  for (;;) {
    const tokens = encode(text.slice(0, edge));
    if (tokens.length <= budget) return { tokens, edge };
    edge = Math.min(edge - 1, Math.floor((edge * budget) / tokens.length));
    if (isLowSurrogate(text, edge)) edge -= 1;
  }
}

function endOfFittingLines(text: string, budget: number, encode: Encode): number {
  let tokens = 0;
  let end = 0;
  while (end < text.length) {
    const lineBreak = text.indexOf("\n", end);
    const next = lineBreak < 0 ? text.length : lineBreak + 1;
    if (next - end > charactersPerToken * (budget - tokens + 1)) break;
    tokens += encode(text.slice(end, next)).length;
    if (tokens > budget) break;
    end = next;
  }
  return end;
}

/**
 * The end of `text` in at most `budget` tokens, begun with a whole line where possible. Where it begins depends on absolute
 * positions in the text: as text is typed at the end the beginning stays, and with it the KV cache, until the budget is
 * used up; then it moves on by a quarter of the budget or more (less where lines are nearly as long as that).
 * @param continued whether other text stands before it
 */
export function tailWindow(text: string, budget: number, tokenizer: Tokenizer, continued = false): TextWindow {
  const encode = encoder(tokenizer, continued);
  let limit = budget;
  while (limit > 0) {
    const edge = tailStart(text, limit, encode);
    const tokens = encode(text.slice(edge));
    if (tokens.length <= budget) return { tokens, edge };
    limit -= tokens.length - budget;
  }
  return { tokens: [], edge: text.length };
}

interface PieceStart {
  readonly offset: number;
  /** Tokens from here to the end of the text, pieces taken one by one. */
  readonly tokens: number;
  /** Largest k such that a multiple of 2^k lies after the start of the piece above and not after this one. */
  readonly power: number;
}

/**
 * Of all starts that keep between a quarter and all of the limit, the one just behind the multiple of the largest power of
 * two. Two such multiples in a row are more than half the length of what there is to choose from apart.
 */
function tailStart(text: string, limit: number, encode: Encode): number {
  const starts = fittingStarts(text, limit, encode);
  const earliest = starts.at(-1)?.offset ?? text.length;
  const candidates = starts.filter((start) => start.tokens >= leastKept * limit);
  if (earliest === 0 || candidates.length === 0) return earliest;
  return candidates.reduce((best, start) => (start.power > best.power ? start : best)).offset;
}

/**
 * Starts of the last lines that fit into the limit together, last line first. The unfinished last line counts in steps of
 * a sixteenth of the limit: the tokens of a word being typed go up and down, and the window must not move with them.
 */
function fittingStarts(text: string, limit: number, encode: Encode): PieceStart[] {
  const step = Math.max(1, limit >> 4);
  const starts: PieceStart[] = [];
  let end = text.length;
  let offset = text.endsWith("\n") ? end : startOfPiece(text, end, limit);
  let tokens = step * Math.ceil((encode(text.slice(offset)).length + 1) / step);
  while (tokens <= limit) {
    const above = startOfPiece(text, offset, limit);
    starts.push({ offset, tokens, power: highestPower(above, offset) });
    if (offset === 0) break;
    end = offset;
    offset = above;
    tokens += encode(text.slice(offset, end)).length;
  }
  return starts;
}

/**
 * Start of the line that ends, with its line break, at `end`. Of a line with more characters than the limit has tokens, the
 * last multiple of a small power of two: such lines, of minified files, must be cut somewhere.
 */
function startOfPiece(text: string, end: number, limit: number): number {
  const line = end < 2 ? 0 : text.lastIndexOf("\n", end - 2) + 1;
  if (end - line <= limit) return line;
  const cell = 1 << (31 - Math.clz32(Math.max(1, limit >> 3)));
  const offset = Math.floor((end - 1) / cell) * cell;
  return isLowSurrogate(text, offset) ? offset - 1 : offset;
}

/** Largest k such that a multiple of 2^k lies in (low, high]: the highest bit in which they differ; -1 for none. */
function highestPower(low: number, high: number): number {
  return 31 - Math.clz32(low ^ high);
}

function encoder(tokenizer: Tokenizer, continued: boolean): Encode {
  return (text) => {
    const normalized = normalizeLineEnds(text);
    return continued ? tokenizer.encodeContinued(normalized) : tokenizer.encode(normalized);
  };
}

function isLowSurrogate(text: string, offset: number): boolean {
  const unit = text.charCodeAt(offset);
  return unit >= 0xdc00 && unit <= 0xdfff;
}

import type { LanguageFamily } from "./languages.ts";

export interface Bracket {
  readonly char: string;
  /** Offset into the scanned text. */
  readonly offset: number;
}

export interface BracketScan {
  /** Opened in this text and not closed in it, outermost first. */
  readonly open: readonly Bracket[];
  /** Closed in this text without having been opened in it. */
  readonly unmatched: readonly Bracket[];
  /** The delimiter of the string that is still open at the end. */
  readonly openString: string | undefined;
  /** The text without comments and with empty strings: what tells how a statement ends. */
  readonly code: string;
  /** How things stand at the beginning of each line of the text. */
  readonly lines: readonly LineState[];
}

export interface LineState {
  readonly open: readonly Bracket[];
  readonly insideString: boolean;
  /** How much of the scan's `code` stands above. */
  readonly codeLength: number;
}

const openers = new Set("([{");
const quotes = new Set(['"', "'", "`"]);
/** Where brackets, strings, comments or lines may begin; all between is passed over at once. */
const sign = /[()[\]{}"'`/#<\n]/g;
const closes: Readonly<Record<string, string>> = { ")": "(", "]": "[", "}": "{" };

/**
 * Brackets of a piece of code outside strings and comments. A quote that is not closed on its line counts as an ordinary
 * character (lifetimes, apostrophes) unless it is the last line's: there the rest may still be to come.
 */
export function scanBrackets(text: string, family: LanguageFamily): BracketScan {
  const open: Bracket[] = [];
  const unmatched: Bracket[] = [];
  const lines: LineState[] = [{ open: [], insideString: false, codeLength: 0 }];
  let openString: string | undefined;
  let code = "";
  let offset = 0;
  while (offset < text.length) {
    sign.lastIndex = offset;
    const next = sign.exec(text)?.index ?? text.length;
    code += text.slice(offset, next);
    offset = next;
    const char = text[offset];
    if (char === undefined) break;
    const string = quotes.has(char) ? stringAt(text, offset, family) : undefined;
    const skipped = string === undefined ? commentEnd(text, offset, family) : (string.end ?? text.length);
    if (skipped !== undefined) {
      for (let at = text.indexOf("\n", offset); at >= 0 && at < skipped; at = text.indexOf("\n", at + 1))
        lines.push({ open: [...open], insideString: string !== undefined, codeLength: code.length });
      if (string !== undefined) code += string.delimiter;
      if (string?.end !== undefined) code += string.delimiter;
      else openString = string?.delimiter;
      offset = skipped;
      continue;
    }
    const opener = closes[char];
    if (openers.has(char)) open.push({ char, offset });
    else if (opener !== undefined && open.at(-1)?.char === opener) open.pop();
    else if (opener !== undefined) unmatched.push({ char, offset });
    code += char;
    offset += 1;
    if (char === "\n") lines.push({ open: [...open], insideString: false, codeLength: code.length });
  }
  return { open, unmatched, openString, code, lines };
}

/** A line's code without its comment and outer white space. */
export function codeOf(line: string, family: LanguageFamily): string {
  return scanBrackets(line, family).code.trim();
}

function commentEnd(text: string, offset: number, family: LanguageFamily): number | undefined {
  if (family === "braces" && text.startsWith("/*", offset)) return endOf(text, "*/", offset + 2);
  if (family === "markup" && text.startsWith("<!--", offset)) return endOf(text, "-->", offset + 4);
  const hash = text[offset] === "#" && (family === "indentation" || family === "outline" || family === "keywords");
  if (!hash && !(family === "braces" && text.startsWith("//", offset) && text[offset - 1] !== ":")) return undefined;
  const end = text.indexOf("\n", offset);
  return end < 0 ? text.length : end;
}

function endOf(text: string, mark: string, from: number): number {
  const found = text.indexOf(mark, from);
  return found < 0 ? text.length : found + mark.length;
}

interface StringSpan {
  readonly delimiter: string;
  readonly end: number | undefined;
}

function stringAt(text: string, offset: number, family: LanguageFamily): StringSpan | undefined {
  const char = text[offset]!;
  if (family === "markup" || family === "prose" || (family === "braces" && isLifetime(text, offset))) return undefined;
  const triple = char.repeat(3);
  if (family === "indentation" && text.startsWith(triple, offset))
    return { delimiter: triple, end: closeOf(text, triple, offset + 3, true) };
  const multiline = char === "`" && family === "braces";
  if (char === "`" && !multiline) return undefined;
  const end = closeOf(text, char, offset + 1, multiline);
  const unclosedOnEarlierLine = end === undefined && !multiline && text.includes("\n", offset);
  const loneApostrophe = end === undefined && char === "'" && family === "braces";
  return unclosedOnEarlierLine || loneApostrophe ? undefined : { delimiter: char, end };
}

/** Rust: `&'a str`, `Name<'a, 'b>`; a quote that opens a string is closed somewhere after other characters than these. */
function isLifetime(text: string, offset: number): boolean {
  const name = /^'[a-z_]\w*(?!\w|')/.exec(text.slice(offset, offset + 32))?.[0];
  return name !== undefined && (/[&<]/.test(text[offset - 1] ?? "") || text[offset + name.length] === ">");
}

function closeOf(text: string, delimiter: string, from: number, multiline: boolean): number | undefined {
  for (let offset = from; offset < text.length; offset++) {
    if (text[offset] === "\\") offset += 1;
    else if (text[offset] === "\n" && !multiline) return undefined;
    else if (text.startsWith(delimiter, offset)) return offset + delimiter.length;
  }
  return undefined;
}

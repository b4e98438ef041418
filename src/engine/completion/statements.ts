import { codeOf, type LineState, scanBrackets } from "./brackets.ts";
import type { GeneratedLine } from "./generated.ts";
import type { LanguageFamily } from "./languages.ts";
import { indentColumns, isBlank } from "./lines.ts";

const closingBracket = /^\s*[)\]}]/;
const closingTag = /^\s*<\/[\w:.-]*/;
const closingWords = ["end", "fi", "done", "esac"];
const closingWord = new RegExp(`^\\s*(?:${closingWords.join("|")})\\b`);

/** What a line begins with that closes something opened above it: a bracket, a word or a tag; undefined for other lines. */
export function closerOf(line: string, family: LanguageFamily): string | undefined {
  const pattern = family === "markup" ? closingTag : family === "keywords" ? closingWord : undefined;
  return (closingBracket.exec(line) ?? pattern?.exec(line))?.[0].trim();
}

const continuations = ["else", "elif", "elsif", "elseif", "except", "finally", "catch", "rescue", "ensure"];

/** The word a line begins with if it carries on the compound statement above it: else, except, catch and so on. */
export function continuationOf(line: string): string | undefined {
  const word = /^\s*([a-z]+)\b/.exec(line)?.[1];
  return word !== undefined && continuations.includes(word) ? word : undefined;
}

/** The line is still being written and may turn out to begin with a continuation, a closing word or a closing tag. */
export function mayBecomeContinuation(line: GeneratedLine): boolean {
  const word = line.text.trim();
  return !line.complete && ["<", ...closingWords, ...continuations].some((beginning) => beginning.startsWith(word));
}

/** Whether the lines below `line` are inside what it opens. `line` may be several lines joined. */
export function opensBlock(line: string, family: LanguageFamily): boolean {
  const scan = scanBrackets(line, family);
  const code = scan.code.trim();
  if (scan.open.length > 0) return true;
  if (family === "indentation") return /[:\\]$/.test(code);
  if (family === "outline") return /[:>|]$/.test(code);
  if (family === "braces") return /(?:=>|\bcase\b.*:|\bdefault:|\))$/.test(code) || /\belse$/.test(code);
  if (family === "keywords")
    return /\b(?:do|then|else|begin)\s*(?:\|.*\|)?$|^(?:def|class|module|if|unless|while|for|function)\b/.test(code);
  if (family === "markup") return opensTag(code);
  return false;
}

const voidTags = new Set("area base br col embed hr img input link meta source track wbr".split(" "));

function opensTag(code: string): boolean {
  const depth = new Map<string, number>();
  for (const [, slash, name, selfClosing] of code.matchAll(/<(\/?)([\w:.-]+)[^<>]*?(\/?)>/g)) {
    if (selfClosing === "/" || voidTags.has(name!)) continue;
    depth.set(name!, (depth.get(name!) ?? 0) + (slash === "/" ? -1 : 1));
  }
  return [...depth.values()].some((count) => count > 0);
}

/**
 * Index of the line that ends the statement begun on line `from`, blocks and continuations included; undefined while what
 * comes next could still belong to it. Comments and decorators above a statement count as its beginning.
 */
export function statementEnd(
  lines: readonly GeneratedLine[],
  from: number,
  family: LanguageFamily,
): number | undefined {
  const level = indentColumns(lines[from]!.text);
  const statement = lines.slice(from);
  const scan = scanBrackets(`${statement.map(({ text }) => text).join("\n")}\n`, family);
  let last = from;
  let hasCode = false;
  let lastCode = "";
  let hasBlock = false;
  for (const [row, line] of statement.entries()) {
    if (isBlank(line.text)) continue;
    const [begin, end] = [scan.lines[row]!, scan.lines[row + 1]!];
    if (hasCode && !isInside(begin) && indentColumns(line.text) <= level) {
      if (mayBecomeContinuation(line)) return undefined;
      const belongs = closerOf(line.text, family) !== undefined || continuationOf(line.text) !== undefined;
      if (!belongs) return last;
    }
    if (!line.complete) return undefined;
    last = from + row;
    const own = codeOf(line.text, family);
    hasCode ||= own !== "" && !/^(?:@|#\[)/.test(own);
    const code = scan.code.slice(begin.codeLength, end.codeLength);
    if (!isBlank(code)) {
      hasBlock ||= family === "indentation" ? lastCode.endsWith(":\n") : code.includes("{");
      lastCode = code;
    }
    if (hasCode && !isInside(end) && !hasBlock && endsStatement(lastCode.trimEnd(), family)) return last;
  }
  return undefined;
}

/** A bracket or a string of the statement is still open. */
function isInside({ open, insideString }: LineState): boolean {
  return open.length > 0 || insideString;
}

/** Nothing that follows such a line can belong to its statement, whatever it is. */
function endsStatement(code: string, family: LanguageFamily): boolean {
  if (family === "indentation") return !/[:\\,]$/.test(code);
  if (family === "braces") return /[;,]$/.test(code);
  return family === "prose";
}

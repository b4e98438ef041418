/** What an editor makes of keys: VS Code with its default settings, as far as typing code needs it. */

/** "Enter", "Backspace", or the character that the key types. */
export type Key = string;

export interface TypedText {
  /** Up to the cursor. */
  readonly before: string;
  readonly after: string;
  /** Characters at the beginning of `after` that the editor closed by itself, and which typing them only passes. */
  readonly closed: number;
}

export type TypingLanguage = "python" | "typescript" | "javascript";

const indentUnit: Readonly<Record<TypingLanguage, string>> = { python: "    ", typescript: "  ", javascript: "  " };
const closerOf: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}", '"': '"', "'": "'", "`": "`" };
const quotes = "\"'`";
/** Nothing is closed before other characters (`editor.autoClosingBrackets`: languageDefined). */
const closesBefore = /^(?:$|[;:.,=}\])>`\s])/;

export function press(text: TypedText, key: Key, language: TypingLanguage): TypedText {
  if (key === "Enter") return breakLine(text, language);
  if (key === "Backspace") return deleteLeft(text, language);
  const { before, after, closed } = text;
  if (closed > 0 && after.startsWith(key)) {
    return { before: before + key, after: after.slice(key.length), closed: closed - 1 };
  }
  const typed = before + key;
  const closer = closerOf[key];
  if (closer === undefined || !closesBefore.test(after) || !mayOpen(before, key, language)) {
    return { before: typed, after, closed };
  }
  return { before: typed, after: closer + after, closed: closed + 1 };
}

/** The cursor's line on both sides of it. */
export function lineAt({ before, after }: TypedText): { readonly left: string; readonly right: string } {
  return { left: before.slice(before.lastIndexOf("\n") + 1), right: /^[^\n]*/.exec(after)![0] };
}

/** The cursor's place, zero-based. */
export function placeOf({ before }: TypedText): { readonly line: number; readonly character: number } {
  const lines = before.split("\n");
  return { line: lines.length - 1, character: lines.at(-1)!.length };
}

/** A quote after a letter ends a word, and one within a string ends that; Python's prefixes belong to the quote. */
function mayOpen(before: string, key: Key, language: TypingLanguage): boolean {
  if (!quotes.includes(key)) return true;
  const line = before.slice(before.lastIndexOf("\n") + 1);
  if (isInString(line)) return false;
  const isPrefix = language === "python" && /(?<!\w)[rRuUfFbB]$/.test(line);
  return isPrefix || key === "`" || !/\w$/.test(line);
}

function isInString(line: string): boolean {
  let open = "";
  for (const character of line) {
    if (open === "" ? quotes.includes(character) : character === open) open = open === "" ? character : "";
  }
  return open !== "";
}

function breakLine(text: TypedText, language: TypingLanguage): TypedText {
  const { left, right } = lineAt(text);
  const indent = /^ */.exec(left)![0];
  const opener = left.trimEnd().at(-1) ?? "";
  const closer = quotes.includes(opener) ? undefined : closerOf[opener];
  const deeper = indent + indentUnit[language];
  if (closer !== undefined && right.trimStart().startsWith(closer)) {
    return { before: `${text.before}\n${deeper}`, after: `\n${indent}${text.after.trimStart()}`, closed: 0 };
  }
  const block =
    language === "python"
      ? /^\s*(?:def|class|for|if|elif|else|while|try|with|finally|except|async).*?:\s*$/
      : /^.*(?:\{[^}]*|\([^)]*|\[[^\]]*)$/;
  const opens = closer !== undefined || block.test(left);
  return { before: `${text.before}\n${opens ? deeper : indent}`, after: text.after, closed: 0 };
}

/** In a line's indentation a whole level goes (`editor.useTabStops`); a pair of which nothing was typed goes together. */
function deleteLeft({ before, after, closed }: TypedText, language: TypingLanguage): TypedText {
  const { left } = lineAt({ before, after, closed });
  if (left !== "" && left.trim() === "") {
    const unit = indentUnit[language].length;
    const removed = left.length % unit || unit;
    return { before: before.slice(0, -removed), after, closed };
  }
  const isPair = closed > 0 && closerOf[before.at(-1) ?? ""] === after[0];
  return { before: before.slice(0, -1), after: isPair ? after.slice(1) : after, closed: isPair ? closed - 1 : closed };
}

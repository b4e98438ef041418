import { homedir } from "node:os";

/** Characters in which a path's end is looked for; a longer one goes on until the line's end, or almost. */
const longestPath = 4096;
const longestScheme = 64;

/** What a path is put between, so that its end can be told. */
const closers: Readonly<Record<string, string>> = {
  '"': '"',
  "'": "'",
  "`": "`",
  "(": ")",
  "[": "]",
  "{": "}",
  "<": ">",
};

const knownKinds =
  "gguf|safetensors|onnx|bin|jsonl?|[cm]?[jt]sx?|py|wgsl|node|so|dll|dylib|exe|sock|lock|log|md|txt|zip";

/** A file of a kind that messages speak of, before what goes on with the sentence. */
const endedFile = new RegExp(`\\.(?:${knownKinds})(?=[,;:|)\\]}>"'\`]|\\.(?:\\s|$))`, "gi");

/**
 * Replaces every path below a home directory by "~/…", since folder and file names there tell what somebody works on. They may
 * hold anything but a line end. A path ends where the quote or bracket before it is closed, or behind a file's name of a known
 * kind and punctuation. Where neither is there, what follows in the line cannot be told from a path, and goes with it.
 */
export function withoutHomePaths(text: string, homes: readonly string[] = [homedir()]): string {
  return homes
    .flatMap((home) => patternOf(home) ?? [])
    .reduce((cleaned, home) => cleaned.replace(/[^\r\n]+/g, (line) => withoutPathsIn(line, home)), text);
}

function withoutPathsIn(line: string, home: RegExp): string {
  let cleaned = "";
  let end = 0;
  let isQuoted = false;
  for (const { index, 0: found } of line.matchAll(home)) {
    if (index < end) continue;
    const before = line.slice(end, index);
    if (doubleQuotes(before) % 2 === 1) isQuoted = !isQuoted;
    cleaned += `${before}~/…`;
    end = endOfPath(line, index + found.length, openerBefore(line, index) ?? (isQuoted ? '"' : undefined));
  }
  return cleaned + line.slice(end);
}

function doubleQuotes(text: string): number {
  return text.match(/(?<!\\)(?:\\\\)*"/g)?.length ?? 0;
}

/** Where a path ends that certainly goes on until `from`. */
function endOfPath(line: string, from: number, opener: string | undefined): number {
  const closed = opener === undefined ? undefined : closedAt(line.slice(from, from + longestPath), opener);
  if (closed !== undefined) return from + closed;
  const lastName = Math.max(from, line.lastIndexOf("/") + 1, line.lastIndexOf("\\") + 1);
  const file = [...line.slice(lastName).matchAll(endedFile)].at(-1);
  return file === undefined ? line.length : lastName + file.index + file[0].length;
}

/** The bracket or quote right before a path or its URI's scheme. */
function openerBefore(line: string, start: number): string | undefined {
  const before = line.slice(Math.max(0, start - longestScheme), start);
  return /(["'`([{<])(?:[a-z][\w.+-]*:[\\/]*)?$/i.exec(before)?.[1];
}

/** Where what was opened before the rest of a path is closed: not by a sign of the path, which goes on behind that. */
function closedAt(rest: string, opener: string): number | undefined {
  const closer = closers[opener]!;
  const marks: number[] = [];
  let depth = 0;
  for (let at = 0; at < rest.length; at++) {
    if (rest[at] === opener && opener !== closer) depth += 1;
    else if (rest[at] === closer && depth > 0) depth -= 1;
    else if (rest[at] === closer && !(closer === '"' && isEscaped(rest, at))) marks.push(at);
  }
  const possible = marks.filter((at) => !/^(?:[\p{L}\p{N}_\\/]|\.\w)/u.test(rest.slice(at + 1, at + 3)));
  const next = new Map(marks.map((at, index) => [at, marks[index + 1] ?? at]));
  return possible.find((at) => !/[\\/]/.test(rest.slice(at + 1, next.get(at)))) ?? possible.at(-1);
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0;
  while (text[at - 1 - backslashes] === "\\") backslashes += 1;
  return backslashes % 2 === 1;
}

/** The home with either separator, doubled backslashes (JSON), and any of its characters escaped as in a URI. */
function patternOf(home: string): RegExp | undefined {
  const trimmed = home.replace(/[\\/]+$/, "");
  // A home of "/" or a drive alone would take every path away.
  if (trimmed.length < 3) return undefined;
  const parts = trimmed.split(/[\\/]+/).map((part) => [...part].map(spellings).join(""));
  return new RegExp(`${parts.join("(?:[\\\\/]+|%2f|%5c)")}(?![\\w-]|\\.\\w)`, "gi");
}

function spellings(character: string): string {
  if (/[a-z\d]/i.test(character)) return character;
  const bytes = [...new TextEncoder().encode(character)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`);
  return `(?:${escapeRegExp(character)}|${bytes.join("")})`;
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** Addresses keep their host, and lose what may be a password. */
export function withoutCredentials(text: string): string {
  return text.replace(/(\w+:\/\/)[^\s/@]+@/g, "$1…@").replace(/(https?:\/\/[^\s?"']+)\?[^\s"']*/g, "$1?…");
}

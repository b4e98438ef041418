/** What an assistant's answer holds of code. */
export interface ExtractedCode {
  /** Without blank lines around it and with "\n" line ends; "" while none has come. */
  readonly code: string;
  /** The fence around it was closed: what follows does not matter. */
  readonly closed: boolean;
}

interface Fence {
  readonly columns: number;
  readonly char: string;
  readonly length: number;
  /** What follows the marks: a language name on an opening fence, nothing on a closing one. */
  readonly info: string;
}

/** A fence in a block must stand further left than this to belong to the block's own level (CommonMark 4.5). */
const contentColumns = 4;

/** Markdown may hold fences of its own, so there only a fence around the whole answer is taken off. */
const proseLanguages: ReadonlySet<string> = new Set([
  "markdown",
  "plaintext",
  "restructuredtext",
  "latex",
  "git-commit",
]);

/**
 * The code inside the first fence of an answer, or the answer itself without the sentences around the code where there is no
 * fence. May be asked again as the answer grows: what it gives then begins as before, but for sentences it learns to leave out.
 */
export function extractCode(answer: string, languageId?: string): ExtractedCode {
  const lines = answer.replaceAll("\r", "").split("\n");
  const opening = lines.findIndex((line) => fenceOf(line) !== undefined);
  const wraps = lines.slice(0, opening).every((line) => line.trim() === "");
  if (opening < 0 || (!wraps && proseLanguages.has(languageId ?? ""))) {
    return { code: join(withoutSentences(withoutPartialFence(lines), languageId)), closed: false };
  }
  return insideFence(lines, opening);
}

function insideFence(lines: readonly string[], opening: number): ExtractedCode {
  const outer = fenceOf(lines[opening]!)!;
  let nested = 0;
  for (let index = opening + 1; index < lines.length; index++) {
    const fence = fenceOf(lines[index]!);
    if (fence === undefined || fence.char !== outer.char || fence.columns >= outer.columns + contentColumns) continue;
    if (fence.info !== "") nested += 1;
    else if (nested > 0) nested -= 1;
    else if (fence.length >= outer.length) {
      return { code: join(lines.slice(opening + 1, index)), closed: index < lines.length - 1 };
    }
  }
  return { code: join(withoutPartialFence(lines.slice(opening + 1))), closed: false };
}

function fenceOf(line: string): Fence | undefined {
  const match = /^(\s*)(`{3,}|~{3,})\s*([^`]*)$/.exec(line);
  if (match === null) return undefined;
  const [, indent, marks, info] = match as unknown as [string, string, string, string];
  return { columns: indent.length, char: marks[0]!, length: marks.length, info: info.trim() };
}

/** The last line may be the beginning of a fence. */
function withoutPartialFence(lines: readonly string[]): readonly string[] {
  return /^\s*(?:`{1,2}|~{1,2})$/.test(lines.at(-1) ?? "") ? lines.slice(0, -1) : lines;
}

const opener =
  /^(?:sure|certainly|of course|okay|ok|here|below|the (?:following|above|code|function)|this|these|in this|note|explanation|you can|i|to|it|please)\b(?:[!,.:]?\s+[a-z]|'|[!:]$)/i;
const sentenceEnd = /[.:!?]$/;

/** Paragraphs before and after the code that talk about it, as models do where they were asked not to. */
function withoutSentences(lines: readonly string[], languageId: string | undefined): readonly string[] {
  if (proseLanguages.has(languageId ?? "")) return lines;
  const paragraphs = paragraphsOf(lines);
  // The end of an answer's first sentence may still have to come, and so may its second word.
  const begins = paragraphs.length === 1;
  const isSentence = (line: string) => opener.test(begins ? `${line} a` : line) && (begins || sentenceEnd.test(line));
  const talks = paragraphs.map((paragraph) => paragraph.every((line) => line.trim() === "" || isSentence(line.trim())));
  const first = talks.indexOf(false);
  return first < 0 ? [] : paragraphs.slice(first, talks.lastIndexOf(false) + 1).flat();
}

/** Blank lines belong to the paragraph above them. */
function paragraphsOf(lines: readonly string[]): string[][] {
  const paragraphs: string[][] = [];
  let blank = true;
  for (const line of lines) {
    const isBlank = line.trim() === "";
    if (isBlank || !blank) paragraphs.at(-1)?.push(line);
    else paragraphs.push([line]);
    blank = isBlank;
  }
  return paragraphs;
}

function join(lines: readonly string[]): string {
  return lines
    .join("\n")
    .replace(/^(?:[^\S\n]*\n)+/, "")
    .trimEnd();
}

/** Columns between tab stops where nobody says how many; mostly comparisons within one document are all that matters. */
export const tabColumns = 4;

/** Width of a line's leading white space in columns. */
export function indentColumns(line: string, tabSize = tabColumns): number {
  let columns = 0;
  for (const char of line) {
    if (char === " ") columns += 1;
    else if (char === "\t") columns += tabSize - (columns % tabSize);
    else break;
  }
  return columns;
}

/** White space from one column up to another, in tabs as far as there are tab stops between them where `unit` is a tab. */
export function whiteSpace(from: number, to: number, unit: string, tabSize = tabColumns): string {
  const tabs = unit === "\t" ? Math.floor(to / tabSize) - Math.floor(from / tabSize) : 0;
  return tabs > 0 ? "\t".repeat(tabs) + " ".repeat(to % tabSize) : " ".repeat(Math.max(0, to - from));
}

export function isBlank(line: string): boolean {
  return line.trim() === "";
}

export function normalizeLineEnds(text: string): string {
  return text.includes("\r") ? text.replace(/\r\n?/g, "\n") : text;
}

/** Turns text with "\n" line ends, as the engine writes it, into the document's own. */
export function toDocumentLineEnds(text: string, eol: "\n" | "\r\n"): string {
  const normalized = normalizeLineEnds(text);
  return eol === "\n" ? normalized : normalized.replaceAll("\n", "\r\n");
}

/** The last `count` lines of a text that may be very long, read from its end. */
export function lastLines(text: string, count: number): string[] {
  let from = text.length;
  for (let line = 0; line < count; line++) {
    const lineBreak = from === 0 ? -1 : text.lastIndexOf("\n", from - 1);
    if (lineBreak < 0) return normalizeLineEnds(text).split("\n");
    from = lineBreak;
  }
  return normalizeLineEnds(text.slice(from + 1)).split("\n");
}

/** The first `count` lines of a text that may be very long. */
export function firstLines(text: string, count: number): string[] {
  let end = -1;
  for (let line = 0; line < count; line++) {
    end = text.indexOf("\n", end + 1);
    if (end < 0) return normalizeLineEnds(text).split("\n");
  }
  return normalizeLineEnds(text.slice(0, end)).split("\n");
}

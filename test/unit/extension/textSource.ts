import type { TextSource } from "../../../src/extension/documentContext.ts";

/** A text as a document of lines. */
export function linesOf(text: string): TextSource {
  const lines = text.split(/\r?\n/);
  return { lineCount: lines.length, eol: text.includes("\r\n") ? "\r\n" : "\n", lineAt: (line) => lines[line]! };
}

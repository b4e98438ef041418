import { isBlank } from "./lines.ts";

/** Drops the last line of a text that was cut off by the token limit, unless there is no complete line to keep. */
export function trimPartialLine(text: string): string {
  const lineBreak = text.lastIndexOf("\n");
  return lineBreak < 0 || isBlank(text.slice(0, lineBreak)) ? text : text.slice(0, lineBreak);
}

import { type CursorFacts, cursorFacts } from "../../../src/engine/completion/facts.ts";
import { generatedLines, type StopRule } from "../../../src/engine/completion/generated.ts";

/** The document of a golden case on both sides of its cursor, which stands at "¦". */
export function splitAtCursor(document: string): [string, string] {
  const [prefix, suffix, ...more] = document.split("¦");
  if (prefix === undefined || suffix === undefined || more.length > 0) throw new Error(`one cursor in: ${document}`);
  return [prefix, suffix];
}

export function factsAt(document: string, languageId?: string): CursorFacts {
  return cursorFacts(...splitAtCursor(document), languageId);
}

/** What a rule keeps of a text that is generated character by character; undefined if it never ends it. */
export function keptBy(rule: StopRule, generated: string, facts: CursorFacts): string | undefined {
  for (let length = 1; length <= generated.length; length++) {
    const end = rule(generatedLines(generated.slice(0, length), facts), facts);
    if (end !== undefined) return generated.slice(0, end);
  }
  return undefined;
}

import type { CursorFacts } from "./facts.ts";
import { normalizeLineEnds } from "./lines.ts";
import { repairFinished } from "./repairBeginning.ts";
import { trimClosingBrackets } from "./trimClosingBrackets.ts";
import { trimFollowingLines } from "./trimFollowingLines.ts";
import { trimPartialLine } from "./trimPartialLine.ts";
import { trimSuffixOverlap } from "./trimSuffixOverlap.ts";
import { trimWhitespace } from "./trimWhitespace.ts";

/** Why a completion ended: the model's own end token, a stop rule, or the token limit (a cancellation counts as that). */
export type EndReason = "end" | "rule" | "length";

export type TrimName =
  | "partialLine"
  | "beginning"
  | "followingLines"
  | "closingBrackets"
  | "suffixOverlap"
  | "whitespace";

export interface TrimmedCompletion {
  /** What to insert at the cursor, with "\n" line ends; empty if nothing is left. */
  readonly text: string;
  /** What changed the text, in order. */
  readonly applied: readonly TrimName[];
}

type Trim = (text: string, facts: CursorFacts) => string;

/** Makes generated text, up to where a stop rule or the model ended it, into what is to be inserted at the cursor. */
export function trimCompletion(generated: string, facts: CursorFacts, reason: EndReason): TrimmedCompletion {
  const steps: readonly (readonly [TrimName, Trim])[] = [
    ...(reason === "length" ? [["partialLine", trimPartialLine] as const] : []),
    ["beginning", repairFinished],
    ["followingLines", trimFollowingLines],
    ["closingBrackets", trimClosingBrackets],
    ["suffixOverlap", trimSuffixOverlap],
    ["whitespace", trimWhitespace],
  ];
  const applied: TrimName[] = [];
  let text = normalizeLineEnds(generated);
  for (const [name, trim] of steps) {
    const trimmed = trim(text, facts);
    if (trimmed !== text) applied.push(name);
    text = trimmed;
  }
  return { text, applied };
}

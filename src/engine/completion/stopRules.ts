import type { CursorFacts } from "./facts.ts";
import { generatedLines, type StopRule } from "./generated.ts";
import { repairBeginning } from "./repairBeginning.ts";
import { stopAtBlankLines } from "./stopAtBlankLines.ts";
import { stopAtBlockEnd } from "./stopAtBlockEnd.ts";
import { stopAtClosingBracket } from "./stopAtClosingBracket.ts";
import { stopAtFilledHole } from "./stopAtFilledHole.ts";
import { stopAtJumpAhead } from "./stopAtJumpAhead.ts";
import { stopAtLineEnd } from "./stopAtLineEnd.ts";
import { stopAtRepeatedSuffix } from "./stopAtRepeatedSuffix.ts";
import { stopAtRepetition } from "./stopAtRepetition.ts";

/** By the names under which statistics and `--json` report them. */
const rules = {
  lineEnd: stopAtLineEnd,
  closingBracket: stopAtClosingBracket,
  jumpAhead: stopAtJumpAhead,
  repeatedSuffix: stopAtRepeatedSuffix,
  filledHole: stopAtFilledHole,
  blockEnd: stopAtBlockEnd,
  blankLines: stopAtBlankLines,
  repetition: stopAtRepetition,
} satisfies Record<string, StopRule>;

export type StopRuleName = keyof typeof rules;

export interface StopState {
  /** The completion has ended; further text changes nothing. */
  readonly done: boolean;
  /** What remains of the text pushed so far, its beginning repaired. */
  readonly keep: string;
  /** The rule that ended it. */
  readonly rule?: StopRuleName;
}

/**
 * Watches text as it is generated and says where the completion ends. The outcome does not depend on how the text is cut
 * into pieces: the rules see it grow by one character at a time, the first that decides wins, among several the shortest.
 */
export class StopTracker {
  private text = "";
  private state: StopState = { done: false, keep: "" };

  constructor(private readonly facts: CursorFacts) {}

  push(text: string): StopState {
    for (const char of text) {
      if (this.state.done) break;
      if (char === "\r") continue;
      this.text += char;
      this.state = stateOf(repairBeginning(this.text, this.facts), this.facts);
    }
    return this.state;
  }
}

function stateOf(text: string, facts: CursorFacts): StopState {
  const generated = generatedLines(text, facts);
  let ended: StopState | undefined;
  for (const [rule, find] of Object.entries(rules) as [StopRuleName, StopRule][]) {
    const end = find(generated, facts);
    if (end !== undefined && (ended === undefined || end < ended.keep.length))
      ended = { done: true, keep: text.slice(0, end), rule };
  }
  return ended ?? { done: false, keep: text };
}

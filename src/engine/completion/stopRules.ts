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

/** What was added last to the text, which is all that a rule needs to be asked about. */
interface Newest {
  readonly char: string;
  /** Its line up to and with it, and what stands left of the cursor on that line. */
  readonly line: string;
}

/**
 * Rules by the names under which statistics and `--json` report them, and the characters that can make them decide: to ask
 * all of them after every character would take longer than decoding, since they look at all of the text.
 */
const rules = {
  lineEnd: [stopAtLineEnd, endsLine],
  closingBracket: [stopAtClosingBracket, ({ char }) => /[)\]}"'`\n]/.test(char)],
  jumpAhead: [stopAtJumpAhead, endsLine],
  repeatedSuffix: [stopAtRepeatedSuffix, endsLine],
  filledHole: [stopAtFilledHole, beginsLine],
  blockEnd: [stopAtBlockEnd, beginsLine],
  blankLines: [stopAtBlankLines, beginsLine],
  repetition: [stopAtRepetition, ({ char }) => /\W/.test(char)],
} satisfies Record<string, readonly [StopRule, (newest: Newest) => boolean]>;

function endsLine({ char }: Newest): boolean {
  return char === "\n";
}

/** It ends a line, or belongs to the beginning that tells which kind of line this is: the first word and the next sign. */
function beginsLine({ char, line }: Newest): boolean {
  return char === "\n" || /^\s*\S+\s*\S?$/.test(line);
}

export type StopRuleName = keyof typeof rules;

const ruleNames = Object.keys(rules) as StopRuleName[];

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
  private lineStart = 0;
  private state: StopState = { done: false, keep: "" };

  constructor(private readonly facts: CursorFacts) {}

  push(text: string): StopState {
    for (const char of text) {
      if (this.state.done) return this.state;
      if (char === "\r") continue;
      this.text += char;
      this.state = this.judged(char) ?? this.state;
      if (char === "\n") this.lineStart = this.text.length;
    }
    if (!this.state.done) this.state = { done: false, keep: repairBeginning(this.text, this.facts) };
    return this.state;
  }

  /** How the newest character ended the text. */
  private judged(char: string): StopState | undefined {
    const line = this.text.slice(this.lineStart);
    const newest = { char, line: this.lineStart === 0 ? this.facts.linePrefix + line : line };
    const asked = ruleNames.filter((name) => rules[name][1](newest));
    if (asked.length === 0) return undefined;
    const text = repairBeginning(this.text, this.facts);
    const generated = generatedLines(text, this.facts);
    let ended: StopState | undefined;
    for (const rule of asked) {
      const end = rules[rule][0](generated, this.facts);
      if (end !== undefined && (ended === undefined || end < ended.keep.length))
        ended = { done: true, keep: text.slice(0, end), rule };
    }
    return ended;
  }
}

import type { Tokenizer } from "../model/tokenizer.ts";
import type { CursorFacts } from "./facts.ts";
import { IndentationStream } from "./indentation.ts";
import { toDocumentLineEnds } from "./lines.ts";
import { type StopRuleName, StopTracker } from "./stopRules.ts";
import { type EndReason, trimCompletion } from "./trim.ts";
import { Utf8Stream } from "./utf8Stream.ts";

/**
 * Generated tokens on their way to the text that is inserted at the cursor: decoding, the document's tabs or spaces, stop
 * rules, trimming, line ends. The outcome depends on the tokens alone, not on how many arrive at a time.
 */
export class CompletionText {
  private readonly utf8 = new Utf8Stream();
  private readonly indentation: IndentationStream;
  private readonly tracker: StopTracker | undefined;
  private generated = "";
  private stopped = false;
  private endedBy: StopRuleName | undefined;

  constructor(
    private readonly tokenizer: Pick<Tokenizer, "bytes">,
    private readonly facts: CursorFacts,
    /** The model's text as it is: no stop rules, no trimming. */
    private readonly raw = false,
  ) {
    this.indentation = new IndentationStream(raw ? undefined : facts.indentation, facts.linePrefix);
    this.tracker = raw ? undefined : new StopTracker(facts);
  }

  /** Takes tokens in; returns how many of them it took to end the text, undefined while it goes on. */
  push(tokens: readonly number[]): number | undefined {
    for (const [index, token] of tokens.entries()) {
      this.add(this.indentation.push(this.utf8.push(this.tokenizer.bytes(token))));
      if (this.stopped) return index + 1;
    }
    return undefined;
  }

  private add(text: string): void {
    if (this.tracker === undefined) {
      this.generated += text;
      return;
    }
    const state = this.tracker.push(text);
    this.generated = state.keep;
    this.stopped = state.done;
    this.endedBy = state.rule;
  }

  /** The stop rule that ended the text; undefined while none did. */
  get rule(): StopRuleName | undefined {
    return this.endedBy;
  }

  /** The text so far, not trimmed yet: a stop rule may still take back its last lines. */
  get current(): string {
    return toDocumentLineEnds(this.generated, this.facts.eol);
  }

  /**
   * The text to insert, in the document's line ends.
   * @param reason why generation ended, where no stop rule did
   */
  finish(reason: EndReason): string {
    if (this.raw) return this.current;
    this.add(this.indentation.end());
    const trimmed = trimCompletion(this.generated, this.facts, this.stopped ? "rule" : reason);
    return toDocumentLineEnds(trimmed.text, this.facts.eol);
  }
}

import type { Tokenizer } from "../model/tokenizer.ts";
import { extractCode } from "./codeBlocks.ts";
import type { CodePlace } from "./insertion.ts";
import { trimKnownLines } from "./trimKnownLines.ts";
import { Utf8Stream } from "./utf8Stream.ts";

/** An assistant's answer on its way to the code that is put into the document; depends on the tokens alone. */
export class AnswerText {
  private readonly utf8 = new Utf8Stream();
  private answer = "";

  constructor(
    private readonly tokenizer: Pick<Tokenizer, "bytes">,
    private readonly place: CodePlace,
    /** Makes the code part of the document. */
    private readonly fit: (code: string) => string,
  ) {}

  /** Takes tokens in; returns how many of them it took to close the code block, undefined while it goes on. */
  push(tokens: readonly number[]): number | undefined {
    for (const [index, token] of tokens.entries()) {
      this.answer += this.utf8.push(this.tokenizer.bytes(token));
      if (extractCode(this.answer, this.place.languageId).closed) return index + 1;
    }
    return undefined;
  }

  /** The code so far, as it would stand in the document; a sentence around it may still be left out. */
  get current(): string {
    const { code } = extractCode(this.answer, this.place.languageId);
    return this.fit(trimKnownLines(code, this.place));
  }
}

import type { Tokenizer } from "../../../src/engine/model/tokenizer.ts";

/**
 * Words with one leading space, runs of white space, single signs. Words are cut after every four characters, but for a few
 * that are whole: while one of them is typed, the number of tokens rises and falls.
 */
const pieces =
  / ?(?:response|constructor|enumerate|entries|readonly|amount)|\n+| {2,}(?= )| ?[A-Za-z]{1,4}|[A-Za-z]{1,4}|\d|\s|[^\s\w]|./gu;

/** A tokenizer that numbers the pieces it meets: small, and like a real one in what matters to prompts. */
export class ToyTokenizer implements Tokenizer {
  readonly vocabulary = 1 << 20;
  readonly endTokens = new Set<number>();
  readonly namedTokens = {};
  /** Characters that were encoded in all. */
  encoded = 0;
  private readonly texts: string[];
  private readonly ids = new Map<string, number>();
  private readonly special: ReadonlySet<string>;

  constructor(
    special: readonly string[] = [],
    readonly beginToken: number | undefined = undefined,
    readonly chatTemplate: string | undefined = undefined,
  ) {
    this.texts = [...special];
    this.special = new Set(special);
  }

  encode(text: string): number[] {
    this.encoded += text.length;
    return (text.match(pieces) ?? []).map((piece) => {
      const id = this.ids.get(piece) ?? this.texts.push(piece) - 1;
      this.ids.set(piece, id);
      return id;
    });
  }

  encodeContinued(text: string): number[] {
    return this.encode(text);
  }

  bytes(id: number): Uint8Array {
    return new TextEncoder().encode(this.isSpecial(id) ? "" : this.token(id));
  }

  id(token: string): number | undefined {
    const found = this.texts.indexOf(token);
    return found < 0 ? undefined : found;
  }

  token(id: number): string {
    return this.texts[id]!;
  }

  isSpecial(id: number): boolean {
    return id < this.special.size;
  }

  /** The prompt as a person reads it. */
  show(tokens: readonly number[]): string {
    return tokens.map((id) => this.token(id)).join("");
  }
}

export const vocabularies = {
  qwen: ["<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|repo_name|>", "<|file_sep|>"],
  starcoder2: ["<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<repo_name>", "<file_sep>"],
  starcoder: ["<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<reponame>", "<filename>"],
  deepseek: ["<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"],
  codellama: ["▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>"],
  codegemma: ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|file_separator|>"],
  granite: ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"],
  smollm2: ["<|im_start|>", "<|im_end|>", "<repo_name>", "<file_sep>"],
} satisfies Record<string, readonly string[]>;

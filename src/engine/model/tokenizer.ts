/** Text to token ids and back. Ids of special tokens never come out of `encode`: user text is data. */
export interface Tokenizer {
  readonly vocabulary: number;
  /** Encodes user text; text that looks like a special token is encoded as ordinary characters. */
  encode(text: string): number[];
  /**
   * The same for text that stands behind other text or a mark: without the space that SentencePiece puts before the first word of a
   * text, as Code Llama's `encode_infilling`.
   */
  encodeContinued(text: string): number[];
  /** The bytes a token stands for; empty for special tokens. */
  bytes(id: number): Uint8Array;
  /** The id of exactly this vocabulary entry (special tokens such as "<|fim_prefix|>" included). */
  id(token: string): number | undefined;
  /** The vocabulary entry as written in the file. */
  token(id: number): string;
  isSpecial(id: number): boolean;
  /** Prepended to every prompt where the model wants it. */
  readonly beginToken: number | undefined;
  /** Tokens that end a generation: every end-of-text, end-of-turn, FIM, repository and file token the vocabulary has. */
  readonly endTokens: ReadonlySet<number>;
  /** Chat template (Jinja) from the model's own metadata. */
  readonly chatTemplate: string | undefined;
  /** Entries by the names that chat templates have for them: "bos_token", "eos_token" and the like. */
  readonly namedTokens: Readonly<Record<string, string>>;
}

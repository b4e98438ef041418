import type { Alphabet } from "./alphabet.ts";
import { BytePairMerger, type Merge } from "./bytePairMerger.ts";
import type { Tokenizer } from "./tokenizer.ts";
import type { WordSplitter } from "./words.ts";

/**
 * What a vocabulary entry is for: `text` is merged from characters; `verbatim` is found in text as it stands, before
 * merging, and stands for its own characters; `special` is a mark that text never produces and that stands for nothing.
 */
export type TokenKind = "text" | "verbatim" | "special";

export interface BpeDefinition {
  /** Vocabulary entries by id. */
  readonly tokens: readonly string[];
  readonly kinds: readonly TokenKind[];
  readonly merges: (id: (entry: string) => number | undefined) => readonly Merge[];
  readonly alphabet: Alphabet;
  /** Normalizes text and cuts it into the words that are merged separately. */
  readonly words: WordSplitter;
  /** The same for text that stands behind other text, where that makes a difference. */
  readonly continuedWords?: WordSplitter;
  /** A word that is in the vocabulary is one token, whatever the merges say. */
  readonly ignoreMerges: boolean;
  readonly beginToken: number | undefined;
  readonly endTokens: ReadonlySet<number>;
  readonly chatTemplate: string | undefined;
  readonly namedTokens: Readonly<Record<string, string>>;
}

const cachedWords = 20_000;
const longestCachedWord = 64;

export class BpeTokenizer implements Tokenizer {
  private readonly ids: ReadonlyMap<string, number>;
  private readonly merger: BytePairMerger;
  private readonly verbatim: RegExp | undefined;
  private readonly cache = new Map<string, readonly number[]>();

  constructor(private readonly definition: BpeDefinition) {
    const { tokens, kinds } = definition;
    const ids = new Map<string, number>();
    for (let id = 0; id < tokens.length; id++) ids.set(tokens[id]!, id);
    this.ids = ids;
    this.merger = new BytePairMerger(definition.merges((entry) => ids.get(entry)));
    this.verbatim = anyOf(tokens.filter((_, id) => kinds[id] === "verbatim"));
  }

  get vocabulary(): number {
    return this.definition.tokens.length;
  }

  get beginToken(): number | undefined {
    return this.definition.beginToken;
  }

  get endTokens(): ReadonlySet<number> {
    return this.definition.endTokens;
  }

  get chatTemplate(): string | undefined {
    return this.definition.chatTemplate;
  }

  get namedTokens(): Readonly<Record<string, string>> {
    return this.definition.namedTokens;
  }

  encode(text: string): number[] {
    return this.encodeAs(this.definition.words, text);
  }

  encodeContinued(text: string): number[] {
    const { words, continuedWords = words } = this.definition;
    return this.encodeAs(continuedWords, text);
  }

  bytes(id: number): Uint8Array {
    const entry = this.token(id);
    switch (this.definition.kinds[id]) {
      case "text":
        return this.definition.alphabet.bytes(entry);
      case "verbatim":
        return new TextEncoder().encode(entry);
      default:
        return new Uint8Array(0);
    }
  }

  id(token: string): number | undefined {
    return this.ids.get(token);
  }

  token(id: number): string {
    const entry = this.definition.tokens[id];
    if (entry === undefined) throw new RangeError(`token id ${id} is outside the vocabulary of ${this.vocabulary}`);
    return entry;
  }

  isSpecial(id: number): boolean {
    return this.definition.kinds[id] === "special";
  }

  private encodeAs(words: WordSplitter, text: string): number[] {
    const ids: number[] = [];
    let start = 0;
    if (this.verbatim !== undefined) {
      for (const match of text.matchAll(this.verbatim)) {
        this.encodeWords(words, text.slice(start, match.index), ids);
        ids.push(this.ids.get(match[0])!);
        start = match.index + match[0].length;
      }
    }
    this.encodeWords(words, start === 0 ? text : text.slice(start), ids);
    return ids;
  }

  private encodeWords(words: WordSplitter, text: string, ids: number[]): void {
    for (const word of text === "" ? [] : words(text)) {
      for (const id of this.encodeWord(word)) ids.push(id);
    }
  }

  private encodeWord(word: string): readonly number[] {
    const known = this.cache.get(word);
    if (known !== undefined) return known;
    const ids = this.mergeWord(word);
    if (word.length <= longestCachedWord) {
      if (this.cache.size >= cachedWords) this.cache.clear();
      this.cache.set(word, ids);
    }
    return ids;
  }

  private mergeWord(word: string): readonly number[] {
    const { alphabet, ignoreMerges, kinds } = this.definition;
    if (ignoreMerges) {
      const whole = this.ids.get(alphabet.spell(word));
      if (whole !== undefined && kinds[whole] === "text") return [whole];
    }
    return this.merger.merge(alphabet.symbols(word, (entry) => this.ids.get(entry)));
  }
}

/** Matches the longest of the texts at each place, first place first. */
function anyOf(texts: readonly string[]): RegExp | undefined {
  if (texts.length === 0) return undefined;
  const escaped = [...texts]
    .sort((a, b) => b.length - a.length)
    .map((text) => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  return new RegExp(escaped.join("|"), "g");
}

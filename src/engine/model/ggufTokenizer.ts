import { JakiroError } from "../errors.ts";
import { byteLevelAlphabet, sentencePieceAlphabet } from "./alphabet.ts";
import { type BpeDefinition, BpeTokenizer, type TokenKind } from "./bpeTokenizer.ts";
import { type GgufValue, readGgufHeader } from "./gguf.ts";
import { listedMerges, scoredMerges, spacedPairs } from "./merges.ts";
import { preTokenizationOf } from "./preTokenizers.ts";
import { isMark } from "./specialTokens.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { WeightFile } from "./weightFile.ts";
import { isolate, spaceRuns, wordSplitter } from "./words.ts";

/** Builds the tokenizer that a GGUF file's metadata describes. Throws JakiroError("model") where that is not possible. */
export function loadGgufTokenizer(path: string): Tokenizer {
  const file = WeightFile.open(path);
  try {
    const { metadata, tensors } = readGgufHeader(file, (key) => key.startsWith("tokenizer.ggml."));
    const vocabulary = new GgufVocabulary(metadata, path);
    const rows = tensors.get("token_embd.weight")?.dimensions[1] ?? vocabulary.tokens.length;
    if (rows !== vocabulary.tokens.length) {
      throw new JakiroError(
        "model",
        `${path} has ${vocabulary.tokens.length} vocabulary entries but embeddings for ${rows}; fetch or convert it again.`,
      );
    }
    return new BpeTokenizer({ ...vocabulary.common(), ...scheme(vocabulary, path) });
  } finally {
    file.close();
  }
}

type Scheme = Pick<BpeDefinition, "merges" | "alphabet" | "words" | "continuedWords" | "ignoreMerges" | "beginToken">;

function scheme(vocabulary: GgufVocabulary, path: string): Scheme {
  switch (vocabulary.text("tokenizer.ggml.model")) {
    case "gpt2":
      return byteLevelScheme(vocabulary, path);
    case "llama":
      return sentencePieceScheme(vocabulary);
    default:
      throw new JakiroError(
        "model",
        `${path} has a tokenizer of the kind "${vocabulary.text("tokenizer.ggml.model")}", but Jakiro reads "gpt2" and "llama"; choose another model.`,
      );
  }
}

function byteLevelScheme(vocabulary: GgufVocabulary, path: string): Scheme {
  const { splits, normalization, ignoreMerges, beginsWithToken } = preTokenizationOf(
    vocabulary.text("tokenizer.ggml.pre"),
    path,
  );
  const merges = vocabulary.strings("tokenizer.ggml.merges");
  return {
    merges: (id) => listedMerges(spacedPairs(merges), id),
    alphabet: byteLevelAlphabet,
    words: wordSplitter(normalization === undefined ? [] : [{ type: normalization }], splits.map(isolate)),
    ignoreMerges: ignoreMerges ?? false,
    beginToken: vocabulary.beginToken(beginsWithToken ?? false),
  };
}

function sentencePieceScheme(vocabulary: GgufVocabulary): Scheme {
  const scores = vocabulary.numbers("tokenizer.ggml.scores");
  const pieces = vocabulary.tokens
    .map((entry, id) => ({ entry, score: scores[id] ?? 0, kind: vocabulary.kinds[id] }))
    .filter(({ kind }) => kind === "text");
  const prefixesSpace = vocabulary.flag("tokenizer.ggml.add_space_prefix") ?? true;
  const markSpaces = { type: "Replace", pattern: { String: " " }, content: "▁" } as const;
  const runs = spaceRuns(pieces.map(({ entry }) => entry));
  const continuedWords = wordSplitter([markSpaces], runs);
  return {
    merges: (id) => scoredMerges(pieces, id),
    alphabet: sentencePieceAlphabet,
    words: prefixesSpace ? wordSplitter([{ type: "Prepend", prepend: "▁" }, markSpaces], runs) : continuedWords,
    continuedWords,
    ignoreMerges: false,
    beginToken: vocabulary.beginToken(true),
  };
}

// llama.cpp's llama_token_type.
const unknownType = 2;
const controlType = 3;
const userDefinedType = 4;
const unusedType = 5;

/** The tokenizer part of the metadata, each entry checked when it is asked for. */
class GgufVocabulary {
  readonly tokens: readonly string[];
  readonly kinds: readonly TokenKind[];
  private readonly types: readonly number[];

  constructor(
    private readonly metadata: ReadonlyMap<string, GgufValue>,
    private readonly path: string,
  ) {
    this.tokens = this.strings("tokenizer.ggml.tokens");
    this.types = metadata.has("tokenizer.ggml.token_type") ? this.numbers("tokenizer.ggml.token_type") : [];
    this.kinds = this.tokens.map((token, id) => kindOf(token, this.types[id]));
  }

  common(): Pick<BpeDefinition, "tokens" | "kinds" | "endTokens" | "chatTemplate" | "namedTokens"> {
    return {
      tokens: this.tokens,
      kinds: this.kinds,
      endTokens: this.endTokens(),
      chatTemplate: this.text("tokenizer.chat_template"),
      namedTokens: this.namedTokens(),
    };
  }

  beginToken(isDefault: boolean): number | undefined {
    return (this.flag("tokenizer.ggml.add_bos_token") ?? isDefault) ? this.tokenId("bos") : undefined;
  }

  text(key: string): string | undefined {
    const value = this.metadata.get(key);
    return typeof value === "string" ? value : undefined;
  }

  flag(key: string): boolean | undefined {
    const value = this.metadata.get(key);
    return typeof value === "boolean" ? value : undefined;
  }

  strings(key: string): readonly string[] {
    return this.list(key, (item): item is string => typeof item === "string");
  }

  numbers(key: string): readonly number[] {
    return this.list(key, (item): item is number => typeof item === "number");
  }

  /** No control token belongs inside a completion, so each of them ends one. */
  private endTokens(): ReadonlySet<number> {
    const ends = new Set<number>();
    for (const [id, token] of this.tokens.entries()) {
      if (this.types[id] === controlType || isMark(token)) ends.add(id);
    }
    for (const role of ["eos", "eot", "eom"]) {
      const id = this.tokenId(role);
      if (id !== undefined) ends.add(id);
    }
    return ends;
  }

  private namedTokens(): Readonly<Record<string, string>> {
    const names = { bos: "bos_token", eos: "eos_token", unknown: "unk_token", padding: "pad_token" };
    return Object.fromEntries(
      Object.entries(names).flatMap(([role, name]) => {
        const id = this.tokenId(role);
        return id === undefined ? [] : [[name, this.tokens[id]!]];
      }),
    );
  }

  private tokenId(role: string): number | undefined {
    const id = this.metadata.get(`tokenizer.ggml.${role}_token_id`);
    return typeof id === "number" && id >= 0 && id < this.tokens.length ? id : undefined;
  }

  private list<Item>(key: string, isItem: (item: unknown) => item is Item): readonly Item[] {
    const value: unknown = this.metadata.get(key);
    if (Array.isArray(value) && value.every(isItem)) return value;
    throw new JakiroError("model", `${this.path} lacks the list "${key}" in its metadata; convert it again.`);
  }
}

function kindOf(token: string, type: number | undefined): TokenKind {
  if (type === controlType || type === unusedType || type === unknownType || isMark(token)) return "special";
  return type === userDefinedType ? "verbatim" : "text";
}

import { SequenceNormalizer, SequencePreTokenizer } from "@huggingface/tokenizers";

export type NormalizerStep = ConstructorParameters<typeof SequenceNormalizer>[0]["normalizers"][number];
export type PreTokenizerStep = ConstructorParameters<typeof SequencePreTokenizer>[0]["pretokenizers"][number];
export type WordSplitter = (text: string) => readonly string[];

/** The function that normalizes text and cuts it into words, from steps as a tokenizer.json describes them. */
export function wordSplitter(
  normalizers: readonly NormalizerStep[],
  preTokenizers: readonly PreTokenizerStep[],
): WordSplitter {
  const normalizer = new SequenceNormalizer({ type: "Sequence", normalizers: [...normalizers] });
  const preTokenizer = new SequencePreTokenizer({ type: "Sequence", pretokenizers: [...preTokenizers] });
  // Section 0: Metaspace may treat a text's beginning differently.
  return (text) => preTokenizer.pre_tokenize(normalizer.normalize(text), { section_index: 0 });
}

/** Cuts out every match of an Oniguruma expression as a word of its own. */
export function isolate(expression: string): PreTokenizerStep {
  return { type: "Split", pattern: { Regex: expression }, behavior: "Isolated", invert: false };
}

/**
 * SentencePiece merges a whole text as one word. Where no vocabulary entry has a space mark after another character,
 * no merge crosses the start of a run of space marks, and cutting there changes nothing but makes words cacheable.
 */
export function spaceRuns(entries: readonly string[]): PreTokenizerStep[] {
  return entries.some((entry) => /[^▁]▁/.test(entry)) ? [] : [isolate("▁*[^▁]+|▁+")];
}

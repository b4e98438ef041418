import { JakiroError } from "../errors.ts";

/** How text is cut into words before byte-pair merging, as published in the model families' own tokenizer.json files. */
export interface PreTokenization {
  /** Regular expressions (Oniguruma syntax) applied one after the other; matches become words of their own. */
  readonly splits: readonly string[];
  /** Unicode normal form that the text is brought into first. */
  readonly normalization?: "NFC";
  /** A word that is in the vocabulary is one token, whatever the merges say. */
  readonly ignoreMerges?: true;
  /** Prompts begin with the begin token unless the file says otherwise. */
  readonly beginsWithToken?: true;
}

/** The rules for a GGUF file's `tokenizer.ggml.pre`; an unknown name is refused, because a near miss would be silent. */
export function preTokenizationOf(name: string | undefined, path: string): PreTokenization {
  const found = name === undefined ? undefined : preTokenizations.get(name);
  if (found !== undefined) return found;
  const what = name === undefined ? "does not name its pre-tokenizer" : `uses the pre-tokenizer "${name}"`;
  throw new JakiroError(
    "model",
    `${path} ${what}, and Jakiro knows ${[...preTokenizations.keys()].join(", ")}; choose another file of this model.`,
  );
}

export const gpt2Words = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;

const wordsWithDigitRuns = (digits: string): string =>
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|${digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

const gpt2: PreTokenization = { splits: [gpt2Words] };
const digitwise: PreTokenization = { splits: [String.raw`\p{N}`, gpt2Words] };
const llama3: PreTokenization = {
  splits: [wordsWithDigitRuns(String.raw`\p{N}{1,3}`)],
  ignoreMerges: true,
  beginsWithToken: true,
};
const qwen2: PreTokenization = { splits: [wordsWithDigitRuns(String.raw`\p{N}`)], normalization: "NFC" };
const cjkRun = "[一-龥ࠀ-一가-퟿]+";
const deepSeekCoder: PreTokenization = {
  splits: ["[\r\n]", String.raw`\s?\p{L}+`, String.raw`\s?\p{P}+`, cjkRun, String.raw`\p{N}`],
};

const preTokenizations = new Map<string, PreTokenization>([
  ["gpt-2", gpt2],
  ["smollm", digitwise],
  ["starcoder", digitwise],
  ["refact", digitwise],
  ["command-r", digitwise],
  ["codeshell", digitwise],
  ["llama-bpe", llama3],
  ["llama3", llama3],
  ["llama-v3", llama3],
  ["qwen2", qwen2],
  ["deepseek-r1-qwen", qwen2],
  ["deepseek-coder", deepSeekCoder],
]);

import type { Tokenizer } from "../model/tokenizer.ts";

/** Which part of an infilling prompt comes first; the model always writes the middle last. */
export type FimOrder = "psm" | "spm";

/** How a model was trained to read files beside the one being completed. */
export type RepositoryForm =
  /** Repository name, then every file after a separator and its path; the infilling markers follow the last path (Qwen2.5-Coder). */
  | { readonly kind: "pathBeforeMarkers"; readonly repository: number | undefined; readonly separator: number }
  /** The same, but the last path stands inside the prefix (StarCoder, StarCoder2, CodeGemma). */
  | { readonly kind: "pathInPrefix"; readonly repository: number | undefined; readonly separator: number };

/** A model's infilling format as token ids. */
export interface FimTemplate {
  readonly name:
    | "qwen2.5-coder"
    | "starcoder2"
    | "starcoder"
    | "deepseek-coder"
    | "codellama"
    | "codegemma"
    | "generic";
  readonly prefix: number;
  readonly suffix: number;
  readonly middle: number;
  /**
   * "markers": suffix marker, suffix, prefix marker, prefix, middle marker. "joined": prefix and suffix markers, suffix, middle
   * marker, prefix, as in "Efficient Training of Language Models to Fill in the Middle" (Bavarian et al., 2022).
   */
  readonly spm: "markers" | "joined";
  readonly repository: RepositoryForm | undefined;
}

/**
 * The infilling format of a model, told by the special tokens of its own vocabulary; undefined for a model that has none
 * and can only go on from the prefix. Formats: the Qwen2.5-Coder and StarCoder2 reports, the
 * model cards of StarCoder, DeepSeek-Coder and CodeGemma, and the Code Llama paper.
 */
export function chooseTemplate(tokenizer: Tokenizer): FimTemplate | undefined {
  for (const { markers, describe } of families) {
    const [prefix, suffix, middle] = markers.map((token) => tokenizer.id(token));
    if (prefix === undefined || suffix === undefined || middle === undefined) continue;
    return { prefix, suffix, middle, ...describe((token) => tokenizer.id(token)) };
  }
  return undefined;
}

type Description = Pick<FimTemplate, "name" | "spm" | "repository">;

interface Family {
  /** Prefix, suffix and middle marker as the vocabulary spells them. */
  readonly markers: readonly [string, string, string];
  readonly describe: (id: (token: string) => number | undefined) => Description;
}

const families: readonly Family[] = [
  {
    markers: ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"],
    describe: (id) => {
      const qwen = id("<|file_sep|>");
      if (qwen !== undefined) {
        const repository = { kind: "pathBeforeMarkers", repository: id("<|repo_name|>"), separator: qwen } as const;
        return { name: "qwen2.5-coder", spm: "markers", repository };
      }
      const gemma = id("<|file_separator|>");
      if (gemma === undefined) return { name: "generic", spm: "markers", repository: undefined };
      const repository = { kind: "pathInPrefix", repository: undefined, separator: gemma } as const;
      return { name: "codegemma", spm: "markers", repository };
    },
  },
  {
    markers: ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"],
    describe: (id) => {
      const second = id("<file_sep>");
      const separator = second ?? id("<filename>");
      const name = second === undefined ? "starcoder" : "starcoder2";
      const repository = id(second === undefined ? "<reponame>" : "<repo_name>");
      if (separator === undefined) return { name: "generic", spm: "joined", repository: undefined };
      return { name, spm: "joined", repository: { kind: "pathInPrefix", repository, separator } };
    },
  },
  {
    markers: ["<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"],
    describe: () => ({ name: "deepseek-coder", spm: "markers", repository: undefined }),
  },
  {
    markers: ["▁<PRE>", "▁<SUF>", "▁<MID>"],
    describe: () => ({ name: "codellama", spm: "joined", repository: undefined }),
  },
];

/** The parts of an infilling prompt in the order in which the model reads them. */
export function arrange(
  template: FimTemplate,
  order: FimOrder,
  prefix: readonly number[],
  suffix: readonly number[],
): number[] {
  if (order === "psm") return [template.prefix, ...prefix, template.suffix, ...suffix, template.middle];
  if (template.spm === "joined") return [template.prefix, template.suffix, ...suffix, template.middle, ...prefix];
  return [template.suffix, ...suffix, template.prefix, ...prefix, template.middle];
}

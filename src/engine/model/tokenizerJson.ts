import { JakiroError } from "../errors.ts";
import type { Alphabet } from "./alphabet.ts";
import { byteLevelAlphabet, sentencePieceAlphabet } from "./alphabet.ts";
import { isObject, type JsonObject } from "./jsonFile.ts";
import { gpt2Words } from "./preTokenizers.ts";
import {
  isolate,
  type NormalizerStep,
  type PreTokenizerStep,
  spaceRuns,
  type WordSplitter,
  wordSplitter,
} from "./words.ts";

/** The alphabet and the word splitter that a tokenizer.json describes; what cannot be followed exactly is refused. */
export function spellingOf(
  json: JsonObject,
  entries: readonly string[],
  path: string,
): { readonly alphabet: Alphabet; readonly words: WordSplitter; readonly continuedWords?: WordSplitter } {
  const normalizers = stepsOf(json["normalizer"], "normalizers").map((step) => knownNormalizer(step, path));
  const steps = stepsOf(json["pre_tokenizer"], "pretokenizers");
  if (steps.some(({ type }) => type === "ByteLevel")) {
    return {
      alphabet: byteLevelAlphabet,
      words: wordSplitter(
        normalizers,
        steps.flatMap((step) => restated(step, path)),
      ),
    };
  }
  const model = json["model"];
  if (!isObject(model) || model["byte_fallback"] !== true)
    throw refused(path, "neither byte-level words nor byte fallback");
  const preTokenizers = steps.map((step) => knownMetaspace(step, path));
  const runs = spaceRuns(entries);
  return {
    alphabet: sentencePieceAlphabet,
    words: wordSplitter(normalizers, [...preTokenizers, ...runs]),
    continuedWords: wordSplitter(
      normalizers.filter(({ type }) => type !== "Prepend"),
      [...preTokenizers.map((step) => ({ ...step, prepend_scheme: "never" }) as PreTokenizerStep), ...runs],
    ),
  };
}

/** The steps of a Sequence, of sequences in it, or of a single step. */
function stepsOf(step: unknown, members: string): JsonObject[] {
  if (!isObject(step)) return [];
  if (step["type"] !== "Sequence") return [step];
  return Array.isArray(step[members]) ? step[members].flatMap((member) => stepsOf(member, members)) : [];
}

function knownNormalizer(step: JsonObject, path: string): NormalizerStep {
  if (!["NFC", "NFD", "NFKC", "NFKD", "Prepend", "Replace"].includes(String(step["type"]))) {
    throw refused(path, `the normalizer "${String(step["type"])}"`);
  }
  return step as unknown as NormalizerStep;
}

/**
 * Steps that the JavaScript library computes differently from the reference (ByteLevel's and Digits' expressions know
 * only JavaScript's white space and ASCII digits) as Split steps; the byte spelling itself is the alphabet's work.
 */
function restated(step: JsonObject, path: string): PreTokenizerStep[] {
  switch (step["type"]) {
    case "ByteLevel":
      if (step["add_prefix_space"] === true) throw refused(path, "a prefix space before byte-level words");
      return step["use_regex"] === false ? [] : [isolate(gpt2Words)];
    case "Digits":
      return [isolate(step["individual_digits"] === true ? String.raw`\p{N}` : String.raw`\p{N}+`)];
    case "Split": {
      const behavior = step["behavior"];
      if (behavior !== "Isolated" && !(behavior === "Removed" && step["invert"] === true)) {
        throw refused(path, `the split behavior "${String(behavior)}"`);
      }
      return [step as unknown as PreTokenizerStep];
    }
    default:
      throw refused(path, `the pre-tokenizer "${String(step["type"])}"`);
  }
}

/** Metaspace that marks spaces without cutting, as Llama's tokenizers have it. */
function knownMetaspace(step: JsonObject, path: string): PreTokenizerStep {
  if (step["type"] !== "Metaspace" || step["split"] !== false) {
    throw refused(path, `the pre-tokenizer "${String(step["type"])}"`);
  }
  return step as unknown as PreTokenizerStep;
}

function refused(path: string, what: string): JakiroError {
  return new JakiroError("model", `${path} uses ${what}, which Jakiro does not apply; choose another model.`);
}

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { JakiroError } from "../errors.ts";
import { type BpeDefinition, BpeTokenizer, type TokenKind } from "./bpeTokenizer.ts";
import { isObject, type JsonObject, readJsonObject } from "./jsonFile.ts";
import { listedMerges, spacedPairs } from "./merges.ts";
import { isMark } from "./specialTokens.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { spellingOf } from "./tokenizerJson.ts";

/**
 * Builds the tokenizer of a Hugging Face model folder from tokenizer.json, tokenizer_config.json and config.json.
 * Throws JakiroError("model") for anything but byte-pair encoding over bytes or with byte fallback.
 */
export function loadHuggingFaceTokenizer(folder: string): Tokenizer {
  const path = join(folder, "tokenizer.json");
  const json = readJsonObject(path);
  if (json === undefined)
    throw new JakiroError("model", `${folder} has no tokenizer.json; fetch the model folder again.`);
  const model = json["model"];
  if (!isObject(model) || model["type"] !== "BPE" || !isObject(model["vocab"]) || !Array.isArray(model["merges"])) {
    throw new JakiroError(
      "model",
      `${path} holds no byte-pair encoding, the only kind Jakiro reads; choose another model.`,
    );
  }
  const options = readJsonObject(join(folder, "tokenizer_config.json")) ?? {};
  const config = readJsonObject(join(folder, "config.json")) ?? {};
  const added = addedTokens(json["added_tokens"], path);
  const { tokens, kinds } = vocabularyOf(model["vocab"], added, Number(config["vocab_size"] ?? 0), path);
  const id = new Map(tokens.map((token, index) => [token, index]));
  return new BpeTokenizer({
    tokens,
    kinds,
    merges: (idOf) => listedMerges(mergePairs(model["merges"] as unknown[], path), idOf),
    ...spellingOf(json, Object.keys(model["vocab"]), path),
    ignoreMerges: model["ignore_merges"] === true,
    beginToken: beginToken(json, options, id),
    endTokens: endTokens(
      added,
      tokens,
      [config, readJsonObject(join(folder, "generation_config.json")) ?? {}],
      options,
      id,
    ),
    chatTemplate: chatTemplate(folder, options),
    namedTokens: namedTokens(options),
  });
}

interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
}

function addedTokens(list: unknown, path: string): AddedToken[] {
  return (Array.isArray(list) ? list : []).map((entry: unknown) => {
    const { id, content, special, single_word, lstrip, rstrip } = (entry ?? {}) as JsonObject;
    if (
      typeof id !== "number" ||
      !Number.isSafeInteger(id) ||
      id < 0 ||
      id >= largestVocabulary ||
      typeof content !== "string"
    ) {
      throw new JakiroError("model", `${path} has an added token that is not understood; fetch it again.`);
    }
    const isSpecial = special === true || isMark(content);
    if (!isSpecial && (single_word === true || lstrip === true || rstrip === true)) {
      throw new JakiroError(
        "model",
        `${path} has an added token "${content}" with white-space rules, which Jakiro does not apply; choose another model.`,
      );
    }
    return { id, content, special: isSpecial };
  });
}

const largestVocabulary = 1 << 22;

/** Entries by id; ids that nothing names, up to the embedding's rows, are padding. */
function vocabularyOf(
  vocab: JsonObject,
  added: readonly AddedToken[],
  rows: number,
  path: string,
): Pick<BpeDefinition, "tokens" | "kinds"> {
  const tokens: string[] = [];
  const kinds: TokenKind[] = [];
  for (const [entry, id] of Object.entries(vocab)) {
    if (typeof id !== "number" || !Number.isSafeInteger(id) || id < 0 || id >= largestVocabulary) {
      throw new JakiroError("model", `${path} gives the entry "${entry}" the id ${String(id)}; fetch it again.`);
    }
    tokens[id] = entry;
    kinds[id] = isMark(entry) ? "special" : "text";
  }
  for (const { id, content, special } of added) {
    tokens[id] = content;
    kinds[id] = special ? "special" : "verbatim";
  }
  const length = Math.min(Math.max(tokens.length, rows), largestVocabulary);
  for (let id = 0; id < length; id++) {
    tokens[id] ??= `[PAD${id}]`;
    kinds[id] ??= "special";
  }
  return { tokens, kinds };
}

/** Merges come as "left right" or, since tokenizers 0.20, as [left, right]. */
function mergePairs(merges: readonly unknown[], path: string): Iterable<readonly [string, string]> {
  if (merges.every((merge) => typeof merge === "string")) return spacedPairs(merges);
  const isPair = (merge: unknown): merge is [string, string] =>
    Array.isArray(merge) && merge.length === 2 && merge.every((part) => typeof part === "string");
  if (merges.every(isPair)) return merges;
  throw new JakiroError("model", `${path} has merges that are not pairs of entries; fetch it again.`);
}

type Ids = ReadonlyMap<string, number>;

/** tokenizer_config.json decides where it speaks; otherwise the post-processor's template for single texts. */
function beginToken(json: JsonObject, options: JsonObject, ids: Ids): number | undefined {
  const named = contentOf(options["bos_token"]);
  const templated = templateStart(json["post_processor"]);
  const wants = options["add_bos_token"] ?? templated !== undefined;
  const token = templated ?? named;
  return wants === true && token !== undefined ? ids.get(token) : undefined;
}

function templateStart(processor: unknown): string | undefined {
  if (!isObject(processor)) return undefined;
  if (Array.isArray(processor["processors"])) {
    return processor["processors"].map(templateStart).find((token) => token !== undefined);
  }
  const [first] = Array.isArray(processor["single"]) ? processor["single"] : [];
  const special = isObject(first) ? first["SpecialToken"] : undefined;
  return isObject(special) && typeof special["id"] === "string" ? special["id"] : undefined;
}

/** Every special token ends a completion, and so does whatever the configuration files call the end. */
function endTokens(
  added: readonly AddedToken[],
  tokens: readonly string[],
  configurations: readonly JsonObject[],
  options: JsonObject,
  ids: Ids,
): ReadonlySet<number> {
  const ends = new Set(added.filter(({ special }) => special).map(({ id }) => id));
  for (const [id, token] of tokens.entries()) if (isMark(token)) ends.add(id);
  for (const configuration of configurations) {
    for (const id of [configuration["eos_token_id"]].flat()) {
      if (typeof id === "number" && id >= 0 && id < tokens.length) ends.add(id);
    }
  }
  const end = ids.get(contentOf(options["eos_token"]) ?? "");
  if (end !== undefined) ends.add(end);
  return ends;
}

/** A token in tokenizer_config.json: its text, or an object with it. */
function contentOf(token: unknown): string | undefined {
  const content = isObject(token) ? token["content"] : token;
  return typeof content === "string" ? content : undefined;
}

function namedTokens(options: JsonObject): Readonly<Record<string, string>> {
  return Object.fromEntries(
    ["bos_token", "eos_token", "unk_token", "pad_token"].flatMap((name) => {
      const content = contentOf(options[name]);
      return content === undefined ? [] : [[name, content]];
    }),
  );
}

function chatTemplate(folder: string, options: JsonObject): string | undefined {
  const template = options["chat_template"];
  if (typeof template === "string") return template;
  if (Array.isArray(template)) {
    const named = template.find((entry) => isObject(entry) && entry["name"] === "default");
    return isObject(named) && typeof named["template"] === "string" ? named["template"] : undefined;
  }
  try {
    return readFileSync(join(folder, "chat_template.jinja"), "utf8");
  } catch {
    return undefined;
  }
}

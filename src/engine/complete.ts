import { CompletionText } from "./completion/completionText.ts";
import { cursorFacts } from "./completion/facts.ts";
import { packPrompt, type Snippet } from "./completion/prompt.ts";
import type { FinishReason } from "./decoding/decoder.ts";
import type { SamplingOptions } from "./decoding/sampling.ts";
import { DecodingStatistics } from "./decoding/statistics.ts";
import type { DecodingSession, Engine } from "./engine.ts";

/** A completion asked for between two parts of a document. */
export interface CompletionRequest {
  /** The document before and after the cursor, whole, in its own line ends. */
  readonly prefix: string;
  readonly suffix: string;
  /** Relative to the workspace, with "/". */
  readonly path?: string | undefined;
  /** As VS Code names it; guessed from the text where it is not known. */
  readonly languageId?: string | undefined;
  /** Pieces of other files, best first. */
  readonly snippets?: readonly Snippet[];
  /** Longest completion, in tokens. */
  readonly maxTokens: number;
  readonly sampling: SamplingOptions;
  /** Leaves the model's text as it is: no stop rules, no trimming. */
  readonly raw?: boolean;
  /** Most tokens of the prompt that stand for text after the cursor: they are read anew after every keystroke. */
  readonly suffixTokens?: number;
  readonly signal?: AbortSignal;
  /** Prompt tokens processed so far, of those that were not cached. */
  readonly onPrefill?: (done: number, total: number) => void;
  /** The whole text so far; a stop rule may still take back its last lines. */
  readonly onText?: (text: string) => void;
}

export interface CompletionResult {
  /** What to insert at the cursor, in the document's line ends; "" where there is nothing to insert. */
  readonly text: string;
  /** Generated tokens, an end token included, before stop rules and trimming shortened their text. */
  readonly tokens: readonly number[];
  readonly finishReason: FinishReason;
  readonly promptTokens: number;
  /** Of these, the ones that stand for text after the cursor. */
  readonly suffixTokens: number;
  /** Of the prompt's, the ones whose keys and values were still there. */
  readonly cachedTokens: number;
  readonly statistics: DecodingStatistics;
  /** What the user should know: something was left out of the prompt, or the model cannot read the suffix. */
  readonly note: string | undefined;
}

/** Longest prompt, in tokens: reading more takes longer than what it adds to a completion is worth. */
const longestPrompt = 2048;
const defaultSuffixTokens = 256;
const snippetTokens = 512;

/** Completes a document at the cursor: facts about the place, prompt, decoding under stop rules, trimming. */
export async function completeDocument(
  engine: Pick<Engine, "tokenizer" | "template">,
  session: Pick<DecodingSession, "capacity" | "decode">,
  request: CompletionRequest,
): Promise<CompletionResult> {
  const { prefix, suffix, maxTokens, raw = false } = request;
  const { tokenizer, template } = engine;
  const packed = packPrompt({
    prefix,
    suffix,
    snippets: request.snippets ?? [],
    path: request.path,
    languageId: request.languageId,
    tokenizer,
    template,
    budget: {
      total: promptRoom(session.capacity, maxTokens),
      suffix: request.suffixTokens ?? defaultSuffixTokens,
      snippets: snippetTokens,
    },
    order: "psm",
  });
  if (packed.tokens.length === 0) return nothingToContinue();

  const text = new CompletionText(tokenizer, cursorFacts(prefix, suffix, request.languageId), raw);
  const decoded = await session.decode({
    prompt: packed.tokens,
    maxTokens,
    sampling: request.sampling,
    endTokens: tokenizer.endTokens,
    ...(request.signal === undefined ? {} : { signal: request.signal }),
    ...(request.onPrefill === undefined ? {} : { onPrefill: request.onPrefill }),
    onTokens(tokens) {
      const end = text.push(tokens);
      request.onText?.(text.current);
      return end;
    },
  });
  return {
    text: text.finish(decoded.finishReason === "end" ? "end" : "length"),
    tokens: decoded.tokens,
    finishReason: decoded.finishReason,
    promptTokens: packed.tokens.length,
    suffixTokens: packed.suffixTokens,
    cachedTokens: decoded.cachedTokens,
    statistics: decoded.statistics,
    note: packed.note,
  };
}

/** Tokens a prompt may have so that the completion still fits; a completion longer than half of the context may be cut. */
export function promptRoom(capacity: number, maxTokens: number, most = longestPrompt): number {
  return Math.min(most, Math.max(capacity - maxTokens, capacity >> 1));
}

/** A model without infilling and begin tokens has nothing to start from where no text stands before the cursor. */
function nothingToContinue(): CompletionResult {
  const statistics = new DecodingStatistics();
  statistics.finish();
  return {
    text: "",
    tokens: [],
    finishReason: "end",
    promptTokens: 0,
    suffixTokens: 0,
    cachedTokens: 0,
    statistics,
    note: "This model can only go on from the text before the cursor, and there is none.",
  };
}

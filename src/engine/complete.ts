import { CompletionText } from "./completion/completionText.ts";
import { cursorFacts } from "./completion/facts.ts";
import type { EditorIndentation } from "./completion/indentation.ts";
import { normalizeLineEnds } from "./completion/lines.ts";
import type { Note } from "./completion/notes.ts";
import { type PackedPrompt, packPrompt, type Snippet } from "./completion/prompt.ts";
import type { StopRuleName } from "./completion/stopRules.ts";
import type { DecodeRequest, DecodeResult, FinishReason } from "./decoding/decoder.ts";
import type { SamplingOptions } from "./decoding/sampling.ts";
import { DecodingStatistics } from "./decoding/statistics.ts";
import type { DecodingSession } from "./decodingSession.ts";
import type { Engine } from "./engine.ts";

/** A place in a document. */
export interface DocumentRequest {
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
  /** Most tokens of the prompt that stand for text after the cursor; as many as this machine reads in time where absent. */
  readonly suffixTokens?: number;
}

/**
 * `suffixTokens` of requests that nobody waits for from key to key. The engine's own budget follows from what was measured, and
 * such a request is to have the same prompt, hence the same text, whenever it is asked.
 */
export const patientSuffixTokens = 256;

/** How decoding shares a device with others. */
export type SharedDecoding = Pick<DecodeRequest, "signal" | "turn" | "prefillRows" | "onRound" | "watched">;

/** A completion asked for between two parts of a document. */
export interface CompletionRequest extends DocumentRequest, SharedDecoding {
  readonly sampling: SamplingOptions;
  /** For a document that does not show how it is indented; its text is left as the model indents it where absent. */
  readonly indentation?: EditorIndentation | undefined;
  /** Leaves the model's text as it is: no stop rules, no trimming, no other indentation. */
  readonly raw?: boolean;
  /** Prompt tokens processed so far, of those that were not cached. */
  readonly onPrefill?: (done: number, total: number) => void;
  /** The whole text so far; a stop rule may still take back its last lines. */
  readonly onText?: (text: string) => void;
}

export interface CompletionResult {
  /** What to insert at the cursor, in the document's line ends and indentation; "" where there is nothing to insert. */
  readonly text: string;
  /** Generated tokens, an end token included, before stop rules and trimming shortened their text. */
  readonly tokens: readonly number[];
  readonly finishReason: FinishReason;
  /** The stop rule that ended it, where one did. */
  readonly rule: StopRuleName | undefined;
  readonly promptTokens: number;
  /** Of these, the ones that stand for text after the cursor. */
  readonly suffixTokens: number;
  /** Of the prompt's, the ones whose keys and values were still there. */
  readonly cachedTokens: number;
  readonly statistics: DecodingStatistics;
  /** What the user should know: something was left out of the prompt, or the model cannot read the suffix. */
  readonly notes: readonly Note[];
}

/** Longest prompt, in tokens: reading more takes longer than what it adds to a completion is worth. */
const longestPrompt = 2048;
const snippetTokens = 512;

/** The model as completing needs it. */
type Reader = Pick<Engine, "tokenizer" | "template" | "suffixTokens">;
type Decoder = Pick<DecodingSession, "decode">;
type Branching = Pick<DecodingSession, "decodeAlternatives">;

/** Completes a document at the cursor: facts about the place, prompt, decoding under stop rules, trimming. */
export async function completeDocument(
  engine: Reader,
  session: Decoder & Pick<DecodingSession, "capacity">,
  request: CompletionRequest,
): Promise<CompletionResult> {
  return await completePrompt(engine, session, promptOf(engine, session.capacity, request), request);
}

/** The prompt of a completion; `capacity` is the longest sequence that a session takes. */
export function promptOf(
  { tokenizer, template, suffixTokens }: Reader,
  capacity: number,
  request: DocumentRequest,
): PackedPrompt {
  return packPrompt({
    prefix: request.prefix,
    suffix: request.suffix,
    snippets: request.snippets ?? [],
    path: request.path,
    languageId: request.languageId,
    tokenizer,
    template,
    budget: {
      total: promptRoom(capacity, request.maxTokens),
      suffix: request.suffixTokens ?? suffixTokens,
      snippets: snippetTokens,
    },
    order: "psm",
  });
}

/** The part of a prompt that the next keystrokes leave as it is: all before the text after the cursor. */
export function lastingPart({ template }: Reader, { tokens, suffixTokens }: PackedPrompt): readonly number[] {
  const markers = 2;
  return template === undefined ? tokens : tokens.slice(0, tokens.length - suffixTokens - markers);
}

/** Completes from a prompt that `promptOf` made of the same request. */
export async function completePrompt(
  engine: Reader,
  session: Decoder,
  packed: PackedPrompt,
  request: CompletionRequest,
): Promise<CompletionResult> {
  if (packed.tokens.length === 0) return nothingToContinue();
  const { asked, completionOf } = begin(engine, packed, request);
  return completionOf(await session.decode(asked));
}

/**
 * Completions that begin with the `count` most probable first tokens, in that order; the first of them is what
 * `completePrompt` finds. `onText` hears of the first one. A signal ends the list after a completion that it cut short.
 */
export async function completeAlternatives(
  engine: Reader,
  session: Branching,
  packed: PackedPrompt,
  request: CompletionRequest,
  count: number,
): Promise<readonly [CompletionResult, ...CompletionResult[]]> {
  if (packed.tokens.length === 0) return [nothingToContinue()];
  const { onText: _, ...silent } = request;
  const begun = Array.from({ length: count }, (_, i) => begin(engine, packed, i === 0 ? request : silent));
  const decoded = await session.decodeAlternatives(begun.map(({ asked }) => asked));
  const [first, ...others] = decoded.map((result, i) => begun[i]!.completionOf(result));
  return [first!, ...others];
}

/** What decoding is asked for, and what its result means. */
function begin({ tokenizer }: Reader, packed: PackedPrompt, request: CompletionRequest) {
  const { prefix, suffix, languageId, indentation, maxTokens, sampling, raw = false, onText } = request;
  const text = new CompletionText(tokenizer, cursorFacts(prefix, suffix, languageId, indentation), raw);
  const asked: DecodeRequest = {
    ...present(request),
    prompt: packed.tokens,
    known: () => packed.leftOut.map((left) => tokenizer.encode(normalizeLineEnds(left))),
    maxTokens,
    sampling,
    endTokens: tokenizer.endTokens,
    onTokens(tokens) {
      const end = text.push(tokens);
      onText?.(text.current);
      return end;
    },
  };
  const completionOf = (decoded: DecodeResult): CompletionResult => ({
    text: text.finish(decoded.finishReason === "end" ? "end" : "length"),
    tokens: decoded.tokens,
    finishReason: decoded.finishReason,
    rule: text.rule,
    promptTokens: packed.tokens.length,
    suffixTokens: packed.suffixTokens,
    cachedTokens: decoded.cachedTokens,
    statistics: decoded.statistics,
    notes: packed.notes,
  });
  return { asked, completionOf };
}

/** What decoding takes over from the request, without properties that are not there. */
function present({ signal, turn, prefillRows, onRound, watched, onPrefill }: CompletionRequest) {
  return {
    ...(signal === undefined ? {} : { signal }),
    ...(turn === undefined ? {} : { turn }),
    ...(prefillRows === undefined ? {} : { prefillRows }),
    ...(onRound === undefined ? {} : { onRound }),
    ...(watched === undefined ? {} : { watched }),
    ...(onPrefill === undefined ? {} : { onPrefill }),
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
    rule: undefined,
    promptTokens: 0,
    suffixTokens: 0,
    cachedTokens: 0,
    statistics,
    notes: ["nothingBefore"],
  };
}

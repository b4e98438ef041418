import { JakiroError } from "../errors.ts";
import { type AcceptedPath, acceptPath } from "./acceptance.ts";
import { Emission, firstOf } from "./emission.ts";
import { chooseToken, type SamplingOptions } from "./sampling.ts";
import { selectLargest } from "./selection.ts";
import { DecodingStatistics } from "./statistics.ts";
import type { Strategy } from "./strategy.ts";
import type { ForwardResult, LogitsMode, TargetSequence, TokenRows } from "./target.ts";

/**
 * Waits for the device; it may be used until the next call.
 * @param company what shares a forward: all that wait with the same one are let in together
 */
export type Turn = (company?: object) => Promise<void>;

/** A prompt to be read into the KV cache. */
export interface PrefillRequest {
  readonly prompt: readonly number[];
  readonly signal?: AbortSignal;
  /** Awaited before every forward of the target and before every draft, for callers that share one device: the pause may be long. */
  readonly turn?: Turn;
  /** Rows of one prefill forward; fewer end sooner where others wait. */
  readonly prefillRows?: number;
  /** Prompt tokens processed so far, of those that were not cached. */
  readonly onPrefill?: (done: number, total: number) => void;
  /** Rows and milliseconds of every prefill forward. */
  readonly onPrefillForward?: (rows: number, ms: number) => void;
}

export interface DecodeRequest extends PrefillRequest {
  /** Texts that the model does not read and from which drafts may be taken all the same, the likeliest last; asked for once at most. */
  readonly known?: () => readonly ArrayLike<number>[];
  readonly maxTokens: number;
  readonly sampling: SamplingOptions;
  readonly endTokens: ReadonlySet<number>;
  /** The first token of the text, where it is not to be chosen: one of an earlier result's `candidates`, and none are asked for. */
  readonly firstToken?: number;
  /** How many of the most probable first tokens the result is to name. */
  readonly candidates?: number;
  /**
   * Called with tokens as they are accepted, end tokens left out. A number ends the generation after so many of them (at
   * least 1); what the same round accepted beyond that is dropped, so that every method ends at the same token.
   */
  readonly onTokens?: (tokens: readonly number[]) => number | undefined;
  /** Called after every round; what it is given must be read at once. */
  readonly onRound?: (round: Round) => void;
  /** Whether somebody looks at single rounds now: a device that times its rounds now and then times each of them. */
  readonly watched?: () => boolean;
}

/** One round of draft, verify and accept. */
export interface Round {
  readonly rows: TokenRows;
  readonly accepted: AcceptedPath;
  readonly draftMs: number;
  readonly verifyMs: number;
}

/** "end": the model ended the text; "stop": `onTokens` did; "context": no room is left. */
export type FinishReason = "end" | "length" | "stop" | "context" | "cancelled";

export interface DecodeResult {
  /** Emitted tokens; an end token is the last one where there is one. */
  readonly tokens: readonly number[];
  readonly finishReason: FinishReason;
  /** Prompt tokens whose KV was still there. */
  readonly cachedTokens: number;
  readonly statistics: DecodingStatistics;
  /** The most probable first tokens, best first, where they were asked for. */
  readonly candidates?: readonly number[];
}

/** A text as far as it is written: what `decode` goes on from, and what is left where a forward throws. */
export class Writing {
  /** Emitted tokens, an end token included. */
  readonly tokens: number[] = [];
  readonly statistics = new DecodingStatistics();
  /** The most probable first tokens, once they are known and were asked for. */
  candidates: readonly number[] | undefined;
}

/** Most rows of one prefill forward: bounds both the memory a forward takes and the wait for a cancellation. */
export const prefillRows = 128;

/**
 * Generates text: prefill, then rounds of draft, verify, accept. Plain decoding is the same loop with the root as its only row,
 * and both choose every token with the same function from the same bits, so that speculation changes no output.
 * @param writing what an earlier call with this request had written on a device that was lost: it is gone on from there
 */
export async function decode(
  sequence: TargetSequence,
  strategy: Strategy,
  request: DecodeRequest,
  writing = new Writing(),
): Promise<DecodeResult> {
  const { sampling, endTokens, signal, turn } = request;
  const { tokens, statistics } = writing;
  const prompt = [...request.prompt, ...tokens];
  checkPrompt(sequence, prompt);
  const drawing: LogitsMode = sequence.draws ? sampling : "logits";
  const mode = sampling.temperature > 0 ? drawing : "argmax";
  const emission = new Emission(request, tokens);
  const isFirst = tokens.length === 0;
  const firstToken = isFirst ? request.firstToken : undefined;
  const wantedCandidates = isFirst ? request.candidates : undefined;

  // The last prompt token must run where its logits choose the first one of the text.
  const mustRun = firstToken === undefined ? 1 : 0;
  const kept = Math.min(commonPrefix(sequence.tokens, prompt), prompt.length - mustRun);
  sequence.trim(kept);
  strategy.start(prompt, kept, request.known);
  const reading = { ...request, prompt };
  const read = await processPrompt(sequence, strategy, reading, wantedCandidates === undefined ? mode : "logits");
  if (read === undefined) return finish("cancelled");
  if (wantedCandidates !== undefined) writing.candidates = mostProbable(read.last!.logits!, wantedCandidates);
  let root = firstToken ?? choose(read.last!, 0, prompt.length);
  strategy.emitted(root);
  statistics.recordPrefill(read.milliseconds);
  let reason = emission.emit([root]).reason ?? outOfRoom();

  while (reason === undefined) {
    await turn?.();
    if (signal?.aborted) return finish("cancelled");
    const rows = await strategy.propose(root);
    statistics.recordDraft(rows.draftForwards, rows.draftMs);
    await turn?.();
    if (signal?.aborted) return finish("cancelled");

    const start = performance.now();
    const verified = await sequence.forward(rows, mode);
    const verifyMs = performance.now() - start;

    const limit = Math.min(request.maxTokens - tokens.length, sequence.capacity - sequence.tokens.length - 1);
    const firstPosition = sequence.tokens.length + 1;
    const walk = acceptPath(rows, (row, position) => choose(verified, row, position), firstPosition, {
      endTokens,
      limit,
    });
    const emitted = emission.emit(walk.tokens);
    const accepted = firstOf(walk, emitted.count);
    sequence.commit(accepted.path);
    if (strategy.wantsFeatures) {
      const committed = accepted.path.map((row) => rows.tokens[row]!);
      strategy.extend(committed, gather(verified.features, sequence.config.hidden, accepted.path));
    }
    for (const token of accepted.tokens) strategy.emitted(token);
    strategy.settle(rows, accepted, verifyMs);
    statistics.recordRound(rows, accepted, verifyMs);
    request.onRound?.({ rows, accepted, draftMs: rows.draftMs, verifyMs });
    root = accepted.tokens.at(-1)!;
    reason = emitted.reason ?? outOfRoom();
  }
  return finish(reason);

  /** The one way a token is ever chosen: from the row of its own context, keyed by its absolute position. */
  function choose(result: ForwardResult, row: number, position: number): number {
    const chosen = result.argmax ?? result.drawn;
    if (chosen !== undefined) return chosen[row]!;
    const { vocabulary } = sequence.config;
    return chooseToken(result.logits!.subarray(row * vocabulary, (row + 1) * vocabulary), sampling, position);
  }

  function outOfRoom(): FinishReason | undefined {
    return sequence.tokens.length + 1 >= sequence.capacity ? "context" : undefined;
  }

  function finish(finishReason: FinishReason): DecodeResult {
    statistics.finish();
    const { candidates } = writing;
    const found = candidates === undefined ? {} : { candidates };
    return { tokens, finishReason, cachedTokens: kept, statistics, ...found };
  }
}

/** Reads a prompt into the KV cache and the draft head's features, so that a later request finds it there. */
export async function prefill(sequence: TargetSequence, strategy: Strategy, request: PrefillRequest): Promise<void> {
  const { prompt } = request;
  checkPrompt(sequence, prompt);
  const kept = commonPrefix(sequence.tokens, prompt);
  // What stands behind it may be what the next request repeats.
  if (kept === prompt.length) return;
  sequence.trim(kept);
  strategy.start(prompt, kept);
  await processPrompt(sequence, strategy, request, "none");
}

/** Throws JakiroError("usage") where a prompt cannot be continued. */
export function checkPrompt(sequence: Pick<TargetSequence, "capacity">, prompt: readonly number[]): void {
  if (prompt.length === 0)
    throw new JakiroError("usage", "There is nothing to continue: give a prompt of at least one token.");
  if (prompt.length >= sequence.capacity) {
    const room = `${prompt.length} tokens are more than the context of ${sequence.capacity} holds`;
    throw new JakiroError("usage", `The prompt is too long: ${room}; shorten it.`);
  }
}

/**
 * Commits what the sequence does not hold of the prompt, in chunks; undefined where it was cancelled on the way (what was
 * committed stays for the next request). `last` is the last chunk's forward, absent where none was needed.
 */
async function processPrompt(
  sequence: TargetSequence,
  strategy: Strategy,
  request: PrefillRequest,
  mode: LogitsMode,
): Promise<{ last?: ForwardResult; milliseconds: number } | undefined> {
  const { prompt, signal, turn, prefillRows: chunkRows = prefillRows } = request;
  const start = performance.now();
  const kept = sequence.tokens.length;
  let last: ForwardResult | undefined;
  for (let first = kept; first < prompt.length; first += chunkRows) {
    await turn?.();
    if (signal?.aborted) return undefined;
    const chunk = prompt.slice(first, first + chunkRows);
    const end = first + chunk.length;
    const rows = { tokens: chunk, parents: chunk.map((_, i) => i - 1) };
    const forwardStart = performance.now();
    last = await sequence.forward(rows, end === prompt.length ? mode : "none", [chunk.length - 1]);
    request.onPrefillForward?.(chunk.length, performance.now() - forwardStart);
    sequence.commit([...chunk.keys()]);
    if (strategy.wantsFeatures) strategy.extend(chunk, last.features);
    request.onPrefill?.(end - kept, prompt.length - kept);
  }
  return { ...(last === undefined ? {} : { last }), milliseconds: performance.now() - start };
}

/** The ids of the largest logits, best first. */
export function mostProbable(logits: Float32Array, count: number): number[] {
  const best = new Int32Array(count);
  return [...best.subarray(0, selectLargest(logits, count, best))];
}

/** Number of tokens that both begin with. */
export function commonPrefix(first: readonly number[], second: readonly number[]): number {
  const limit = Math.min(first.length, second.length);
  let length = 0;
  while (length < limit && first[length] === second[length]) length++;
  return length;
}

function gather(values: Float32Array, width: number, rows: readonly number[]): Float32Array {
  const gathered = new Float32Array(rows.length * width);
  for (const [i, row] of rows.entries()) gathered.set(values.subarray(row * width, (row + 1) * width), i * width);
  return gathered;
}

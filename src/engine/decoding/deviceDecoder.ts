import type { HeadKind } from "../model/headKinds.ts";
import type { AcceptedPath } from "./acceptance.ts";
import {
  checkPrompt,
  commonPrefix,
  type DecodeRequest,
  type DecodeResult,
  type FinishReason,
  mostProbable,
  type PrefillRequest,
  prefillRows,
  Writing,
} from "./decoder.ts";
import type { DeviceProposal, RoundSource } from "./deviceStrategy.ts";
import { Emission, firstOf } from "./emission.ts";
import type { Ladder, Rung } from "./ladder.ts";
import { type RoundTimes, splitRound } from "./roundTimes.ts";
import type { TokenRows } from "./target.ts";

/** What a round on a device did to a sequence. */
export interface DeviceRound {
  readonly rows: TokenRows;
  readonly accepted: AcceptedPath;
  readonly draftForwards: number;
  /** Of this round or the last one that was timed, where the device tells them. */
  readonly times?: RoundTimes;
  /** Set where the device ended the text. */
  readonly finishReason?: FinishReason;
}

/** A sequence on a device that drafts, verifies and accepts by itself (design.md section 4). */
export interface DeviceSequence {
  readonly tokens: readonly number[];
  readonly capacity: number;
  /** The rounds that it holds ready. */
  readonly rungs: readonly Rung[];
  /** Milliseconds of a round's first draft forward and of each later one, as measured; empty without a head. */
  readonly draftCosts: readonly number[];
  /** Forgets every committed token from `length` on. No round may be under way. */
  trim(length: number): void;
  /** Commits tokens of the prompt that follow the committed ones; `next` is the token behind them. */
  extend(tokens: readonly number[], next: number): Promise<void>;
  /** Where the prompt's tokens must be run from although the sequence holds them: the draft head reads the features of the last one. */
  reusable(kept: number): number;
  /** Logits after `root`, the token behind the committed ones, which stays uncommitted. */
  firstLogits(root: number): Promise<Float32Array>;
  /** Begins to decode at most `tokenLimit` tokens behind the committed ones; `root` is the token after them. */
  start(root: number, request: DecodeRequest, tokenLimit: number): void;
  /** Submits one more round; without a proposal, the largest that there is. A chain needs every round before it to have been read. */
  submit(proposal?: DeviceProposal): Promise<void>;
  /** What the oldest round that was not read yet did; undefined where the text had ended before. */
  read(): Promise<DeviceRound | undefined>;
  /** Ends decoding: rounds submitted from now on do nothing. */
  end(): void;
  /** Forgets all tokens and what acceptance has taught. */
  reset(): void;
  /** Gives the sequence's room on the device back. */
  release(): void;
}

/** Rounds that the device has been given at a time: the next is there before the host has read the last one. */
export const roundsInFlight = 2;

/**
 * Generates text by rounds of a device. Unlike `decode`, the prompt's last token is the first round's root, so that the device
 * chooses every token of the text.
 * @param writing what an earlier call with this request had written: it is gone on from there
 * @param strategy chooses the rounds; without one all are the largest that there is
 */
export async function decodeOnDevice(
  sequence: DeviceSequence,
  request: DecodeRequest,
  writing = new Writing(),
  strategy?: RoundSource,
): Promise<DecodeResult> {
  const { signal, turn } = request;
  const { tokens, statistics } = writing;
  const emission = new Emission(request, tokens);
  const isFirst = tokens.length === 0;
  let reason = isFirst && request.firstToken !== undefined ? emission.emit([request.firstToken]).reason : undefined;
  const prompt = [...request.prompt, ...tokens];
  checkPrompt(sequence, prompt);
  const read = await readPrompt(sequence, { ...request, prompt });
  statistics.recordPrompt(read.milliseconds);
  if (!read.done) return finish("cancelled");
  const root = prompt.at(-1)!;
  if (isFirst && request.candidates !== undefined) {
    writing.candidates = mostProbable(await sequence.firstLogits(root), request.candidates);
  }
  if (reason !== undefined) return finish(reason);

  sequence.start(root, request, request.maxTokens - tokens.length);
  strategy?.start(prompt, request.known);
  let submitted = 0;
  let started = performance.now();
  while (reason === undefined) {
    for (; submitted < roundsInFlight; submitted++) {
      await turn?.();
      if (signal?.aborted) break;
      const proposal = strategy?.propose();
      if (strategy !== undefined && proposal === undefined) break;
      await sequence.submit(proposal);
    }
    if (signal?.aborted) reason = "cancelled";
    if (submitted === 0) break;
    const round = await sequence.read();
    submitted--;
    if (round === undefined) break;
    const now = performance.now();
    const emitted = emission.emit(round.accepted.tokens);
    const accepted = firstOf(round.accepted, emitted.count);
    const { draftMs, verifyMs } = splitRound(now - started, round);
    statistics.recordDraft(round.draftForwards, draftMs);
    statistics.recordRound(round.rows, accepted, verifyMs);
    request.onRound?.({ rows: round.rows, accepted, draftMs, verifyMs });
    started = now;
    reason ??= emitted.reason ?? round.finishReason;
    if (reason === undefined) strategy?.settle(round);
  }
  sequence.end();
  for (; submitted > 0; submitted--) await sequence.read();
  // Rounds that were under way, or tokens behind a stop, may have gone further than the text.
  sequence.trim(request.prompt.length + tokens.length - 1);
  return finish(reason ?? "cancelled");

  function finish(finishReason: FinishReason): DecodeResult {
    statistics.finish();
    const { candidates } = writing;
    return {
      tokens,
      finishReason,
      cachedTokens: read.kept,
      statistics,
      ...(candidates === undefined ? {} : { candidates }),
    };
  }
}

/** Reads a prompt but its last token, so that a later request finds it there. */
export async function prefillOnDevice(sequence: DeviceSequence, request: PrefillRequest): Promise<void> {
  checkPrompt(sequence, request.prompt);
  // What stands behind it may be what the next request repeats.
  if (commonPrefix(sequence.tokens, request.prompt) === request.prompt.length) return;
  await readPrompt(sequence, request);
}

/** Reads all of a prompt but its last token; what was read before a cancellation stays for the next request. */
export async function readPrompt(
  sequence: Pick<DeviceSequence, "tokens" | "reusable" | "trim" | "extend">,
  { prompt, signal, turn, onPrefill, onPrefillForward, prefillRows: chunkRows = prefillRows }: PrefillRequest,
): Promise<{ readonly kept: number; readonly done: boolean; readonly milliseconds: number }> {
  const started = performance.now();
  const end = prompt.length - 1;
  const kept = sequence.reusable(Math.min(commonPrefix(sequence.tokens, prompt), end));
  sequence.trim(kept);
  for (let first = kept; first < end; first += chunkRows) {
    await turn?.();
    if (signal?.aborted) return { kept, done: false, milliseconds: performance.now() - started };
    const chunk = prompt.slice(first, Math.min(first + chunkRows, end));
    const began = performance.now();
    await sequence.extend(chunk, prompt[first + chunk.length]!);
    onPrefillForward?.(chunk.length, performance.now() - began);
    onPrefill?.(first + chunk.length - kept, end - kept);
  }
  return { kept, done: true, milliseconds: performance.now() - started };
}

/** What opens sequences that decode on a device by themselves. */
export interface DeviceDecoding {
  /**
   * A sequence that holds a ladder's rounds ready; its trees are drafted by a head of this kind. Rejects with JakiroError where a
   * tree or the sequence finds no room.
   */
  open(kind: HeadKind | undefined, ladder: Ladder): Promise<DeviceSequence>;
  release(): Promise<void>;
}

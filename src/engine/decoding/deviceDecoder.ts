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
import type { RoundSource } from "./deviceStrategy.ts";
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

/** A text that a sequence is to write. */
export interface DeviceText {
  /** The token after the committed ones. */
  readonly root: number;
  readonly request: DecodeRequest;
  readonly tokenLimit: number;
  /** Proposes the rounds while no other text takes part in them; without one they are the largest that there is. */
  readonly source?: RoundSource | undefined;
  /** Takes in what a round did, and says whether the text goes on. */
  readonly take: (round: DeviceRound) => boolean;
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
  /**
   * Decodes behind the committed tokens by rounds that other sequences may take part in. Ends with the text, with the request's
   * signal, or when `take` says of a round that it was the last.
   */
  decode(text: DeviceText): Promise<void>;
  /** Another sequence that holds the same tokens, to be released by the caller; undefined where the device has no room for it. */
  fork(): Promise<DeviceSequence | undefined>;
  /** Forgets all tokens and what acceptance has taught. */
  reset(): void;
  /** Gives the sequence's room on the device back. */
  release(): void;
}

/**
 * Generates text by rounds of a device. Unlike `decode`, the prompt's last token is the first round's root, so that the device
 * chooses every token of the text.
 * @param writing what an earlier call with this request had written: it is gone on from there
 * @param strategy proposes the rounds that the text has alone; without one they are the largest that there is
 */
export async function decodeOnDevice(
  sequence: DeviceSequence,
  request: DecodeRequest,
  writing = new Writing(),
  strategy?: RoundSource,
): Promise<DecodeResult> {
  const write = await prepareOnDevice(sequence, request, writing, strategy);
  return await write();
}

/** The part of `decodeOnDevice` that no other sequence can share: reads the prompt. What it returns does the rest, once. */
export async function prepareOnDevice(
  sequence: DeviceSequence,
  request: DecodeRequest,
  writing: Writing,
  strategy?: RoundSource,
): Promise<() => Promise<DecodeResult>> {
  const { tokens, statistics } = writing;
  const emission = new Emission(request, tokens);
  const isFirst = tokens.length === 0;
  let reason = isFirst && request.firstToken !== undefined ? emission.emit([request.firstToken]).reason : undefined;
  const prompt = [...request.prompt, ...tokens];
  checkPrompt(sequence, prompt);
  const read = await readPrompt(sequence, { ...request, prompt });
  statistics.recordPrompt(read.milliseconds);
  if (!read.done) reason = "cancelled";
  const root = prompt.at(-1)!;
  if (read.done && isFirst && request.candidates !== undefined) {
    writing.candidates = mostProbable(await sequence.firstLogits(root), request.candidates);
  }

  return async () => {
    if (reason === undefined) await write();
    statistics.finish();
    const { candidates } = writing;
    return {
      tokens,
      finishReason: reason ?? "cancelled",
      cachedTokens: read.kept,
      statistics,
      ...(candidates === undefined ? {} : { candidates }),
    };
  };

  async function write(): Promise<void> {
    strategy?.start(prompt, request.known);
    let started = performance.now();
    const take = (round: DeviceRound) => {
      const now = performance.now();
      const emitted = emission.emit(round.accepted.tokens);
      const accepted = firstOf(round.accepted, emitted.count);
      const { draftMs, verifyMs } = splitRound(now - started, round);
      statistics.recordDraft(round.draftForwards, draftMs);
      statistics.recordRound(round.rows, accepted, verifyMs);
      request.onRound?.({ rows: round.rows, accepted, draftMs, verifyMs });
      started = now;
      reason = emitted.reason ?? round.finishReason;
      if (reason === undefined) strategy?.settle(round);
      return reason === undefined;
    };
    await sequence.decode({ root, request, tokenLimit: request.maxTokens - tokens.length, source: strategy, take });
    // Rounds that were under way, or tokens behind a stop, may have gone further than the text.
    sequence.trim(request.prompt.length + tokens.length - 1);
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

import type { AcceptedPath } from "./acceptance.ts";
import {
  checkPrompt,
  commonPrefix,
  type DecodeRequest,
  type DecodeResult,
  type FinishReason,
  type PrefillRequest,
  prefillRows,
} from "./decoder.ts";
import { Emission, firstOf } from "./emission.ts";
import { DecodingStatistics } from "./statistics.ts";
import type { TokenRows } from "./target.ts";

/** What a round on a device did to a sequence. */
export interface DeviceRound {
  readonly rows: TokenRows;
  readonly accepted: AcceptedPath;
  readonly draftForwards: number;
  /** Set where the device ended the text. */
  readonly finishReason?: FinishReason;
}

/** A sequence on a device that drafts, verifies and accepts by itself (design.md section 4). */
export interface DeviceSequence {
  readonly tokens: readonly number[];
  readonly capacity: number;
  /** Forgets every committed token from `length` on. No round may be under way. */
  trim(length: number): void;
  /** Commits tokens of the prompt that follow the committed ones; `next` is the token behind them. */
  extend(tokens: readonly number[], next: number): Promise<void>;
  /** Where the prompt's tokens must be run from although the sequence holds them: the draft head reads the features of the last one. */
  reusable(kept: number): number;
  /** Begins to decode behind the committed tokens; `root` is the token after them. */
  start(root: number, request: DecodeRequest): void;
  /** Submits one more round. */
  submit(): Promise<void>;
  /** What the oldest round that was not read yet did; undefined where the text had ended before. */
  read(): Promise<DeviceRound | undefined>;
  /** Ends decoding: rounds submitted from now on do nothing. */
  end(): void;
}

/** Rounds that the device has been given at a time: the next is there before the host has read the last one. */
const roundsInFlight = 2;

/**
 * Generates text by rounds of a device. Unlike `decode`, the prompt's last token is the first round's root, so that the device
 * chooses every token of the text.
 */
export async function decodeOnDevice(sequence: DeviceSequence, request: DecodeRequest): Promise<DecodeResult> {
  checkPrompt(sequence, request.prompt);
  const statistics = new DecodingStatistics();
  const emission = new Emission(request);
  const { prompt, signal, turn } = request;
  const read = await readPrompt(sequence, request);
  const finish = (finishReason: FinishReason): DecodeResult => {
    statistics.finish();
    return { tokens: emission.tokens, finishReason, cachedTokens: read.kept, statistics };
  };
  if (!read.done) return finish("cancelled");
  statistics.recordPrompt(read.milliseconds);

  sequence.start(prompt.at(-1)!, request);
  let reason: FinishReason | undefined;
  let submitted = 0;
  let started = performance.now();
  try {
    while (reason === undefined) {
      for (; submitted < roundsInFlight; submitted++) {
        await turn?.();
        if (signal?.aborted) return finish("cancelled");
        await sequence.submit();
      }
      const round = await sequence.read();
      submitted--;
      if (round === undefined) throw new Error("a round was read after the text had ended");
      const now = performance.now();
      const emitted = emission.emit(round.accepted.tokens);
      const accepted = firstOf(round.accepted, emitted.count);
      statistics.recordDraft(round.draftForwards, 0);
      statistics.recordRound(round.rows, accepted, now - started);
      request.onRound?.({ rows: round.rows, accepted, draftMs: 0, verifyMs: now - started });
      started = now;
      reason = emitted.reason ?? round.finishReason;
    }
    return finish(reason);
  } finally {
    sequence.end();
    for (; submitted > 0; submitted--) await sequence.read();
    // A round that was under way, or tokens behind a stop, may have gone further than the text.
    sequence.trim(prompt.length - 1 + emission.tokens.length);
  }
}

/** Reads all of a prompt but its last token; what was read before a cancellation stays for the next request. */
export async function readPrompt(
  sequence: Pick<DeviceSequence, "tokens" | "reusable" | "trim" | "extend">,
  { prompt, signal, turn, onPrefill, prefillRows: chunkRows = prefillRows }: PrefillRequest,
): Promise<{ readonly kept: number; readonly done: boolean; readonly milliseconds: number }> {
  const started = performance.now();
  const end = prompt.length - 1;
  const kept = sequence.reusable(Math.min(commonPrefix(sequence.tokens, prompt), end));
  sequence.trim(kept);
  for (let first = kept; first < end; first += chunkRows) {
    await turn?.();
    if (signal?.aborted) return { kept, done: false, milliseconds: performance.now() - started };
    const chunk = prompt.slice(first, Math.min(first + chunkRows, end));
    await sequence.extend(chunk, prompt[first + chunk.length]!);
    onPrefill?.(first + chunk.length - kept, end - kept);
  }
  return { kept, done: true, milliseconds: performance.now() - started };
}

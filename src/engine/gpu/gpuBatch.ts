import type { DecodeRequest, DecodeResult, FinishReason } from "../decoding/decoder.ts";
import { readPrompt, roundsInFlight } from "../decoding/deviceDecoder.ts";
import { Emission, firstOf } from "../decoding/emission.ts";
import { splitRound } from "../decoding/roundTimes.ts";
import { DecodingStatistics } from "../decoding/statistics.ts";
import type { GpuDecodingSequence } from "./gpuDecodingSequence.ts";
import type { GpuRounds } from "./gpuRounds.ts";
import type { RoundOutcome } from "./roundLayout.ts";

/** One text of a batch. */
interface Running {
  readonly sequence: GpuDecodingSequence;
  readonly request: DecodeRequest;
  readonly emission: Emission;
  readonly statistics: DecodingStatistics;
  readonly kept: number;
  reason?: FinishReason;
}

/**
 * Decodes several texts side by side: every round reads the weights once for all of them. Texts that end early are passed over.
 * A request that is cancelled ends with what it has by then.
 * @param sequences of these rounds, one for each request
 */
export async function decodeBatch(
  rounds: GpuRounds,
  sequences: readonly GpuDecodingSequence[],
  requests: readonly DecodeRequest[],
): Promise<DecodeResult[]> {
  const texts: Running[] = [];
  for (const [i, request] of requests.entries()) {
    const sequence = sequences[i]!;
    const statistics = new DecodingStatistics();
    const { kept, done, milliseconds } = await readPrompt(sequence, request);
    statistics.recordPrompt(milliseconds);
    const reason = done ? {} : { reason: "cancelled" as const };
    texts.push({ sequence, request, emission: new Emission(request), statistics, kept, ...reason });
  }
  for (const { sequence, request, reason } of texts)
    if (reason === undefined) sequence.start(request.prompt.at(-1)!, request, request.maxTokens);

  const submitted: number[] = [];
  while (texts.some(({ reason }) => reason === undefined)) {
    while (submitted.length < roundsInFlight) {
      submitted.push(await rounds.submit(Math.max(...sequences.map((sequence) => sequence.reach(submitted.length)))));
    }
    const started = performance.now();
    const outcomes = await rounds.read(submitted.shift()!);
    const milliseconds = performance.now() - started;
    for (const text of texts) advance(text, outcomes, milliseconds);
  }
  for (const round of submitted) await rounds.read(round);
  return texts.map(({ sequence, request, emission, statistics, kept, reason }) => {
    sequence.trim(request.prompt.length - 1 + emission.tokens.length);
    statistics.finish();
    return { tokens: emission.tokens, finishReason: reason!, cachedTokens: kept, statistics };
  });
}

/** Takes in what a round did to a text, and ends the text where it is to end. */
function advance(text: Running, outcomes: readonly (RoundOutcome | undefined)[], milliseconds: number): void {
  const { sequence, request, emission, statistics } = text;
  const round = sequence.settle(outcomes);
  if (text.reason !== undefined || round === undefined) return;
  const emitted = emission.emit(round.accepted.tokens);
  const { draftMs, verifyMs } = splitRound(milliseconds, round);
  statistics.recordDraft(round.draftForwards, draftMs);
  statistics.recordRound(round.rows, firstOf(round.accepted, emitted.count), verifyMs);
  const reason = emitted.reason ?? round.finishReason ?? (request.signal?.aborted ? "cancelled" : undefined);
  if (reason === undefined) return;
  text.reason = reason;
  sequence.end();
}

import { type CompletionResult, completeDocument, patientSuffixTokens } from "../engine/complete.ts";
import { noteText } from "../engine/completion/notes.ts";
import { acceptanceByDepth, tau, tokensPerSecond } from "../engine/decoding/statistics.ts";
import type { Engine } from "../engine/engine.ts";
import type { CompleteOptions } from "./arguments.ts";
import type { CommandContext } from "./command.ts";
import { offsetAt, readDocument, shownPath } from "./document.ts";
import { loadEngine, samplingOf, treeSizesOf } from "./engineOptions.ts";
import { languageOf } from "./languageIds.ts";

/** Completes a file at a position and prints what is to be inserted there. */
export async function runComplete(options: CompleteOptions, context: CommandContext): Promise<void> {
  const { file, maxTokens, raw } = options;
  const { signal } = context;
  const document = await readDocument(file, signal);
  const offset = offsetAt(document, options.line, options.character, file);

  const engine = await loadEngine(options, context);
  const session = await engine.session(options.method, treeSizesOf(options));
  const result = await completeDocument(engine, session, {
    prefix: document.slice(0, offset),
    suffix: document.slice(offset),
    suffixTokens: patientSuffixTokens,
    path: shownPath(file),
    languageId: options.language ?? languageOf(file),
    maxTokens,
    sampling: samplingOf(options),
    raw,
    signal,
    onPrefill: (done, total) => context.progress({ stage: "Reading the prompt", done, total, unit: "items" }),
  });
  signal.throwIfAborted();
  const note = noteText(result.notes);
  if (note !== undefined) context.note(note);
  context.print(options.json ? `${JSON.stringify(describeResult(result, options, engine), null, 2)}\n` : result.text);
}

/** What `--json` prints of a result. */
export function describeResult(
  result: Omit<CompletionResult, "rule">,
  options: Pick<CompleteOptions, "method" | "seed">,
  engine: Engine,
): Record<string, unknown> {
  const { counts, timings } = result.statistics;
  const { completionTokens, targetForwards, draftForwards, draftedTokens } = counts;
  const { promptMs, firstTokenMs, draftMs, verifyMs, totalMs } = timings;
  return {
    text: result.text,
    tokens: result.tokens,
    finishReason: result.finishReason,
    model: engine.modelName,
    device: engine.device,
    method: options.method,
    seed: options.seed,
    tau: tau(counts),
    acceptanceByDepth: acceptanceByDepth(counts),
    tokensPerSecond: tokensPerSecond(counts, timings),
    timings: { loadMs: engine.loadMs, promptMs, firstTokenMs, draftMs, verifyMs, totalMs },
    counts: {
      promptTokens: result.promptTokens,
      cachedTokens: result.cachedTokens,
      completionTokens,
      targetForwards,
      draftForwards,
      draftedTokens,
    },
  };
}

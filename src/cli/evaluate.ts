import { promptRoom } from "../engine/complete.ts";
import { CompletionText } from "../engine/completion/completionText.ts";
import { cursorFacts } from "../engine/completion/facts.ts";
import type { FimOrder } from "../engine/completion/fimTemplates.ts";
import { greedy } from "../engine/decoding/sampling.ts";
import type { DecodingSession } from "../engine/decodingSession.ts";
import type { Engine } from "../engine/engine.ts";
import { JakiroError } from "../engine/errors.ts";
import type { ProgressListener } from "../engine/progress.ts";
import type { EvaluateOptions } from "./arguments.ts";
import type { CommandContext } from "./command.ts";
import { loadEngine } from "./engineOptions.ts";
import { checkResultFile, writeResultFile } from "./resultFile.ts";
import { promptOf, readSuite, type SuiteRecord, spread } from "./suite.ts";

/** A record whose hole is known. */
export type Problem = SuiteRecord & { readonly canonicalSolution: string; readonly languageId: string };

/** HumanEval's records do not name theirs. */
const usualLanguage = "python";

/** Counts how often the hole of a record is filled exactly, as the model writes it and as the editor would insert it. */
export async function runEvaluate(options: EvaluateOptions, context: CommandContext): Promise<void> {
  const { signal, progress, note, print } = context;
  if (options.json !== undefined) await checkResultFile(options.json);
  const problems = spread(await readProblems(options.suite), options.limit);
  const engine = await loadEngine(options, context);
  const session = await engine.session(options.method);
  if (engine.template === undefined && problems.some(({ suffix }) => suffix !== undefined)) {
    note("This model has no infilling tokens: records are continued from their prompts alone.");
  }
  const { maxTokens } = options;
  const accuracy = await infillingAccuracy(engine, session, problems, { maxTokens, order: "psm", signal, progress });
  const { total, firstLineExactMatch, allLinesExactMatch } = accuracy;
  if (options.json !== undefined) await writeResultFile(options.json, { model: engine.modelName, ...accuracy });
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  print(
    `${total} records: first line exact ${percent(firstLineExactMatch)}, all lines exact ${percent(allLinesExactMatch)}\n`,
  );
}

export interface InfillingAccuracy {
  readonly total: number;
  /** Share of records whose first line, as the model writes it, is exact. */
  readonly firstLineExactMatch: number;
  /** Share of records whose text, as the editor would insert it, is exact. */
  readonly allLinesExactMatch: number;
}

interface FillOptions {
  readonly maxTokens: number;
  readonly order: FimOrder;
  readonly signal?: AbortSignal;
}

/** Fills the holes one by one, greedily, each from an empty KV cache. */
export async function infillingAccuracy(
  engine: Engine,
  session: DecodingSession,
  problems: readonly Problem[],
  { progress, ...options }: FillOptions & { readonly progress?: ProgressListener },
): Promise<InfillingAccuracy> {
  const total = problems.length;
  let firstLine = 0;
  let allLines = 0;
  for (const [done, problem] of problems.entries()) {
    progress?.({ stage: "Evaluating", done, total, unit: "items" });
    const { raw, inserted } = await fill(engine, session, problem, options);
    options.signal?.throwIfAborted();
    if (firstLineOf(raw) === firstLineOf(problem.canonicalSolution)) firstLine++;
    if (withoutTrailingSpace(inserted) === withoutTrailingSpace(problem.canonicalSolution)) allLines++;
  }
  progress?.({ stage: "Evaluating", done: total, total, unit: "items" });
  return { total, firstLineExactMatch: firstLine / total, allLinesExactMatch: allLines / total };
}

export async function readProblems(path: string): Promise<Problem[]> {
  const records = await readSuite(path);
  return records.map((record) => {
    const { canonicalSolution, lineNumber, languageId = usualLanguage } = record;
    if (canonicalSolution === undefined) {
      throw new JakiroError("suite", `Line ${lineNumber} of ${path} has no "canonical_solution".`);
    }
    return { ...record, canonicalSolution, languageId };
  });
}

/**
 * Decodes once for both texts. What is inserted depends only on the tokens up to where a stop rule ends it, and the first
 * raw line only on those up to its line break: decoding goes on until both are known, so that each is what a decoding of
 * its own would have given.
 */
async function fill(
  engine: Engine,
  session: DecodingSession,
  problem: Problem,
  { maxTokens, order, signal }: FillOptions,
): Promise<{ raw: string; inserted: string }> {
  const { tokenizer } = engine;
  const facts = cursorFacts(problem.prompt, problem.suffix ?? "", problem.languageId);
  const raw = new CompletionText(tokenizer, facts, true);
  const inserted = new CompletionText(tokenizer, facts);
  let insertedEnded = false;
  session.reset();
  const { finishReason } = await session.decode({
    prompt: promptOf(problem, engine, promptRoom(session.capacity, maxTokens, session.capacity), order),
    maxTokens,
    sampling: greedy,
    endTokens: tokenizer.endTokens,
    ...(signal === undefined ? {} : { signal }),
    onTokens(tokens) {
      raw.push(tokens);
      if (!insertedEnded) insertedEnded = inserted.push(tokens) !== undefined;
      return insertedEnded && raw.current.includes("\n") ? tokens.length : undefined;
    },
  });
  return { raw: raw.current, inserted: inserted.finish(finishReason === "end" ? "end" : "length") };
}

/** The first line without the white space at its end. */
export function firstLineOf(text: string): string {
  return text.split("\n", 1)[0]!.trimEnd();
}

/** The text without white space at the ends of its lines, and without blank lines at its end. */
export function withoutTrailingSpace(text: string): string {
  return text
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n")
    .trimEnd();
}

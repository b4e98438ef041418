import { noteText } from "../engine/completion/notes.ts";
import { generateCode } from "../engine/generate.ts";
import type { GenerateOptions } from "./arguments.ts";
import type { CommandContext } from "./command.ts";
import { describeResult } from "./complete.ts";
import { offsetAt, readDocument, shownPath } from "./document.ts";
import { loadEngine, samplingOf, treeSizesOf } from "./engineOptions.ts";
import { languageOf } from "./languageIds.ts";

/** Writes code from an instruction and prints what is to replace the range, or to be inserted at the cursor. */
export async function runGenerate(options: GenerateOptions, context: CommandContext): Promise<void> {
  const { file, instruction, maxTokens, range } = options;
  const { signal } = context;
  const document = await readDocument(file, signal);
  const offsetOf = ({ line, character }: { line: number; character: number }) =>
    offsetAt(document, line, character, file);
  const from = range === undefined ? document.length : offsetOf(range.from);
  const to = range === undefined ? document.length : offsetOf(range.to);

  const engine = await loadEngine(options, context);
  const session = await engine.session(options.method, treeSizesOf(options));
  const result = await generateCode(engine, session, {
    prefix: document.slice(0, from),
    selection: document.slice(from, to),
    suffix: document.slice(to),
    instruction,
    path: shownPath(file),
    languageId: options.language ?? languageOf(file),
    maxTokens,
    sampling: samplingOf(options),
    signal,
    onPrefill: (done, total) => context.progress({ stage: "Reading the prompt", done, total, unit: "items" }),
  });
  signal.throwIfAborted();
  const note = noteText(result.notes);
  if (note !== undefined) context.note(note);
  if (result.cut) context.note(`The code was cut after ${result.tokens.length} tokens; allow more with --max-tokens.`);
  context.print(options.json ? `${JSON.stringify(describeResult(result, options, engine), null, 2)}\n` : result.text);
}

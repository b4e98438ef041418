import { basename, isAbsolute } from "node:path";
import { promptRoom } from "../engine/complete.ts";
import type { Method } from "../engine/decoding/method.ts";
import type { DecodingSession } from "../engine/decodingSession.ts";
import type { Engine } from "../engine/engine.ts";
import { describeMachine } from "../engine/machine.ts";
import type { BenchOptions } from "./arguments.ts";
import { type MethodReport, type RecordRun, reportMethod, reportTable } from "./benchReport.ts";
import type { CommandContext } from "./command.ts";
import { loadEngine, samplingOf, treeSizesOf } from "./engineOptions.ts";
import { checkResultFile, writeResultFile } from "./resultFile.ts";
import { promptOf, readSuite, type SuiteRecord, spread } from "./suite.ts";

/** Measures decoding methods against plain decoding of the same records, and compares their outputs token for token. */
export async function runBench(options: BenchOptions, context: CommandContext): Promise<void> {
  if (options.json !== undefined) await checkResultFile(options.json);
  const records = spread(await readSuite(options.suite), options.limit);
  const methods: Method[] = options.methods.includes("plain") ? [...options.methods] : ["plain", ...options.methods];
  const engine = await loadEngine(options, context, methods.length);
  const runs = await runAll(engine, methods, records, options, context);

  const reports: Partial<Record<Method, MethodReport>> = {};
  for (const method of options.methods) {
    reports[method] = reportMethod(runs.get(method)!, runs.get("plain")!, engine.loadMs);
  }
  if (options.json !== undefined) {
    await writeResultFile(options.json, {
      suite: basename(options.suite),
      records: records.length,
      options: {
        maxTokens: options.maxTokens,
        ...samplingOf(options),
        ...treeSizesOf(options),
        weights: options.weights,
        kv: options.kv,
        ...(options.head === undefined ? {} : { head: nameOf(options.head) }),
      },
      model: { name: engine.modelName, sha256: engine.contentHash, device: engine.device },
      machine: describeMachine(),
      date: new Date().toISOString(),
      methods: reports,
    });
  }
  context.print(reportTable(reports as Record<string, MethodReport>));
}

/** A head as it was given, but for a path that begins at this machine's root: nobody else has it. */
function nameOf(head: string): string {
  return isAbsolute(head) ? basename(head) : head;
}

/** Every method over every record. Each run starts from nothing, and which method goes first changes with the record. */
async function runAll(
  engine: Engine,
  methods: readonly Method[],
  records: readonly SuiteRecord[],
  options: BenchOptions,
  { progress, note, signal }: CommandContext,
): Promise<Map<Method, RecordRun[]>> {
  const sessions = new Map<Method, DecodingSession>();
  for (const method of methods) sessions.set(method, await engine.session(method, treeSizesOf(options)));
  if (engine.template === undefined && records.some(({ suffix }) => suffix !== undefined)) {
    note("This model has no infilling tokens: records are continued from their prompts alone.");
  }
  const run = (method: Method, record: SuiteRecord) =>
    runRecord(engine, sessions.get(method)!, record, options, signal);

  for (const method of methods) await run(method, records[0]!);
  const runs = new Map<Method, RecordRun[]>(methods.map((method) => [method, []]));
  for (const [index, record] of records.entries()) {
    progress({ stage: "Benchmarking", done: index, total: records.length, unit: "items" });
    for (const method of rotated(methods, index)) runs.get(method)!.push(await run(method, record));
  }
  progress({ stage: "Benchmarking", done: records.length, total: records.length, unit: "items" });
  return runs;
}

/** One record by one method, ended by the model or the token limit alone; nothing of earlier runs is left to help. */
async function runRecord(
  engine: Engine,
  session: DecodingSession,
  record: SuiteRecord,
  options: BenchOptions,
  signal: AbortSignal,
): Promise<RecordRun> {
  const { maxTokens } = options;
  const prompt = promptOf(record, engine, promptRoom(session.capacity, maxTokens, session.capacity));
  session.reset();
  const { endTokens } = engine.tokenizer;
  const result = await session.decode({ prompt, maxTokens, sampling: samplingOf(options), endTokens, signal });
  signal.throwIfAborted();
  const { tokens, cachedTokens, statistics } = result;
  return { tokens, promptTokens: prompt.length, cachedTokens, statistics };
}

export function rotated<T>(values: readonly T[], by: number): T[] {
  const start = by % values.length;
  return [...values.slice(start), ...values.slice(0, start)];
}

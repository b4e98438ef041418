#!/usr/bin/env node
import { closest } from "../engine/closest.ts";
import { exitCodes, JakiroError } from "../engine/errors.ts";
import { parseModels } from "./arguments.ts";
import type { Command, CommandContext } from "./command.ts";
import { modelsHelp, overview } from "./help.ts";
import { createProgress } from "./progress.ts";

/** A command's own code is loaded only when it runs. */
const commands: ReadonlyMap<string, Command> = new Map<string, Command>([
  [
    "models",
    {
      summary: "list, fetch and remove models",
      help: modelsHelp,
      run: async (argv, context) => (await import("./models.ts")).runModels(parseModels(argv), context),
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

/** Says on stderr why a command failed, in one sentence, and returns the exit code. */
function explain(error: unknown, interrupted: boolean, say: (line: string) => void): number {
  if (interrupted) {
    say("jakiro: Interrupted.");
    return exitCodes.interrupted;
  }
  if (error instanceof JakiroError) {
    say(`jakiro: ${error.message}`);
  } else {
    const message = error instanceof Error ? error.message : String(error);
    say(`jakiro: Something unexpected went wrong: ${message} (JAKIRO_DEBUG=1 shows where).`);
  }
  if (process.env["JAKIRO_DEBUG"]) say(error instanceof Error ? (error.stack ?? "") : "");
  return error instanceof JakiroError ? error.exitCode : 1;
}

async function main(): Promise<number> {
  const progress = createProgress(process.stderr);
  const interruption = new AbortController();
  process.on("SIGINT", () => {
    if (interruption.signal.aborted) process.exit(exitCodes.interrupted);
    interruption.abort(new JakiroError("interrupted", "Interrupted."));
  });
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    // Whoever read our output has seen enough (`jakiro ... | head`).
    process.exit(error.code === "EPIPE" ? 0 : 1);
  });
  const context: CommandContext = {
    signal: interruption.signal,
    print: (text) => process.stdout.write(text),
    note: progress.line,
    progress: progress.report,
  };
  try {
    await dispatch(process.argv.slice(2), context);
    return 0;
  } catch (error) {
    return explain(error, interruption.signal.aborted, progress.line);
  }
}

main().then((code) => {
  // Idle connections and native threads would keep the process alive; results still in the pipe go out first.
  process.stdout.write("", () => process.exit(code));
});

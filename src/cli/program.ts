import { exitCodes, JakiroError } from "../engine/errors.ts";
import type { CommandContext } from "./command.ts";
import { createProgress } from "./progress.ts";

/** Runs the work of a command-line program and ends the process with the exit code that its outcome has. */
export function runProgram(name: string, work: (context: CommandContext) => Promise<void>): void {
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
  work(context)
    .then(() => 0)
    .catch((error: unknown) => explain(name, error, interruption.signal.aborted, progress.line))
    .then((code) => {
      // Idle connections and native threads would keep the process alive; results still in the pipe go out first.
      process.stdout.write("", () => process.exit(code));
    });
}

/** Says on stderr why a program failed, in one sentence, and returns the exit code. */
function explain(name: string, error: unknown, interrupted: boolean, say: (line: string) => void): number {
  if (interrupted) {
    say(`${name}: Interrupted.`);
    return exitCodes.interrupted;
  }
  if (error instanceof JakiroError) {
    say(`${name}: ${error.message}`);
  } else {
    const message = error instanceof Error ? error.message : String(error);
    say(`${name}: Something unexpected went wrong: ${message} (JAKIRO_DEBUG=1 shows where).`);
  }
  if (process.env["JAKIRO_DEBUG"]) say(error instanceof Error ? (error.stack ?? "") : "");
  return error instanceof JakiroError ? error.exitCode : 1;
}

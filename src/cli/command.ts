import type { ProgressListener } from "../engine/progress.ts";

/** What a command may do with the outside world; tests hand in their own. */
export interface CommandContext {
  /** Aborted by Ctrl-C, with JakiroError("interrupted") as its reason. */
  readonly signal: AbortSignal;
  /** Writes results to stdout, as they are. */
  print(text: string): void;
  /** Writes one line for a person to stderr, clear of the progress bar. */
  note(line: string): void;
  readonly progress: ProgressListener;
}

export interface Command {
  /** One line for the list of commands. */
  readonly summary: string;
  /** The whole answer to `--help`. */
  readonly help: string;
  /** Parses its own arguments (those after the command's name); throws JakiroError for everything a user can mend. */
  run(argv: readonly string[], context: CommandContext): Promise<void>;
}

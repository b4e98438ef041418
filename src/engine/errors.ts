/** What went wrong, in the terms of the command line's exit codes. */
export type FailureKind = "usage" | "file" | "model" | "suite" | "io" | "interrupted";

export const exitCodes: Readonly<Record<FailureKind, number>> = {
  usage: 2,
  file: 3,
  model: 4,
  suite: 5,
  io: 6,
  interrupted: 130,
};

/** What helps against a failure, for whoever can offer it at one click; the protocol says what each stands for. */
export type RemedyName = "model" | "files" | "head" | "device" | "restart";

export interface FailureOptions extends ErrorOptions {
  /** The sentence for the editor, where the message advises what only the command line has; settings go by their full names. */
  readonly inEditor?: string;
  readonly remedy?: RemedyName;
}

/** A failure that a user can act on: its message is one sentence that says what happened and what to do. */
export class JakiroError extends Error {
  /** The same for a user of the editor. */
  readonly inEditor: string;
  readonly remedy: RemedyName | undefined;

  constructor(
    readonly kind: FailureKind,
    message: string,
    options: FailureOptions = {},
  ) {
    super(message, options);
    this.name = "JakiroError";
    this.inEditor = options.inEditor ?? message;
    this.remedy = options.remedy;
  }

  get exitCode(): number {
    return exitCodes[this.kind];
  }
}

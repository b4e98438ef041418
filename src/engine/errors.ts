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

/** A failure that a user can act on: its message is one sentence that says what happened and what to do. */
export class JakiroError extends Error {
  constructor(
    readonly kind: FailureKind,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = "JakiroError";
  }

  get exitCode(): number {
    return exitCodes[this.kind];
  }
}

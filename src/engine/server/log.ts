import { withoutHomePaths } from "../privatePaths.ts";

/** Takes what happened, in one sentence without any text of a document. */
export type Log = (line: string) => void;

/** Writes one line each, with the time; paths below the home folder lose what says whose they are. */
export function logTo(write: (line: string) => void): Log {
  return (line) =>
    write(
      `${new Date().toISOString()} ${withoutHomePaths(line)
        .trim()
        .replace(/\s*[\r\n]+\s*/g, " | ")}\n`,
    );
}

import { copyFileSync, statSync, truncateSync } from "node:fs";

/** Twice this is the most that a log and the older one beside it hold, and what is written between two looks. */
export const logBytes = 1 << 20;

/** Where what was dropped from a log last is kept. */
export function olderLog(path: string): string {
  return path.replace(/(\.log)?$/, ".old$1");
}

/**
 * Moves what a log holds to the older one where it has `limitBytes` or more. Copied and emptied, not renamed: running
 * processes hold the file open and go on appending to it. What cannot be copied is dropped. Throws where there is no file
 * that could be emptied.
 */
export function rotateLog(path: string, limitBytes = logBytes): void {
  if (statSync(path).size < limitBytes) return;
  try {
    copyFileSync(path, olderLog(path));
  } catch {
    // The disk may be full: all the more reason to empty it.
  }
  truncateSync(path);
}

import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { JakiroError } from "../errors.ts";

/**
 * Fills a folder that appears under its name only when complete; does nothing where it exists. Two processes may do so at the
 * same time: the first to finish wins and the other's work is dropped.
 */
export async function writeOnce(directory: string, fill: (draft: string) => Promise<void> | void): Promise<void> {
  if (existsSync(directory)) return;
  const draft = `${directory}.${randomBytes(4).toString("hex")}.tmp`;
  try {
    mkdirSync(draft, { recursive: true });
    await fill(draft);
    if (!existsSync(directory)) renameSync(draft, directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    const where = dirname(directory);
    throw new JakiroError(
      "io",
      `The disk is full while packing the model into ${where}; free some space and try again.`,
    );
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

import { randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { JakiroError } from "../errors.ts";

/** Nobody works on a draft for so long: its process was killed. */
const abandonedAfterMs = 3_600_000;

/**
 * Fills a folder that appears under its name only when complete and on the disk; does nothing where it exists. Two processes may do so at the
 * same time: the first to finish wins and the other's work is dropped. Throws JakiroError("io") where the disk is full or
 * the folder cannot be written, and leaves nothing behind.
 */
export async function writeOnce(directory: string, fill: (draft: string) => Promise<void> | void): Promise<void> {
  if (existsSync(directory)) return;
  const draft = `${directory}.${randomBytes(4).toString("hex")}.tmp`;
  try {
    mkdirSync(draft, { recursive: true });
    removeAbandonedDrafts(directory);
    await fill(draft);
    settle(draft);
    publish(draft, directory);
  } catch (error) {
    throw explained(error, dirname(directory));
  } finally {
    if (existsSync(draft)) rmSync(draft, { recursive: true, force: true });
  }
}

/** Removes a folder that cannot be used as it is, if there is one. Throws JakiroError("io") where that is not allowed. */
export function discard(directory: string): void {
  if (!existsSync(directory)) return;
  try {
    rmSync(directory, { recursive: true, force: true });
  } catch (error) {
    throw explained(error, dirname(directory));
  }
}

/** A name may survive a loss of power that the bytes behind it do not. */
function settle(draft: string): void {
  for (const name of readdirSync(draft)) {
    const descriptor = openSync(join(draft, name), "r+");
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  }
}

/** Another process may have published meanwhile: its folder is not empty, so that the renaming fails. */
function publish(draft: string, directory: string): void {
  try {
    renameSync(draft, directory);
  } catch (error) {
    if (!existsSync(directory)) throw error;
  }
}

function removeAbandonedDrafts(directory: string): void {
  const folder = dirname(directory);
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(`${basename(directory)}.`) || !name.endsWith(".tmp")) continue;
    const draft = join(folder, name);
    const age = Date.now() - (statSync(draft, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > abandonedAfterMs) rmSync(draft, { recursive: true, force: true });
  }
}

function explained(error: unknown, folder: string): unknown {
  const { code, path } = error as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT") {
    const message = `The disk is full while packing the model into ${folder}; free some space and try again.`;
    return new JakiroError("io", message, { cause: error, remedy: "files" });
  }
  if (code !== undefined && path?.startsWith(folder)) {
    const sentence = `${folder} cannot be written (${code}); check its permissions`;
    return new JakiroError("io", `${sentence} or set JAKIRO_CACHE_DIR to another folder.`, {
      cause: error,
      inEditor: `${sentence} and restart the engine.`,
      remedy: "restart",
    });
  }
  return error;
}

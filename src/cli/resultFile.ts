import { access, constants, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { JakiroError } from "../engine/errors.ts";

/** Makes sure that results can be written there, before the work that takes long. Throws JakiroError("io") if not. */
export async function checkResultFile(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  try {
    if (found?.isDirectory()) throw new Error("it is a directory");
    await access(found === undefined ? dirname(resolve(path)) : path, constants.W_OK);
  } catch (error) {
    throw unwritable(path, error);
  }
}

/** Writes results as JSON, whole or not at all. Throws JakiroError("io") where that fails. */
export async function writeResultFile(path: string, results: unknown): Promise<void> {
  const text = `${JSON.stringify(results, null, 2)}\n`;
  const found = await stat(path).catch(() => undefined);
  const draft = `${path}.${process.pid}.tmp`;
  try {
    if (found !== undefined && !found.isFile()) return await writeFile(path, text);
    await writeFile(draft, text);
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw unwritable(path, error);
  }
}

function unwritable(path: string, error: unknown): JakiroError {
  const { code, message } = error as NodeJS.ErrnoException;
  const reasons: Record<string, string> = {
    ENOENT: "its folder does not exist",
    EACCES: "access is denied",
    EROFS: "the disk is read-only",
    ENOSPC: "the disk is full",
  };
  return new JakiroError("io", `The results cannot be written to ${path}: ${reasons[code ?? ""] ?? message}.`, {
    cause: error,
  });
}

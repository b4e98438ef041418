import { readFile, stat } from "node:fs/promises";
import { relative, resolve, sep } from "node:path";
import type { Readable } from "node:stream";
import { JakiroError } from "../engine/errors.ts";

/** Larger files are not source code. */
const mostBytes = 256 * 1024 * 1024;

/** Reads a source file, or standard input for "-". Throws JakiroError("file") for what is not text in UTF-8. */
export async function readDocument(
  file: string,
  signal: AbortSignal,
  input: Readable = process.stdin,
): Promise<string> {
  const bytes = file === "-" ? await readStream(input, signal) : await readBytes(file, signal);
  return decodeDocument(bytes, nameOf(file));
}

/** The text of a source file without its byte order mark. Throws JakiroError("file") if it is binary or not UTF-8. */
export function decodeDocument(bytes: Uint8Array, name: string): string {
  if (bytes.includes(0)) {
    throw new JakiroError("file", `${name} is a binary file (it has NUL bytes); give a text file in UTF-8.`);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new JakiroError("file", `${name} is not valid UTF-8; convert it and try again.`, { cause: error });
  }
}

async function readBytes(file: string, signal: AbortSignal): Promise<Uint8Array> {
  try {
    const { size } = await stat(file);
    if (size > mostBytes) throw tooLarge(nameOf(file));
    return await readFile(file, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof JakiroError ? error : unreadable(file, error as NodeJS.ErrnoException);
  }
}

async function readStream(input: Readable, signal: AbortSignal): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const stopReading = () => input.destroy();
  signal.addEventListener("abort", stopReading);
  try {
    for await (const chunk of input) {
      chunks.push(chunk as Uint8Array);
      size += (chunk as Uint8Array).length;
      if (size > mostBytes) throw tooLarge(nameOf("-"));
    }
  } finally {
    signal.removeEventListener("abort", stopReading);
    signal.throwIfAborted();
  }
  return Buffer.concat(chunks);
}

function nameOf(file: string): string {
  return file === "-" ? "Standard input" : file;
}

function tooLarge(name: string): JakiroError {
  return new JakiroError("file", `${name} is larger than ${mostBytes / 1024 / 1024} MiB; give a source file.`);
}

function unreadable(file: string, error: NodeJS.ErrnoException): JakiroError {
  const reasons: Record<string, string> = {
    ENOENT: "it does not exist",
    EISDIR: "it is a directory",
    EACCES: "access is denied",
  };
  const reason = reasons[error.code ?? ""] ?? error.message;
  return new JakiroError("file", `${file} cannot be read: ${reason}.`, { cause: error });
}

/**
 * Offset of an LSP position in UTF-16 units; lines end with "\n", "\r\n" or "\r". A position between the two halves of a
 * character is moved to its beginning. Throws JakiroError("file") with the valid range if it lies outside.
 * @param line from 0
 * @param character from 0, in UTF-16 units; at most the line's length without its line end
 */
export function offsetAt(text: string, line: number, character: number, name: string): number {
  const lineEnd = /\r\n|\n|\r/g;
  let start = 0;
  for (let passed = 0; passed < line; passed++) {
    if (lineEnd.exec(text) === null) {
      const range = passed === 0 ? "it has only line 0" : `its lines go from 0 to ${passed}`;
      throw new JakiroError("file", `Line ${line} is outside of ${nameOf(name)}: ${range}.`);
    }
    start = lineEnd.lastIndex;
  }
  const length = (lineEnd.exec(text)?.index ?? text.length) - start;
  if (character > length) {
    const range = length === 0 ? "it is empty, so only 0 is valid" : `its characters go from 0 to ${length}`;
    throw new JakiroError("file", `Character ${character} is outside of line ${line} of ${nameOf(name)}: ${range}.`);
  }
  const offset = start + character;
  const splitsCharacter =
    /[\udc00-\udfff]/.test(text.charAt(offset)) && /[\ud800-\udbff]/.test(text.charAt(offset - 1));
  return splitsCharacter ? offset - 1 : offset;
}

/** The path a model is shown: relative to the working directory where the file lies below it. */
export function shownPath(file: string): string | undefined {
  if (file === "-") return undefined;
  const path = relative(process.cwd(), resolve(file));
  const below = path !== "" && !path.startsWith("..") && resolve(path) === resolve(file);
  return (below ? path : file).split(sep).join("/");
}

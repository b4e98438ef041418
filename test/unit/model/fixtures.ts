import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { JakiroError } from "../../../src/engine/errors.ts";
import { modelsDirectory } from "../../../src/engine/model/paths.ts";

/** Tests run from the repository root. */
export const fixtures = join("test", "fixtures");

export function readJson<Content>(...path: string[]): Content {
  return JSON.parse(readFileSync(join(fixtures, ...path), "utf8")) as Content;
}

export function readFloats(...path: string[]): Float32Array {
  const bytes = readFileSync(join(fixtures, ...path));
  return new Float32Array(new Uint8Array(bytes).buffer);
}

/** A catalogue model that must be on this machine. */
export function realModel(file: string): string {
  const path = join(modelsDirectory(), file);
  assert.ok(existsSync(path), `${path} is missing; fetch it with "jakiro models get" or set JAKIRO_MODELS_DIR`);
  return path;
}

/** Runs `use` with the path of a folder that is removed afterwards. */
export function inFolder(use: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "jakiro-"));
  try {
    use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Asserts that `attempt` is refused as a model problem by one sentence that names `path` and matches `what`. */
export function assertRefused(attempt: () => unknown, path: string, what: RegExp): void {
  assert.throws(attempt, (error: unknown) => {
    if (!(error instanceof JakiroError)) throw error;
    assert.equal(error.kind, "model");
    assert.match(error.message, what);
    assert.ok(error.message.startsWith(path), `"${error.message}" does not begin with the path`);
    assert.match(error.message, /^[^\n]+; [^\n]+\.$/, "says what happened; what to do.");
    return true;
  });
}

/** Deterministic integers 0 .. bound - 1 (xorshift32). */
export function integers(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % bound;
  };
}

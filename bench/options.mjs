// Options that the benchmarks share, and where their data lies.
import { existsSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";
import { product } from "./engine.mjs";

/** The repository. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** For `parseArgs`. */
export const commonOptions = {
  model: { type: "string", default: product.defaultModelName },
  data: { type: "string", default: join(root, "..", "shared", "data") },
  json: { type: "string" },
};

/** A suite by its file name in the data folder, or by its path. */
export function suitePath({ data }, suite) {
  const path = isAbsolute(suite) || existsSync(suite) ? suite : join(data, suite);
  if (!existsSync(path)) throw new Error(`There is no suite ${suite}; name its folder with --data.`);
  return path;
}

/** A positive integer from an option's text. */
export function count(name, text) {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${name} takes a positive integer, not "${text}".`);
  return value;
}

/** A line that replaces itself where a person is watching; nothing elsewhere. */
export function progress(stage, done, total) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${done < total ? `${stage} ${done}/${total}` : ""}`);
}

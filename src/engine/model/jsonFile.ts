import { readFileSync } from "node:fs";
import { JakiroError } from "../errors.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

/** Parses a file of a model folder that holds one JSON object; undefined where the file does not exist. */
export function readJsonObject(path: string): JsonObject | undefined {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new JakiroError("model", `${path} cannot be read as JSON; fetch it again.`, { cause: error });
  }
  if (!isObject(content)) throw new JakiroError("model", `${path} is not a JSON object; fetch it again.`);
  return content;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

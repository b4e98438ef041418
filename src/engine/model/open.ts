import { statSync } from "node:fs";
import type { Checkpoint } from "./checkpoint.ts";
import { openGguf } from "./ggufCheckpoint.ts";
import { loadGgufTokenizer } from "./ggufTokenizer.ts";
import { loadHuggingFaceTokenizer } from "./huggingFaceTokenizer.ts";
import { openSafetensorsFolder } from "./safetensorsCheckpoint.ts";
import type { Tokenizer } from "./tokenizer.ts";

/**
 * Opens a GGUF file or a Hugging Face model folder for reading. Throws JakiroError("model"), one sentence, for every
 * input that cannot be run.
 */
export function openCheckpoint(path: string): Checkpoint {
  return isFolder(path) ? openSafetensorsFolder(path) : openGguf(path);
}

/** The tokenizer that belongs to the model at the same path. Throws as `openCheckpoint` does. */
export function loadTokenizer(path: string): Tokenizer {
  return isFolder(path) ? loadHuggingFaceTokenizer(path) : loadGgufTokenizer(path);
}

/** What cannot be examined is no folder; opening it as a file then says why. */
function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

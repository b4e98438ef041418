import { JakiroError } from "../errors.ts";
import type { WeightFile } from "./weightFile.ts";

export interface SafetensorsTensor {
  readonly name: string;
  /** As the file names it: "F32", "BF16", ... */
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly file: WeightFile;
  /** Byte offset in the file. */
  readonly offset: number;
  readonly bytes: number;
}

// The reference implementation's own limit.
const longestHeader = 100_000_000;

/**
 * The tensors of one safetensors file: u64 header length, JSON header, data (format: github.com/huggingface/safetensors).
 * Throws JakiroError("model") for a header that the file's size contradicts.
 */
export function readSafetensorsHeader(file: WeightFile): SafetensorsTensor[] {
  if (file.size < 8) throw malformed(file.path, `it has only ${file.size} bytes`);
  const lengthBytes = Buffer.alloc(8);
  file.read(lengthBytes, 0);
  const headerLength = Number(lengthBytes.readBigUInt64LE());
  if (headerLength > Math.min(file.size - 8, longestHeader)) {
    throw malformed(file.path, `its header claims ${headerLength} of the file's ${file.size} bytes`);
  }
  const headerBytes = Buffer.alloc(headerLength);
  file.read(headerBytes, 8);
  return Object.entries(parseHeader(headerBytes, file.path))
    .filter(([name]) => name !== "__metadata__")
    .map(([name, entry]) => tensorOf(name, entry, file, 8 + headerLength));
}

function parseHeader(bytes: Buffer, path: string): object {
  try {
    const header: unknown = JSON.parse(bytes.toString("utf8"));
    if (typeof header === "object" && header !== null) return header;
  } catch {
    // Reported below, together with JSON that is no object.
  }
  throw malformed(path, "its header is not a JSON object");
}

function tensorOf(name: string, entry: unknown, file: WeightFile, dataStart: number): SafetensorsTensor {
  const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as Record<string, unknown>;
  if (typeof dtype !== "string" || !isCounts(shape) || !isCounts(offsets) || offsets.length !== 2) {
    throw malformed(file.path, `the entry of its tensor "${name}" is not understood`);
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end || dataStart + end > file.size) {
    throw malformed(file.path, `its tensor "${name}" lies at ${begin} to ${end}, beyond the end of the file`);
  }
  return { name, dtype, shape, file, offset: dataStart + begin, bytes: end - begin };
}

function isCounts(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((count) => Number.isSafeInteger(count) && count >= 0);
}

function malformed(path: string, detail: string): JakiroError {
  return new JakiroError("model", `${path} is not a complete safetensors file: ${detail}; fetch it again.`);
}

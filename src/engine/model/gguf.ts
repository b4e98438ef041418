import { JakiroError } from "../errors.ts";
import { type BlockFormat, blockFormats } from "./dequantize.ts";
import { GgufCursor } from "./ggufCursor.ts";
import type { WeightFile } from "./weightFile.ts";

export type GgufValue = number | boolean | string | readonly number[] | readonly boolean[] | readonly string[];

export interface GgufTensor {
  readonly name: string;
  /** ggml order: the first dimension is the contiguous one (the columns). */
  readonly dimensions: readonly number[];
  /** Undefined where `typeName` is a format this engine does not read. */
  readonly format: BlockFormat | undefined;
  readonly typeName: string;
  /** Byte offset in the file. */
  readonly offset: number;
}

export interface GgufHeader {
  readonly version: number;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

/**
 * Reads the header of a GGUF v2 or v3 file (specification: ggml's docs/gguf.md). Metadata arrays whose key fails
 * `wantsArray` are stepped over, so that opening weights does not decode a vocabulary.
 * Throws JakiroError("model") for anything that the file's own size contradicts.
 */
export function readGgufHeader(file: WeightFile, wantsArray: (key: string) => boolean): GgufHeader {
  const cursor = new GgufCursor(file);
  const version = readVersion(cursor, file.path);
  const tensorCount = cursor.count("tensor count", smallestTensorEntry);
  const entryCount = cursor.count("metadata count", smallestMetadataEntry);

  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < entryCount; i++) {
    const key = cursor.string("metadata key");
    const value = cursor.value(cursor.u32(), key, wantsArray(key));
    if (value !== undefined) metadata.set(key, value);
  }

  const entries = Array.from({ length: tensorCount }, () => readTensorEntry(cursor, file.path));
  const alignment = readAlignment(metadata, file.path);
  const dataStart = Math.ceil(cursor.position / alignment) * alignment;
  const tensors = new Map<string, GgufTensor>();
  for (const { offset, ...entry } of entries) {
    if (tensors.has(entry.name)) throw malformed(file.path, `it names the tensor "${entry.name}" twice`);
    if (offset % alignment !== 0) {
      throw malformed(file.path, `tensor "${entry.name}" starts at offset ${offset}, not a multiple of ${alignment}`);
    }
    const tensor = { ...entry, offset: dataStart + offset };
    checkExtent(tensor, file);
    tensors.set(tensor.name, tensor);
  }
  return { version, metadata, tensors };
}

// An empty name or key, no dimensions, a one-byte value: nothing in a real file is smaller.
const smallestTensorEntry = 8 + 4 + 4 + 8;
const smallestMetadataEntry = 8 + 4 + 1;
const ggufMagic = 0x46554747;

function readVersion(cursor: GgufCursor, path: string): number {
  if (cursor.u32() !== ggufMagic) {
    throw new JakiroError("model", `${path} is not a GGUF file (its first bytes are not "GGUF"); name another file.`);
  }
  const version = cursor.u32();
  if (version === 2 || version === 3) return version;
  if ((version & 0xffff) === 0 && version !== 0) {
    throw new JakiroError("model", `${path} is a big-endian GGUF file; convert it to little-endian first.`);
  }
  throw new JakiroError(
    "model",
    `${path} has GGUF version ${version}, but Jakiro reads versions 2 and 3; convert it again.`,
  );
}

function readAlignment(metadata: ReadonlyMap<string, GgufValue>, path: string): number {
  const alignment = metadata.get("general.alignment") ?? 32;
  if (typeof alignment !== "number" || !Number.isInteger(alignment) || alignment < 8 || alignment % 8 !== 0) {
    throw malformed(path, `general.alignment is ${String(alignment)}, not a multiple of 8`);
  }
  return alignment;
}

function readTensorEntry(cursor: GgufCursor, path: string): Omit<GgufTensor, "offset"> & { offset: number } {
  const name = cursor.string("tensor name");
  const dimensionCount = cursor.u32();
  if (dimensionCount > 4) throw malformed(path, `tensor "${name}" has ${dimensionCount} dimensions`);
  const dimensions: number[] = [];
  for (let i = 0; i < dimensionCount; i++) dimensions.push(cursor.u64());
  const type = cursor.u32();
  return {
    name,
    dimensions,
    format: formatsByType.get(type),
    typeName: typeNames.get(type) ?? `type ${type}`,
    offset: cursor.u64(),
  };
}

function checkExtent(tensor: GgufTensor, file: WeightFile): void {
  const values = tensor.dimensions.reduce((product, length) => product * length, 1);
  if (!Number.isSafeInteger(values) || values === 0) {
    throw malformed(file.path, `tensor "${tensor.name}" has dimensions ${tensor.dimensions.join(" x ")}`);
  }
  if (tensor.format === undefined) return;
  const { valuesPerBlock, bytesPerBlock, name } = tensor.format;
  if ((tensor.dimensions[0] ?? 1) % valuesPerBlock !== 0) {
    throw malformed(file.path, `tensor "${tensor.name}" has rows that are no whole number of ${name} blocks`);
  }
  if (tensor.offset + (values / valuesPerBlock) * bytesPerBlock > file.size) {
    throw new JakiroError(
      "model",
      `${file.path} is too short for its tensor "${tensor.name}"; the file is incomplete, fetch it again.`,
    );
  }
}

function malformed(path: string, detail: string): JakiroError {
  return new JakiroError("model", `${path} is not a valid GGUF file: ${detail}; fetch or convert it again.`);
}

const formatsByType = new Map<number, BlockFormat>([
  [0, blockFormats.float32],
  [1, blockFormats.float16],
  [2, blockFormats.q4_0],
  [3, blockFormats.q4_1],
  [6, blockFormats.q5_0],
  [7, blockFormats.q5_1],
  [8, blockFormats.q8_0],
  [12, blockFormats.q4_k],
  [13, blockFormats.q5_k],
  [14, blockFormats.q6_k],
  [30, blockFormats.brainFloat16],
]);

/** ggml_type names, so that a refusal can say what the file holds. */
const typeNames = new Map<number, string>([
  ...[...formatsByType].map(([type, format]): [number, string] => [type, format.name]),
  [9, "Q8_1"],
  [10, "Q2_K"],
  [11, "Q3_K"],
  [15, "Q8_K"],
  [16, "IQ2_XXS"],
  [17, "IQ2_XS"],
  [18, "IQ3_XXS"],
  [19, "IQ1_S"],
  [20, "IQ4_NL"],
  [21, "IQ3_S"],
  [22, "IQ2_S"],
  [23, "IQ4_XS"],
  [24, "I8"],
  [25, "I16"],
  [26, "I32"],
  [27, "I64"],
  [28, "F64"],
  [29, "IQ1_M"],
  [34, "TQ1_0"],
  [35, "TQ2_0"],
  [39, "MXFP4"],
]);

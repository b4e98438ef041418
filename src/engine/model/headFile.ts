import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { JakiroError } from "../errors.ts";
import type { ModelConfig } from "./checkpoint.ts";
import { type HeadKind, headKinds } from "./headKinds.ts";
import { headShapes } from "./headShapes.ts";
import { readSafetensorsHeader, type SafetensorsTensor } from "./safetensors.ts";
import { WeightFile } from "./weightFile.ts";

/** A draft head's `config.json`. */
export interface HeadConfig {
  readonly kind: HeadKind;
  readonly hidden: number;
  readonly shape: { readonly heads: number; readonly kvHeads: number; readonly headDim: number };
  readonly rmsEpsilon: number;
  readonly ropeBase: number;
  readonly qkvBias: boolean;
  /** 0 for a dense head. */
  readonly experts: number;
  readonly intermediate: number;
  /** SHA-256 of the target's weights and of the smoothing under which its features were made, where the card names them. */
  readonly targetHash?: string;
  readonly smoothingHash?: string;
  /** Tokens of the target's vocabulary, where the card says so. */
  readonly targetVocabulary?: number;
}

export interface HeadMatrix {
  readonly outputs: number;
  readonly inputs: number;
  readonly values: Float32Array;
}

/** What a device needs of a head. */
export type HeadTensors = Pick<HeadFile, "path" | "config" | "draftToTarget" | "matrix" | "vector">;

/** A draft head read into memory (some ten megabytes), dequantized on request. */
export class HeadFile {
  private constructor(
    readonly path: string,
    readonly config: HeadConfig,
    readonly contentHash: string,
    readonly draftToTarget: Int32Array,
    private readonly tensors: ReadonlyMap<string, SafetensorsTensor>,
    private readonly bytes: Buffer,
  ) {}

  /**
   * Reads `config.json` and `model.safetensors` of a folder, and checks that they are whole and belong to this target.
   * Throws JakiroError("model") with what is missing or does not fit.
   */
  static open(path: string, target: ModelConfig): HeadFile {
    const config = readConfig(path);
    // The head is rotated by the target's own table; GGUF keeps the base in float32.
    for (const [what, own, expected] of [
      ["hidden size", config.hidden, target.hidden],
      ["head size", config.shape.headDim, target.headDim],
      ["rotary base", config.ropeBase, target.rope.base],
    ] as const) {
      if (Math.fround(own) !== Math.fround(expected))
        throw unfit(path, `its ${what} is ${own} and the model's is ${expected}`);
    }
    const { targetVocabulary = target.vocabulary } = config;
    if (targetVocabulary !== target.vocabulary) {
      throw unfit(path, `its target has a vocabulary of ${targetVocabulary} and the model's has ${target.vocabulary}`);
    }
    const weightsPath = join(path, "model.safetensors");
    const file = WeightFile.open(weightsPath);
    let bytes: Buffer;
    let tensors: Map<string, SafetensorsTensor>;
    try {
      tensors = new Map(readSafetensorsHeader(file).map((tensor) => [tensor.name, tensor]));
      bytes = Buffer.alloc(file.size);
      file.read(bytes, 0);
    } finally {
      file.close();
    }
    const contentHash = createHash("sha256").update(JSON.stringify(config)).update(bytes).digest("hex");
    const draftToTarget = integersOf(weightsPath, "d2t", tensors, bytes);
    if (draftToTarget.length === 0) throw malformed(path, `its draft vocabulary "d2t" is empty`);
    checkShapes(path, config, tensors);
    checkExtents(path, tensors);
    const outside = draftToTarget.find((token) => token < 0 || token >= target.vocabulary);
    if (outside !== undefined) {
      throw unfit(path, `it drafts token ${outside} and the model's vocabulary has ${target.vocabulary}`);
    }
    return new HeadFile(path, config, contentHash, draftToTarget, tensors, bytes);
  }

  /** A weight [outputs, inputs], float32 or int8 with one scale per output (`NAME.scale`). */
  matrix(name: string): HeadMatrix {
    const tensor = this.tensor(name);
    const [outputs, inputs] = tensor.shape as [number, number];
    if (tensor.dtype !== "I8") return { outputs, inputs, values: this.floats(name) };
    const scales = this.vector(`${name}.scale`);
    const steps = new Int8Array(this.data(tensor));
    if (scales.length !== outputs) {
      throw malformed(this.path, `"${name}" has ${outputs} rows and ${scales.length} scales`);
    }
    const values = new Float32Array(steps.length);
    for (let row = 0; row < outputs; row++) {
      for (let i = row * inputs; i < (row + 1) * inputs; i++) values[i] = steps[i]! * scales[row]!;
    }
    return { outputs, inputs, values };
  }

  vector(name: string): Float32Array {
    return this.floats(name);
  }

  private floats(name: string): Float32Array {
    const tensor = this.tensor(name);
    if (tensor.dtype !== "F32") throw malformed(this.path, `"${name}" is ${tensor.dtype} where F32 is expected`);
    return new Float32Array(this.data(tensor));
  }

  private tensor(name: string): SafetensorsTensor {
    const tensor = this.tensors.get(name);
    if (tensor === undefined) throw malformed(this.path, `it has no tensor "${name}"`);
    return tensor;
  }

  private data(tensor: SafetensorsTensor): ArrayBuffer {
    return dataOf(tensor, this.bytes);
  }
}

function checkShapes(path: string, config: HeadConfig, tensors: ReadonlyMap<string, SafetensorsTensor>): void {
  for (const [name, expected] of headShapes(config)) {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw malformed(path, `it has no tensor "${name}"`);
    if (tensor.shape.join() !== expected.join()) {
      throw malformed(path, `"${name}" is ${tensor.shape.join(" x ")} where ${expected.join(" x ")} is expected`);
    }
  }
}

const bytesOf: Readonly<Record<string, number>> = { F32: 4, I32: 4, I8: 1 };

/** Of the types that heads have; others are refused where they are read. */
function checkExtents(path: string, tensors: ReadonlyMap<string, SafetensorsTensor>): void {
  for (const { name, dtype, shape, bytes } of tensors.values()) {
    const wanted = shape.reduce((product, size) => product * size, bytesOf[dtype] ?? Number.NaN);
    if (wanted !== bytes && !Number.isNaN(wanted))
      throw malformed(path, `"${name}" is ${shape.join(" x ")} in ${bytes} bytes, which do not go together`);
  }
}

/** A copy, since tensors need not lie at aligned offsets. */
function dataOf(tensor: SafetensorsTensor, bytes: Buffer): ArrayBuffer {
  const copy = new Uint8Array(tensor.bytes);
  copy.set(bytes.subarray(tensor.offset, tensor.offset + tensor.bytes));
  return copy.buffer;
}

function integersOf(
  path: string,
  name: string,
  tensors: ReadonlyMap<string, SafetensorsTensor>,
  bytes: Buffer,
): Int32Array {
  const tensor = tensors.get(name);
  if (tensor === undefined) throw malformed(path, `it has no tensor "${name}"`);
  if (tensor.dtype !== "I32") throw malformed(path, `"${name}" is ${tensor.dtype} where I32 is expected`);
  return new Int32Array(dataOf(tensor, bytes));
}

function readConfig(path: string): HeadConfig {
  let json: Record<string, unknown>;
  try {
    json = JSON.parse(readFileSync(join(path, "config.json"), "utf8")) as Record<string, unknown>;
  } catch (error) {
    const reason = error instanceof SyntaxError ? "its config.json is not JSON" : "it has no readable config.json";
    throw malformed(path, reason, error);
  }
  const count = (key: string, least = 1): number => {
    const value = json[key];
    if (!Number.isSafeInteger(value) || (value as number) < least)
      throw malformed(path, `"${key}" in its config.json is no count`);
    return value as number;
  };
  const positive = (key: string): number => {
    const value = json[key];
    if (typeof value !== "number" || !(value > 0))
      throw malformed(path, `"${key}" in its config.json is no positive number`);
    return value;
  };
  const kind = headKinds.find((known) => known === json["kind"]);
  if (kind === undefined) {
    throw malformed(path, `its kind "${String(json["kind"])}" is not one of ${headKinds.join(", ")}`);
  }
  const text = (key: string) => (typeof json[key] === "string" ? json[key] : undefined);
  const targetHash = text("target_sha256");
  const smoothingHash = text("smoothing_sha256");
  return {
    kind,
    hidden: count("hidden"),
    shape: { heads: count("heads"), kvHeads: count("kv_heads"), headDim: count("head_dim") },
    rmsEpsilon: positive("norm_epsilon"),
    ropeBase: positive("rope_base"),
    qkvBias: json["qkv_bias"] === true,
    experts: kind === "eagle" ? 0 : count("experts", 2),
    intermediate: count("intermediate"),
    ...(targetHash === undefined ? {} : { targetHash }),
    ...(smoothingHash === undefined ? {} : { smoothingHash }),
    ...(json["target_vocabulary"] === undefined ? {} : { targetVocabulary: count("target_vocabulary") }),
  };
}

function malformed(path: string, detail: string, cause?: unknown): JakiroError {
  const sentence = `${path} is not a usable draft head: ${detail}; export it again`;
  return new JakiroError("model", `${sentence}.`, { cause, ...orNone(sentence) });
}

function unfit(path: string, detail: string): JakiroError {
  const sentence = `The draft head ${path} was made for another model: ${detail}; choose another head`;
  return new JakiroError("model", `${sentence}.`, orNone(sentence));
}

/** What the editor is told: the model drafts without a head as well. */
function orNone(sentence: string) {
  return { inEditor: `${sentence}, or leave jakiro.head empty.`, remedy: "head" } as const;
}

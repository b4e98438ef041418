import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { JakiroError } from "../errors.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { type BlockFormat, blockFormats } from "./dequantize.ts";
import { FileCheckpoint } from "./fileCheckpoint.ts";
import { huggingFaceModelConfig } from "./huggingFaceConfig.ts";
import { isObject, readJsonObject } from "./jsonFile.ts";
import { resolveTensors } from "./resolveTensors.ts";
import { readSafetensorsHeader, type SafetensorsTensor } from "./safetensors.ts";
import type { StoredTensor } from "./storedTensor.ts";
import { WeightFile } from "./weightFile.ts";

/**
 * Opens a Hugging Face model folder: config.json and one or several safetensors files, which make its content hash together: what the
 * configuration says is packed with the weights. Throws JakiroError("model").
 */
export function openSafetensorsFolder(folder: string): Checkpoint {
  const json = readJsonObject(join(folder, "config.json"));
  if (json === undefined) {
    throw new JakiroError("model", `${folder} has no config.json; name a Hugging Face model folder or a GGUF file.`);
  }
  const config = huggingFaceModelConfig(json, folder);
  const files: WeightFile[] = [];
  try {
    const available = new Map<string, SafetensorsTensor>();
    for (const name of weightFileNames(folder)) {
      const file = WeightFile.open(join(folder, name));
      files.push(file);
      for (const tensor of readSafetensorsHeader(file)) available.set(tensor.name, tensor);
    }
    const tensors = resolveTensors(folder, config, available, {
      fileName: (entry) => entry.huggingFace,
      layerTensor: /^model\.layers\./,
      ignored: /\.rotary_emb\.inv_freq$/,
      store: storedTensor,
    });
    files.push(WeightFile.open(join(folder, "config.json")));
    return new FileCheckpoint(folder, config, tensors, files);
  } catch (error) {
    for (const file of files) file.close();
    throw error;
  }
}

/** The weight files in name order; an index names shards, which must lie in the folder itself. */
function weightFileNames(folder: string): string[] {
  const index = readJsonObject(join(folder, "model.safetensors.index.json"));
  if (index === undefined) {
    if (existsSync(join(folder, "model.safetensors"))) return ["model.safetensors"];
    throw new JakiroError(
      "model",
      `${folder} has no model.safetensors; name a Hugging Face model folder or a GGUF file.`,
    );
  }
  const names = isObject(index["weight_map"]) ? Object.values(index["weight_map"]) : [];
  if (names.length === 0 || !names.every((name) => typeof name === "string" && basename(name) === name)) {
    throw new JakiroError(
      "model",
      `${folder} has a model.safetensors.index.json that does not name files of this folder; fetch it again.`,
    );
  }
  return [...new Set(names as string[])].sort();
}

const formats = new Map<string, BlockFormat>([
  ["F32", blockFormats.float32],
  ["F16", blockFormats.float16],
  ["BF16", blockFormats.brainFloat16],
]);

function storedTensor({ name, dtype, shape, file, offset, bytes }: SafetensorsTensor): StoredTensor {
  const format = formats.get(dtype);
  if (format === undefined) {
    throw new JakiroError(
      "model",
      `${file.path} stores its tensor "${name}" as ${dtype}, but Jakiro reads F32, F16 and BF16; choose another model.`,
    );
  }
  const [rows = 1, columns = 1, ...more] = shape;
  if (more.length > 0 || rows * columns * format.bytesPerBlock !== bytes) {
    throw new JakiroError(
      "model",
      `${file.path} has a tensor "${name}" of the shape ${shape.join(" x ")} in ${bytes} bytes, which do not go together; fetch it again.`,
    );
  }
  return { file, fileName: name, format, offset, rows, columns };
}

import { JakiroError } from "../errors.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { FileCheckpoint } from "./fileCheckpoint.ts";
import { type GgufHeader, type GgufTensor, readGgufHeader } from "./gguf.ts";
import { ggufModelConfig } from "./ggufArchitecture.ts";
import { resolveTensors } from "./resolveTensors.ts";
import { readStoredRows, type StoredTensor } from "./storedTensor.ts";
import { WeightFile } from "./weightFile.ts";

/** Opens a GGUF file of the Llama or Qwen2 architecture; throws JakiroError("model") for anything else. */
export function openGguf(path: string): Checkpoint {
  const file = WeightFile.open(path);
  try {
    const header = readGgufHeader(file, () => false);
    refuseSplitFile(header, path);
    const factors = header.tensors.get("rope_freqs.weight");
    const config = ggufModelConfig(header, path, factors && readVector(file, factors));
    const tensors = resolveTensors(path, config, header.tensors, {
      fileName: (entry) => entry.gguf,
      layerTensor: /^blk\./,
      ignored: /\.attn_rot_embd(\.weight)?$/,
      store(tensor, entry) {
        const stored = storedTensor(file, tensor, entry.columns === 1);
        // llama.cpp's converter interleaves Llama's rotary rows and leaves Qwen2's in half-split order.
        const interleaved = entry.rotary && config.architecture === "llama";
        return interleaved ? { ...stored, interleavedHeadDim: config.headDim } : stored;
      },
    });
    return new FileCheckpoint(path, config, tensors, [file]);
  } catch (error) {
    file.close();
    throw error;
  }
}

function readVector(file: WeightFile, tensor: GgufTensor): Float32Array {
  const stored = storedTensor(file, tensor, true);
  const values = new Float32Array(stored.rows);
  readStoredRows(stored, 0, stored.rows, values);
  return values;
}

/** A vector becomes [length, 1]; it must be stored value by value, since its rows are single values then. */
function storedTensor(file: WeightFile, tensor: GgufTensor, isVector: boolean): StoredTensor {
  const { name, dimensions, format, typeName, offset } = tensor;
  if (format === undefined || (isVector && format.valuesPerBlock > 1)) {
    throw new JakiroError(
      "model",
      `${file.path} stores its tensor "${name}" as ${typeName}, which Jakiro does not read${format ? " there" : ""}; choose a file with Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K, F16, BF16 or F32 weights.`,
    );
  }
  const [first = 1, second = 1, ...more] = dimensions;
  if (more.some((length) => length !== 1)) {
    throw new JakiroError(
      "model",
      `${file.path} has a tensor "${name}" of ${dimensions.join(" x ")}, which is no matrix; fetch or convert it again.`,
    );
  }
  const [rows, columns] = isVector && second === 1 ? [first, 1] : [second, first];
  return { file, fileName: name, format, offset, rows, columns };
}

function refuseSplitFile({ metadata }: GgufHeader, path: string): void {
  const parts = metadata.get("split.count");
  if (typeof parts === "number" && parts > 1) {
    throw new JakiroError(
      "model",
      `${path} is one of ${parts} parts of a model; join them first with llama.cpp's llama-gguf-split --merge.`,
    );
  }
}

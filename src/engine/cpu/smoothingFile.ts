import { JakiroError } from "../errors.ts";
import { readSafetensorsHeader } from "../model/safetensors.ts";
import { encodeSafetensors, type NamedTensor } from "../model/safetensorsWriter.ts";
import { WeightFile } from "../model/weightFile.ts";
import type { LayerSmoothing, Smoothing } from "./smoothing.ts";

const parts = ["qkv", "o", "gateUp", "down"] as const;

/** Smoothing divisors as safetensors: `layers.N.{qkv,o,gateUp,down}` and `lm_head`. */
export function encodeSmoothing(smoothing: Smoothing): Uint8Array {
  const tensors = new Map<string, NamedTensor>();
  const add = (name: string, values: Float32Array) => tensors.set(name, { shape: [values.length], values });
  for (const [index, layer] of smoothing.layers.entries()) {
    for (const part of parts) add(`layers.${index}.${part}`, layer[part]);
  }
  add("lm_head", smoothing.lmHead);
  return encodeSafetensors(tensors);
}

/** Reads what `encodeSmoothing` wrote. Throws JakiroError("model") for a file that is none. */
export function decodeSmoothing(path: string): Smoothing {
  const file = WeightFile.open(path);
  try {
    const vectors = new Map<string, Float32Array>();
    for (const tensor of readSafetensorsHeader(file)) {
      const bytes = new Uint8Array(tensor.bytes);
      file.read(bytes, tensor.offset);
      if (tensor.dtype === "F32") vectors.set(tensor.name, new Float32Array(bytes.buffer));
    }
    const vector = (name: string): Float32Array => {
      const found = vectors.get(name);
      if (found === undefined) throw new JakiroError("model", `${path} lacks "${name}"; install Jakiro again.`);
      return found;
    };
    const layers: LayerSmoothing[] = [];
    for (let index = 0; vectors.has(`layers.${index}.qkv`); index++) {
      const [qkv, o, gateUp, down] = parts.map((part) => vector(`layers.${index}.${part}`));
      layers.push({ qkv: qkv!, o: o!, gateUp: gateUp!, down: down! });
    }
    return { layers, lmHead: vector("lm_head") };
  } finally {
    file.close();
  }
}

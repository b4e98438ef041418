import { encodeSafetensors, type NamedTensor } from "../model/safetensorsWriter.ts";
import type { Smoothing } from "./smoothing.ts";

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

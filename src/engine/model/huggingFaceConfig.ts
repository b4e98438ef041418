import { JakiroError } from "../errors.ts";
import type { ModelConfig, RopeConfig } from "./checkpoint.ts";
import { isObject, type JsonObject } from "./jsonFile.ts";
import { checkedConfig } from "./modelConfig.ts";

/** ModelConfig from a config.json as transformers 4 and 5 write it. `path` names the model folder in messages. */
export function huggingFaceModelConfig(config: JsonObject, path: string): ModelConfig {
  const architecture = config["model_type"];
  if (architecture !== "llama" && architecture !== "qwen2") {
    throw refused(path, `holds a model of the type "${String(architecture)}", but Jakiro runs "llama" and "qwen2"`);
  }
  if (isObject(config["quantization_config"])) {
    const method = String(config["quantization_config"]["quant_method"]);
    throw refused(path, `has weights quantized by "${method}", but Jakiro reads f32, f16 and bf16 safetensors`);
  }
  if ((config["hidden_act"] ?? "silu") !== "silu") {
    throw refused(path, `uses the activation "${String(config["hidden_act"])}", but Jakiro computes "silu"`);
  }
  if (config["use_sliding_window"] === true)
    throw refused(path, "uses sliding-window attention, which Jakiro does not compute");

  const number = (key: string, fallback?: number): number => {
    const value = config[key] ?? fallback;
    if (typeof value === "number") return value;
    throw new JakiroError("model", `${path} lacks the number "${key}" in its config.json; fetch it again.`);
  };
  const heads = number("num_attention_heads");
  const hidden = number("hidden_size");
  const shape = {
    architecture,
    hidden,
    layers: number("num_hidden_layers"),
    heads,
    kvHeads: number("num_key_value_heads", heads),
    headDim: number("head_dim", hidden / heads),
    intermediate: number("intermediate_size"),
    vocabulary: number("vocab_size"),
    contextLength: number("max_position_embeddings"),
    rmsEpsilon: number("rms_norm_eps"),
    tiedEmbeddings: config["tie_word_embeddings"] === true,
  } as const;
  return checkedConfig(path, shape, (pairs) => ropeConfig(config, path, pairs));
}

function ropeConfig(config: JsonObject, path: string, pairs: number): RopeConfig {
  // transformers 5 keeps base and scaling together in rope_parameters.
  const parameters = firstObject(config["rope_parameters"], config["rope_scaling"]);
  const base = Number(config["rope_theta"] ?? parameters["rope_theta"] ?? 10000);
  const type = parameters["rope_type"] ?? parameters["type"] ?? "default";
  const divisors = (divisorOf: (pair: number) => number): RopeConfig => ({
    base,
    frequencyDivisors: Float32Array.from({ length: pairs }, (_, pair) => divisorOf(pair)),
  });
  switch (type) {
    case "default":
      return divisors(() => 1);
    case "linear":
      return divisors(() => Number(parameters["factor"]));
    case "llama3":
      return divisors((pair) => llama3Divisor(parameters, base ** (-pair / pairs)));
    default:
      throw refused(path, `scales its rotary positions by "${String(type)}", but Jakiro knows "linear" and "llama3"`);
  }
}

/**
 * Llama 3.1's scaling (transformers: _compute_llama3_parameters): long wavelengths are stretched by `factor`, short ones
 * are left alone, with a linear passage between the two in terms of wavelengths per original context.
 */
function llama3Divisor(parameters: JsonObject, frequency: number): number {
  const factor = Number(parameters["factor"]);
  const low = Number(parameters["low_freq_factor"]);
  const high = Number(parameters["high_freq_factor"]);
  const turns = (Number(parameters["original_max_position_embeddings"]) * frequency) / (2 * Math.PI);
  if (turns < low) return factor;
  if (turns > high) return 1;
  const unscaled = (turns - low) / (high - low);
  return 1 / ((1 - unscaled) / factor + unscaled);
}

function firstObject(...candidates: unknown[]): JsonObject {
  return candidates.find(isObject) ?? {};
}

function refused(path: string, reason: string): JakiroError {
  return new JakiroError("model", `${path} ${reason}; choose another model.`);
}

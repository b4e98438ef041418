import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ModelConfig } from "../../src/engine/model/checkpoint.ts";
import { HeadFile } from "../../src/engine/model/headFile.ts";
import type { HeadKind } from "../../src/engine/model/headKinds.ts";
import { normal } from "../unit/cpu/numbers.ts";
import { type SafetensorsParts, safetensorsBytes } from "../unit/model/safetensorsBytes.ts";
import { randomTokens, type ScratchTarget } from "./scratchTarget.ts";

export interface RandomHeadOptions {
  readonly kind: HeadKind;
  readonly experts?: number;
  readonly draftVocabulary?: number;
  /** The draft vocabulary itself, where it is not to be random. */
  readonly drafted?: readonly number[];
  readonly seed?: number;
}

/** Opens untrained heads of every kind for a target. */
export function randomHeadsFor({ checkpoint, folder }: Pick<ScratchTarget, "checkpoint" | "folder">) {
  const { config } = checkpoint;
  return async (kind: HeadKind) => HeadFile.open(writeRandomHead(join(folder, kind), config, { kind }), config);
}

/** Writes an untrained head for this model into a folder, in the format that training exports. */
export function writeRandomHead(
  folder: string,
  { hidden, heads, kvHeads, headDim, vocabulary, rmsEpsilon, rope }: ModelConfig,
  { kind, experts = 3, draftVocabulary = 100, seed = 1, ...options }: RandomHeadOptions,
): string {
  let counter = 0;
  const parts: SafetensorsParts = {};
  const add = (name: string, shape: readonly number[], values: Float32Array | Int32Array, dtype = "F32") => {
    parts[name] = { dtype, shape, data: new Uint8Array(values.buffer) };
  };
  const matrix = (name: string, outputs: number, inputs: number) =>
    add(name, [outputs, inputs], normal(outputs * inputs, seed * 100 + counter++, 1 / Math.sqrt(inputs)));
  const vector = (name: string, length: number, mean: number) =>
    add(
      name,
      [length],
      normal(length, seed * 100 + counter++, 0.2).map((value) => mean + value),
    );
  const mlp = (path: string) => {
    matrix(`${path}.gate_proj.weight`, hidden, hidden);
    matrix(`${path}.up_proj.weight`, hidden, hidden);
    matrix(`${path}.down_proj.weight`, hidden, hidden);
  };

  const layer = "layers.0";
  matrix("fc.weight", hidden, 2 * hidden);
  vector("fc.bias", hidden, 0);
  for (const [name, count] of [
    ["q", heads],
    ["k", kvHeads],
    ["v", kvHeads],
  ] as const) {
    matrix(`${layer}.self_attn.${name}_proj.weight`, count * headDim, hidden);
    vector(`${layer}.self_attn.${name}_proj.bias`, count * headDim, 0);
  }
  matrix(`${layer}.self_attn.o_proj.weight`, hidden, heads * headDim);
  vector(`${layer}.post_attention_layernorm.weight`, hidden, 1);
  if (kind === "eagle") mlp(`${layer}.mlp`);
  else {
    matrix(`${layer}.mlp_moe.gate.weight`, experts + 2, hidden);
    for (let i = 0; i < experts; i++) mlp(`${layer}.mlp_moe.experts.${i}`);
  }
  const random = () => [...new Set(randomTokens(20 * draftVocabulary, vocabulary, seed))].slice(0, draftVocabulary);
  const drafted = options.drafted ?? random();
  add("d2t", [drafted.length], Int32Array.from(drafted).sort(), "I32");

  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "model.safetensors"), safetensorsBytes(parts));
  const config = {
    kind,
    hidden,
    heads,
    kv_heads: kvHeads,
    head_dim: headDim,
    norm_epsilon: rmsEpsilon,
    rope_base: rope.base,
    qkv_bias: true,
    experts,
    intermediate: hidden,
    draft_vocabulary: drafted.length,
  };
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  return folder;
}

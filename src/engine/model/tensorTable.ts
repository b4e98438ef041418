import type { ModelConfig, TensorName } from "./checkpoint.ts";

export interface TensorEntry {
  readonly name: TensorName;
  readonly gguf: string;
  readonly huggingFace: string;
  readonly rows: number;
  readonly columns: number;
  /** Absence is an error. */
  readonly required: boolean;
  /** Rows are heads whose halves rotary embedding pairs up. */
  readonly rotary: boolean;
}

/** Every tensor that a model of this shape has, with its name in each kind of file. */
export function tensorTable(config: ModelConfig): readonly TensorEntry[] {
  const { hidden, vocabulary } = config;
  const plain = { required: true, rotary: false };
  return [
    {
      ...plain,
      name: "embedding",
      gguf: "token_embd.weight",
      huggingFace: "model.embed_tokens.weight",
      rows: vocabulary,
      columns: hidden,
    },
    ...(config.tiedEmbeddings
      ? []
      : ([
          {
            ...plain,
            name: "output",
            gguf: "output.weight",
            huggingFace: "lm_head.weight",
            rows: vocabulary,
            columns: hidden,
          },
        ] as const)),
    {
      ...plain,
      name: "outputNorm",
      gguf: "output_norm.weight",
      huggingFace: "model.norm.weight",
      rows: hidden,
      columns: 1,
    },
    ...Array.from({ length: config.layers }, (_, layer) => layerTensors(config, layer)).flat(),
  ];
}

function layerTensors(config: ModelConfig, layer: number): TensorEntry[] {
  const { hidden, intermediate } = config;
  const queries = config.heads * config.headDim;
  const keys = config.kvHeads * config.headDim;
  const linears = [
    ["q", "attn_q", "self_attn.q_proj", queries, hidden],
    ["k", "attn_k", "self_attn.k_proj", keys, hidden],
    ["v", "attn_v", "self_attn.v_proj", keys, hidden],
    ["o", "attn_output", "self_attn.o_proj", hidden, queries],
    ["gate", "ffn_gate", "mlp.gate_proj", intermediate, hidden],
    ["up", "ffn_up", "mlp.up_proj", intermediate, hidden],
    ["down", "ffn_down", "mlp.down_proj", hidden, intermediate],
  ] as const;
  const norms = [
    ["attentionNorm", "attn_norm", "input_layernorm"],
    ["mlpNorm", "ffn_norm", "post_attention_layernorm"],
  ] as const;
  return [
    ...linears.map(([name, gguf, huggingFace, rows, columns]) => ({
      name: `layers.${layer}.${name}` as const,
      gguf: `blk.${layer}.${gguf}.weight`,
      huggingFace: `model.layers.${layer}.${huggingFace}.weight`,
      rows,
      columns,
      required: true,
      rotary: name === "q" || name === "k",
    })),
    ...linears.slice(0, 3).map(([name, gguf, huggingFace, rows]) => ({
      name: `layers.${layer}.${name as "q" | "k" | "v"}.bias` as const,
      gguf: `blk.${layer}.${gguf}.bias`,
      huggingFace: `model.layers.${layer}.${huggingFace}.bias`,
      rows,
      columns: 1,
      required: config.architecture === "qwen2",
      rotary: name !== "v",
    })),
    ...norms.map(([name, gguf, huggingFace]) => ({
      name: `layers.${layer}.${name}` as const,
      gguf: `blk.${layer}.${gguf}.weight`,
      huggingFace: `model.layers.${layer}.${huggingFace}.weight`,
      rows: hidden,
      columns: 1,
      required: true,
      rotary: false,
    })),
  ];
}

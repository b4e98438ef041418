import type { HeadConfig } from "./headFile.ts";

/** Every weight a head of this kind has, with its shape: [outputs, inputs], or [length]. Names are those of released heads. */
export function headShapes(config: HeadConfig): ReadonlyMap<string, readonly number[]> {
  const { kind, hidden, experts, intermediate } = config;
  const { heads, kvHeads, headDim } = config.shape;
  const layer = "layers.0";
  const projections = [
    ["q_proj", heads * headDim],
    ["k_proj", kvHeads * headDim],
    ["v_proj", kvHeads * headDim],
  ] as const;
  const swiGlu = (path: string): [string, number[]][] => [
    [`${path}.gate_proj.weight`, [intermediate, hidden]],
    [`${path}.up_proj.weight`, [intermediate, hidden]],
    [`${path}.down_proj.weight`, [hidden, intermediate]],
  ];
  const shapes = new Map<string, readonly number[]>([
    ["fc.weight", [hidden, 2 * hidden]],
    ["fc.bias", [hidden]],
    [`${layer}.self_attn.o_proj.weight`, [hidden, heads * headDim]],
    [`${layer}.post_attention_layernorm.weight`, [hidden]],
  ]);
  const add = (entries: readonly [string, readonly number[]][]) => {
    for (const [name, shape] of entries) shapes.set(name, shape);
  };
  for (const [name, outputs] of projections) {
    add([[`${layer}.self_attn.${name}.weight`, [outputs, hidden]]]);
    if (config.qkvBias) add([[`${layer}.self_attn.${name}.bias`, [outputs]]]);
  }
  if (kind === "eagle") {
    add(swiGlu(`${layer}.mlp`));
    return shapes;
  }
  add([[`${layer}.mlp_moe.gate.weight`, [experts + 2, hidden]]]);
  for (let i = 0; i < experts; i++) add(swiGlu(`${layer}.mlp_moe.experts.${i}`));
  return shapes;
}

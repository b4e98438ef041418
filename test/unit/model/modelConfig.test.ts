import assert from "node:assert/strict";
import { huggingFaceModelConfig } from "../../../src/engine/model/huggingFaceConfig.ts";
import { checkedConfig } from "../../../src/engine/model/modelConfig.ts";
import { assertRefused } from "./fixtures.ts";

const shape = {
  architecture: "llama",
  hidden: 64,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  intermediate: 80,
  vocabulary: 288,
  contextLength: 512,
  rmsEpsilon: 1e-5,
  tiedEmbeddings: true,
} as const;

const rope = (pairs: number): { base: number; frequencyDivisors: Float32Array } => ({
  base: 10000,
  frequencyDivisors: new Float32Array(pairs).fill(1),
});

describe("model configuration", () => {
  it("asks for one frequency divisor per pair of a head", () => {
    assert.equal(checkedConfig("m", shape, rope).rope.frequencyDivisors.length, 8);
  });

  for (const headDim of [Number.POSITIVE_INFINITY, Number.NaN, 2 ** 40, 0.5, -16]) {
    it(`allocates nothing for heads of ${headDim}`, () => {
      const never = (): never => assert.fail("asked for rope factors of an impossible head");
      assertRefused(() => checkedConfig("m", { ...shape, headDim }, never), "m", /as headDim/);
    });
  }
});

describe("config.json", () => {
  const config = {
    model_type: "llama",
    hidden_size: 2048,
    num_hidden_layers: 16,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    intermediate_size: 8192,
    vocab_size: 128256,
    max_position_embeddings: 131072,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: true,
  };

  it("reads rotary settings where transformers 4 and where transformers 5 keep them", () => {
    const llama3 = {
      rope_type: "llama3",
      factor: 32,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    };
    const four = huggingFaceModelConfig({ ...config, rope_theta: 500000, rope_scaling: llama3 }, "m");
    const five = huggingFaceModelConfig({ ...config, rope_parameters: { ...llama3, rope_theta: 500000 } }, "m");
    assert.deepEqual(four, five);
    assert.equal(four.rope.base, 500000);
    assert.equal(four.headDim, 64);
    assert.equal(four.rope.frequencyDivisors[0], 1);
    assert.equal(four.rope.frequencyDivisors[31], 32);
  });

  it("scales linearly, whichever name the type has", () => {
    for (const type of ["rope_type", "type"]) {
      const { rope } = huggingFaceModelConfig({ ...config, rope_scaling: { [type]: "linear", factor: 2.5 } }, "m");
      assert.deepEqual(new Set(rope.frequencyDivisors), new Set([2.5]));
    }
  });

  it("takes a head size of its own, and as many key heads as heads where none are named", () => {
    const { num_key_value_heads: _, ...rest } = config;
    const { headDim, kvHeads } = huggingFaceModelConfig({ ...rest, head_dim: 128 }, "m");
    assert.deepEqual([headDim, kvHeads], [128, 32]);
  });
});

import { writeFileSync } from "node:fs";
import { byteLevelAlphabet } from "../../src/engine/model/alphabet.ts";
import { f32, flag, ggufBytes, i32s, text, texts, u32 } from "../unit/model/ggufBytes.ts";
import { f32Tensor } from "../unit/model/smallModel.ts";

/**
 * What the recital model writes: words that occur once and end in different letters, so that each, and each part of one,
 * names what follows. Lines are indented by one space, which belongs to their first word. After anything else the text begins anew; after its end comes the end token.
 */
export const recital = [
  " const answer = compute ( initial , second );\n",
  " verify dispatch < item >;\n",
  " return { status : flag };\n",
];

const endToken = "<|endoftext|>";
const control = 3;
const ordinary = 1;
const headDim = 64;

/**
 * Writes a model of a few thousand weights that recites `recital` from wherever the text before the cursor stands in it, in
 * the middle of a word too. One layer that adds next to nothing, embeddings that name the token, an LM head that names
 * the next one. It has no infilling tokens.
 */
export function writeRecitalModel(path: string): void {
  const { entries, next } = vocabulary();
  const hidden = 2 ** Math.ceil(Math.log2(entries.length));
  const embeddings = new Float32Array(entries.length * hidden);
  const head = new Float32Array(entries.length * hidden);
  for (const [token, following] of next.entries()) {
    for (let channel = 0; channel < hidden; channel++) {
      const sign = signOf(token, channel);
      embeddings[token * hidden + channel] = sign;
      head[following * hidden + channel]! += sign;
    }
  }
  const tiny = (length: number) => Float32Array.from({ length }, (_, i) => 1e-6 * (((i * 7) % 13) - 6));
  const ones = () => new Float32Array(hidden).fill(1);
  writeFileSync(
    path,
    ggufBytes({
      metadata: {
        "general.architecture": text("qwen2"),
        "general.name": text("Recital"),
        "qwen2.block_count": u32(1),
        "qwen2.context_length": u32(4096),
        "qwen2.embedding_length": u32(hidden),
        "qwen2.feed_forward_length": u32(headDim),
        "qwen2.attention.head_count": u32(hidden / headDim),
        "qwen2.attention.head_count_kv": u32(1),
        "qwen2.attention.layer_norm_rms_epsilon": f32(1e-6),
        "qwen2.rope.freq_base": f32(10000),
        "tokenizer.ggml.model": text("gpt2"),
        "tokenizer.ggml.pre": text("llama-bpe"),
        "tokenizer.ggml.add_bos_token": flag(false),
        "tokenizer.ggml.tokens": texts(entries),
        "tokenizer.ggml.token_type": i32s(entries.map((entry) => (entry === endToken ? control : ordinary))),
        "tokenizer.ggml.merges": texts([]),
        "tokenizer.ggml.eos_token_id": u32(entries.indexOf(endToken)),
      },
      tensors: [
        f32Tensor("token_embd.weight", [hidden, entries.length], embeddings),
        f32Tensor("output.weight", [hidden, entries.length], head),
        f32Tensor("output_norm.weight", [hidden], ones()),
        f32Tensor("blk.0.attn_norm.weight", [hidden], ones()),
        f32Tensor("blk.0.ffn_norm.weight", [hidden], ones()),
        f32Tensor("blk.0.attn_q.weight", [hidden, hidden], tiny(hidden * hidden)),
        f32Tensor("blk.0.attn_q.bias", [hidden], tiny(hidden)),
        f32Tensor("blk.0.attn_k.weight", [hidden, headDim], tiny(hidden * headDim)),
        f32Tensor("blk.0.attn_k.bias", [headDim], tiny(headDim)),
        f32Tensor("blk.0.attn_v.weight", [hidden, headDim], tiny(hidden * headDim)),
        f32Tensor("blk.0.attn_v.bias", [headDim], tiny(headDim)),
        f32Tensor("blk.0.attn_output.weight", [hidden, hidden], tiny(hidden * hidden)),
        f32Tensor("blk.0.ffn_gate.weight", [hidden, headDim], tiny(hidden * headDim)),
        f32Tensor("blk.0.ffn_up.weight", [hidden, headDim], tiny(hidden * headDim)),
        f32Tensor("blk.0.ffn_down.weight", [headDim, hidden], tiny(hidden * headDim)),
      ],
    }),
  );
}

/** Rows of a Hadamard matrix: different tokens are orthogonal, and every channel is used by all, so that rounding to int8 is harmless. */
function signOf(token: number, channel: number): 1 | -1 {
  let common = token & channel;
  let sign: 1 | -1 = 1;
  for (; common !== 0; common &= common - 1) sign = sign === 1 ? -1 : 1;
  return sign;
}

/** Vocabulary entries as the file spells them, and for each the one that follows. */
function vocabulary(): { entries: string[]; next: number[] } {
  const following = new Map<string, string>();
  const words = recital.join("").match(/ \w+| [^\w\s]+\n?/g)!;
  for (const [index, word] of words.entries()) {
    const after = words[index + 1] ?? endToken;
    following.set(word, after);
    for (let cut = 2; /\w/.test(word) && cut < word.length; cut++) {
      const rest = word.slice(cut);
      following.set(word.slice(0, cut), rest);
      if ((following.get(rest) ?? after) !== after) throw new Error(`"${rest}" ends two words of the recital.`);
      following.set(rest, after);
    }
  }
  const bytes = Array.from({ length: 256 }, (_, byte) => Buffer.from([byte]).toString("latin1"));
  const spelled = (piece: string) => (piece === endToken ? piece : byteLevelAlphabet.spell(piece));
  const latin = bytes.filter((byte) => byte.charCodeAt(0) < 128).map(spelled);
  const entries = [...new Set([...latin, ...[...following.keys()].map(spelled), endToken])];
  const successor = new Map([...following].map(([piece, after]) => [spelled(piece), spelled(after)]));
  const start = spelled(words[0]!);
  return { entries, next: entries.map((entry) => entries.indexOf(successor.get(entry) ?? start)) };
}

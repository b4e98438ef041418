"""Tiny random Llama and Qwen2 models as GGUF and as safetensors folders, with logits and features from transformers."""

import json
from pathlib import Path

import gguf
import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import Regex
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

import tokenizer_corpus

VOCABULARY = 288
ROWS_KEPT = 4

WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"

COMMON = dict(
    vocab_size=VOCABULARY,
    hidden_size=64,
    num_attention_heads=4,
    intermediate_size=80,
    max_position_embeddings=512,
    initializer_range=0.2,
    attn_implementation="eager",
)


def write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(11)
    llama = LlamaForCausalLM(
        LlamaConfig(
            **COMMON,
            num_hidden_layers=2,
            num_key_value_heads=2,
            rms_norm_eps=1e-5,
            tie_word_embeddings=False,
            rope_parameters=dict(
                rope_type="llama3",
                rope_theta=10000.0,
                factor=8.0,
                low_freq_factor=1.0,
                high_freq_factor=4.0,
                original_max_position_embeddings=64,
            ),
        )
    )
    specials = ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"]
    save(folder, "tiny-llama", llama, tokenizer(specials, digits=r"\p{N}{1,3}"), pre="llama-bpe", bos=0, eos=1)

    qwen = Qwen2ForCausalLM(
        Qwen2Config(
            **COMMON,
            num_hidden_layers=3,
            num_key_value_heads=1,
            rms_norm_eps=1e-6,
            tie_word_embeddings=True,
            rope_parameters=dict(rope_type="default", rope_theta=1000000.0),
        )
    )
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"]
    save(folder, "tiny-qwen2", qwen, tokenizer(specials, digits=r"\p{N}", nfc=True), pre="qwen2", bos=None, eos=2)


def tokenizer(specials: list[str], digits: str, nfc: bool = False) -> Tokenizer:
    result = Tokenizer(models.BPE(ignore_merges=not nfc))
    if nfc:
        result.normalizer = normalizers.NFC()
    result.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS % digits), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    result.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    result.train_from_iterator(tokenizer_corpus.CODE, trainer)
    return result


def save(folder: Path, name: str, model: PreTrainedModel, tok: Tokenizer, pre: str, bos: int | None, eos: int) -> None:
    model.eval()
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if "norm" in parameter_name:
                parameter.normal_(1, 0.2)
            elif parameter_name.endswith("bias"):
                parameter.normal_(0, 0.5)
    save_folder(folder / name, model, tok, bos, eos)
    save_gguf(folder / f"{name}.gguf", model, tok, pre, bos, eos)
    (folder / f"{name}.golden.json").write_text(json.dumps(golden(model, tok), ensure_ascii=True) + "\n")


def save_folder(folder: Path, model: PreTrainedModel, tok: Tokenizer, bos: int | None, eos: int) -> None:
    model.generation_config.bos_token_id = model.config.bos_token_id = bos
    model.generation_config.eos_token_id = model.config.eos_token_id = eos
    model.save_pretrained(folder)
    tok.save(str(folder / "tokenizer.json"))
    options = {
        "add_bos_token": bos is not None,
        "bos_token": None if bos is None else tok.id_to_token(bos),
        "eos_token": tok.id_to_token(eos),
        "clean_up_tokenization_spaces": False,
        "chat_template": "{{ messages[0].content }}",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(options, indent=1) + "\n")


def save_gguf(path: Path, model: PreTrainedModel, tok: Tokenizer, pre: str, bos: int | None, eos: int) -> None:
    config = model.config
    head_dim = config.hidden_size // config.num_attention_heads
    writer = gguf.GGUFWriter(path, config.model_type)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    add_tokenizer(writer, tok, pre, bos, eos)

    rotary = getattr(model.model, "rotary_emb")
    if config.rope_parameters["rope_type"] == "llama3":
        plain = 1.0 / config.rope_parameters["rope_theta"] ** (torch.arange(0, head_dim, 2).float() / head_dim)
        writer.add_tensor("rope_freqs.weight", (plain / rotary.inv_freq).numpy().astype(np.float32))
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[config.model_type.upper()], config.num_hidden_layers)
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        values = tensor.float().numpy()
        if config.model_type == "llama" and ("q_proj" in name or "k_proj" in name):
            heads = config.num_attention_heads if "q_proj" in name else config.num_key_value_heads
            values = interleaved(values, heads)
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight", ".bias")), values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def interleaved(values: np.ndarray, heads: int) -> np.ndarray:
    """Rows of each head from half-split to interleaved rotary order, as llama.cpp's converter stores Llama models."""
    halves = values.reshape(heads, 2, values.shape[0] // heads // 2, *values.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(values.shape))


def add_tokenizer(writer: gguf.GGUFWriter, tok: Tokenizer, pre: str, bos: int | None, eos: int) -> None:
    description = json.loads(tok.to_str())
    specials = {token["id"] for token in description["added_tokens"]}
    size = tok.get_vocab_size()
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list([tok.id_to_token(i) for i in range(size)])
    kinds = [gguf.TokenType.CONTROL if i in specials else gguf.TokenType.NORMAL for i in range(size)]
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(pair) for pair in description["model"]["merges"]])
    writer.add_add_bos_token(bos is not None)
    if bos is not None:
        writer.add_bos_token_id(bos)
    writer.add_eos_token_id(eos)
    writer.add_chat_template("{{ messages[0].content }}")


def golden(model: PreTrainedModel, tok: Tokenizer) -> dict:
    """Per sequence the last rows' features (after the final norm) and logits; and token ids of a few texts."""
    generator = torch.Generator().manual_seed(5)
    sequences = []
    for length in (1, 24, 130):
        tokens = torch.randint(0, VOCABULARY, (1, length), generator=generator)
        with torch.no_grad():
            features = model.model(tokens).last_hidden_state[0, -ROWS_KEPT:]
            logits = model.lm_head(features)
        sequences.append(
            {
                "tokens": tokens[0].tolist(),
                "firstRow": max(0, length - ROWS_KEPT),
                "features": rounded(features),
                "logits": rounded(logits),
            }
        )
    texts = tokenizer_corpus.CODE + tokenizer_corpus.SCRIPTS
    tok.encode_special_tokens = True
    return {"sequences": sequences, "texts": [{"text": text, "ids": tok.encode(text).ids} for text in texts]}


def rounded(values: torch.Tensor) -> list[list[float]]:
    return [[float(f"{value:.7g}") for value in row] for row in values.tolist()]

import hashlib

import numpy as np
import pytest
from gguf import GGUFReader
from gguf.quants import dequantize
from tokenizers import Tokenizer

from jakiro_training import gguf_model
from jakiro_training.gguf_model import GgufModel

from conftest import ROOT, TINY_MODEL


def test_config(tiny_model):
    config = tiny_model.config
    assert (config.hidden, config.layers, config.heads, config.kv_heads, config.head_dim) == (64, 3, 4, 1, 16)
    assert config.vocabulary == 288 and config.qkv_bias and config.rope_base == 1e6


def test_rows_are_dequantized_in_blocks_and_by_id(tiny_model, monkeypatch):
    monkeypatch.setattr(gguf_model, "DEQUANTIZE_ROWS", 100)
    tensor = next(t for t in GGUFReader(TINY_MODEL).tensors if t.name == "token_embd.weight")
    expected = dequantize(tensor.data, tensor.tensor_type)
    assert np.array_equal(tiny_model.embedding_rows(), expected)
    assert np.array_equal(tiny_model.embedding_rows(np.array([7, 3, 7])), expected[[7, 3, 7]])
    assert np.array_equal(tiny_model.lm_head_rows(), expected)


def test_tokenizer_equals_the_models_own(tiny_model):
    reference = Tokenizer.from_file(str(ROOT / "test" / "fixtures" / "models" / "tiny-qwen2" / "tokenizer.json"))
    for text in (
        "def f(x):\n\treturn x + 12345\r\n",
        "caf\u00e9 e\u0301 \u4f60\u597d \U0001f600",
        "  \n\n    if a:\n",
        "it's I'LL",
    ):
        assert tiny_model.tokenizer.encode(text).ids == reference.encode(text).ids


def test_special_tokens_in_a_text_are_text(tiny_model):
    end = tiny_model.token_id("<|endoftext|>")
    ids = tiny_model.tokenizer.encode("a = '<|endoftext|>'").ids
    assert end not in ids and tiny_model.tokenizer.decode(ids) == "a = '<|endoftext|>'"
    assert tiny_model.token_id("<|no such token|>") is None


def test_llama_scaling_divides_the_rotary_frequencies():
    plain, scaled = GgufModel(TINY_MODEL), GgufModel(TINY_MODEL.with_name("tiny-llama.gguf"))
    assert plain.rotary_frequencies()[0] == 1 and plain.rotary_frequencies()[-1] == pytest.approx(1e6 ** (-14 / 16))
    unscaled = scaled.config.rope_base ** (-np.arange(0, 16, 2) / 16)
    assert (
        scaled.rotary_frequencies()[0] == pytest.approx(unscaled[0])
        and scaled.rotary_frequencies()[-1] < unscaled[-1] / 2
    )


def test_hash_is_the_files(tiny_model):
    assert tiny_model.sha256 == hashlib.sha256(TINY_MODEL.read_bytes()).hexdigest()

import hashlib

import numpy as np
import pytest
from gguf import GGUFReader
from gguf.quants import dequantize

from jakiro_training import gguf_model
from jakiro_training.gguf_model import GgufModel
from jakiro_training.unsupported import UnsupportedModel

from conftest import TINY_LLAMA, TINY_MODEL


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


def test_llama_scaling_divides_the_rotary_frequencies():
    plain, scaled = GgufModel(TINY_MODEL), GgufModel(TINY_LLAMA)
    assert plain.config.rope_divisors == ()
    assert plain.rotary_frequencies()[0] == 1 and plain.rotary_frequencies()[-1] == pytest.approx(1e6 ** (-14 / 16))
    unscaled = scaled.config.rope_base ** (-np.arange(0, 16, 2) / 16)
    assert (
        scaled.rotary_frequencies()[0] == pytest.approx(unscaled[0])
        and scaled.rotary_frequencies()[-1] < unscaled[-1] / 2
    )


@pytest.mark.parametrize(
    "keys, divisors",
    [
        ({"rope.scaling.type": "none", "rope.scaling.factor": 4.0}, ()),
        ({"rope.scaling.type": "linear", "rope.scaling.factor": 4.0}, (4.0,) * 8),
        ({"rope.scale_linear": 2.0}, (2.0,) * 8),
    ],
)
def test_linear_scaling_divides_them_all(monkeypatch, keys, divisors):
    model = with_metadata(monkeypatch, {f"qwen2.{key}": value for key, value in keys.items()})
    assert model.config.rope_divisors == divisors


@pytest.mark.parametrize(
    "key, value, complaint",
    [
        ("general.architecture", "gemma", 'architecture "gemma".*"llama" and "qwen2"'),
        ("qwen2.rope.scaling.type", "yarn", 'positions by "yarn".*"linear" and llama3'),
    ],
)
def test_what_the_engine_does_not_run_is_refused(monkeypatch, key, value, complaint):
    with pytest.raises(UnsupportedModel, match=complaint):
        _ = with_metadata(monkeypatch, {key: value}).config


def with_metadata(monkeypatch, changed: dict) -> GgufModel:
    """The tiny Qwen2 model, these entries of its metadata changed."""
    known = GgufModel._value
    monkeypatch.setattr(GgufModel, "_value", lambda model, key, *rest: changed.get(key, known(model, key, *rest)))
    return GgufModel(TINY_MODEL)


def test_hash_is_the_files(tiny_model):
    assert tiny_model.sha256 == hashlib.sha256(TINY_MODEL.read_bytes()).hexdigest()

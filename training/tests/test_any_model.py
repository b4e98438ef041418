"""From packages to a head that the engine drafts with, for each kind of model: with and without FIM markers, begin
token, rope scaling, biases and tied embeddings."""

import json
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from gguf import GGUFReader, GGUFWriter
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM

from jakiro_training import __main__ as command_line
from jakiro_training.exported_head import load_exported
from jakiro_training.feature_shards import read_feature_shard
from jakiro_training.gguf_model import GgufModel
from jakiro_training.head import rotary_tables
from jakiro_training.shards import read_token_shard
from jakiro_training.torch_target import TorchTarget

from conftest import FIXTURES, ROOT, TINY_LLAMA, TINY_MODEL, engine, packed

sys.path.insert(0, str(ROOT / "test" / "golden"))

import tiny_model_fixtures  # noqa: E402


def save_tiny_smollm(path: Path) -> Path:
    """As SmolLM2's files are: a Llama with its rows in interleaved order, tied embeddings, no biases, a tokenizer that
    cuts digits apart, no begin token, no FIM markers."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    specials, alphabet = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=288, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(["    return first - second\n    if first > second:\n"], trainer)
    tiny_model_fixtures.save_gguf(path, random_llama(tokenizer.get_vocab_size()), tokenizer, "smollm", bos=None, eos=2)
    return path


def save_tiny_codellama(path: Path) -> Path:
    """With a SentencePiece vocabulary and a begin token."""
    fields = GGUFReader(FIXTURES / "tokenizer" / "sentencepiece.gguf").fields
    tokens, scores, types = (fields[f"tokenizer.ggml.{key}"].contents() for key in ("tokens", "scores", "token_type"))

    def add_tokenizer(writer: GGUFWriter, *_) -> None:
        writer.add_tokenizer_model("llama")
        writer.add_token_list(tokens)
        writer.add_token_scores(scores)
        writer.add_token_types(types)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)

    with mock.patch.object(tiny_model_fixtures, "add_tokenizer", add_tokenizer):
        tiny_model_fixtures.save_gguf(path, random_llama(len(tokens)), None, "", bos=1, eos=2)
    return path


def random_llama(vocabulary: int) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=80,
        max_position_embeddings=1024,
        initializer_range=0.2,
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 100_000.0},
    )
    torch.manual_seed(3)
    return LlamaForCausalLM(config).eval()


MODELS = {
    "tiny-smollm": save_tiny_smollm,
    "tiny-codellama": save_tiny_codellama,
    "tiny-llama": lambda _: TINY_LLAMA,
    "tiny-qwen2": lambda _: TINY_MODEL,
}
BEGINS = {"tiny-codellama": [1], "tiny-llama": [0]}


@pytest.mark.parametrize("name", MODELS)
def test_a_head_from_packages_to_the_engine(name, workshop):
    path = MODELS[name](workshop / f"{name}.gguf")
    model, out = GgufModel(path), {step: workshop / step for step in ("corpus", "features", "run")}

    def step(command: str, **options):
        given = [part for key, value in options.items() for part in (f"--{key.replace('_', '-')}", str(value))]
        command_line.main([command, *given])

    sources = {"packages": "packages.toml", "downloads": "downloads", "exclude": "suite.jsonl.gz"}
    found = {option: workshop / file for option, file in sources.items()}
    step("corpus", **found, model=path, out=out["corpus"], tokens=30_000, heldout_tokens=1_000)
    manifest = json.loads((out["corpus"] / "manifest.json").read_text())
    assert (manifest["train"]["fim_sequences"] > 0) == (name == "tiny-qwen2")
    shard = read_token_shard(out["corpus"] / "train-00000.npz")
    sequences = [shard.sequence(i) for i in range(len(shard))]
    begin = BEGINS.get(name, [])
    assert all(sequence[: len(begin)].tolist() == begin for sequence in sequences)
    assert any(sequence[-1] == model.tokenizer.text_end for sequence in sequences)

    cache = workshop / "cache"
    cache.mkdir()
    pack = packed(cache, path, "float32")
    step("features", corpus=out["corpus"], model=path, pack=pack, out=out["features"], threads=1, max_tokens=6_000)
    extracted = read_feature_shard(out["features"] / "train-00000.npz")
    expected = TorchTarget(path).features([sequence.tokens for sequence in extracted[:4]])
    for sequence, reference in zip(extracted, expected):
        error = np.linalg.norm(sequence.features.astype(np.float32) - reference) / np.linalg.norm(reference)
        assert error < 1e-3

    shape = {"rows": 1, "length": 128, "draft_vocabulary": 160, "steps": 3, "threads": 1, "device": "cpu"}
    step("train_head", features=out["features"], corpus=out["corpus"], model=path, out=out["run"], **shape)
    folder = workshop / "heads" / "jakiro"
    command_line.main(["export", "--checkpoint", str(out["run"] / "latest.pt"), "--out", str(folder), "--int8"])
    head, d2t = load_exported(folder)
    assert head.config.qkv_bias == (name == "tiny-qwen2") and (d2t < model.config.vocabulary).all()
    positions = torch.arange(0, 500, 7)
    angles = positions.numpy()[:, None] * model.rotary_frequencies()
    torch.testing.assert_close(rotary_tables(positions, head.config)[0], torch.from_numpy(np.cos(angles)).float())
    scaled = "rope_divisors" in json.loads((folder / "config.json").read_text())
    assert scaled == (name == "tiny-llama")

    options = ("--max-tokens", "12", "--head", str(folder))
    drafted = engine(cache, path, "float32", *options, "--method", "jakiro")
    assert drafted["method"] == "jakiro" and drafted["counts"]["draftForwards"] > 0 and drafted["tau"] >= 1
    assert drafted["tokens"] == engine(cache, path, "float32", *options, "--method", "plain")["tokens"]

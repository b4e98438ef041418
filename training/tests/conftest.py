"""Shared pieces: the repository's tiny Qwen2 model, random feature shards, small head shapes."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "training"))

from jakiro_training.feature_shards import FeatureSequence, write_feature_shard  # noqa: E402
from jakiro_training.gguf_model import GgufModel  # noqa: E402
from jakiro_training.head import DraftHead, HeadConfig  # noqa: E402
from jakiro_training.shards import write_token_shard  # noqa: E402

TINY_MODEL = ROOT / "test" / "fixtures" / "models" / "tiny-qwen2.gguf"
KINDS_AND_EXPERTS = [("jakiro", 2), ("jakiro", 4), ("jakiro-star", 2), ("eagle", 0)]

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_model() -> GgufModel:
    return GgufModel(TINY_MODEL)


def small_config(kind: str, experts: int, hidden: int = 32, draft_vocabulary: int = 40) -> HeadConfig:
    return HeadConfig(
        kind=kind,
        hidden=hidden,
        heads=4,
        kv_heads=2,
        head_dim=8,
        rope_base=10_000.0,
        norm_epsilon=1e-6,
        qkv_bias=True,
        experts=experts,
        intermediate=2 * hidden if kind == "eagle" else hidden,
        draft_vocabulary=draft_vocabulary,
    )


def random_head(kind: str, experts: int, seed: int = 0) -> DraftHead:
    """Every weight random, so that no term of any formula can vanish unseen."""
    head = DraftHead(small_config(kind, experts))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in head.parameters():
            scale = 1.3 / parameter.shape[-1] ** 0.5 if parameter.ndim == 2 else 0.3
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
        head.layer.post_attention_layernorm.weight.add_(1.0)
    return head.eval()


def write_toy_training_data(folder: Path, model: GgufModel, sequences: int = 24) -> None:
    """Token shards and feature shards of a language with a rule: the next token is the last one plus one, modulo 40.

    The feature after a token is the LM-head row of its successor, so that the target's distribution peaks there.
    """
    rows = model.lm_head_rows()
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    random = np.random.default_rng(0)
    starts = random.integers(0, 40, sequences)
    tokens = [(start + np.arange(30)) % 40 for start in starts]
    (folder / "corpus").mkdir(parents=True)
    (folder / "features").mkdir()
    write_token_shard(folder / "corpus" / "train-00000.npz", tokens, [0] * sequences, [0] * sequences)
    made = [FeatureSequence(t.astype(np.int32), 6 * rows[(t + 1) % 40]) for t in tokens]
    none = np.zeros(sequences // 2)
    write_feature_shard(folder / "features" / "train-00000.npz", made[: sequences // 2], none, none)
    write_feature_shard(folder / "features" / "train-00001.npz", made[sequences // 2 :], none, none)
    write_feature_shard(folder / "features" / "heldout-00000.npz", made[:4], none[:4], none[:4])

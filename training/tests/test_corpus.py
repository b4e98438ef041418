"""The corpus step on three small packages whose archives are already there."""

import json

import numpy as np
import pytest

from jakiro_training import __main__ as command_line
from jakiro_training import corpus, gguf_tokenizer
from jakiro_training.corpus import LANGUAGE_SHARES, common_cap
from jakiro_training.shards import read_token_shard, shard_paths

from conftest import TINY_MODEL


def build(workshop, out: str, seed: int = 0) -> dict:
    command_line.main(
        [
            "corpus",
            "--packages",
            str(workshop / "packages.toml"),
            "--downloads",
            str(workshop / "downloads"),
            "--model",
            str(TINY_MODEL),
            "--exclude",
            str(workshop / "suite.jsonl.gz"),
            "--out",
            str(workshop / out),
            "--tokens",
            "100000",
            "--seed",
            str(seed),
        ]
    )
    return json.loads((workshop / out / "manifest.json").read_text())


def texts(workshop, out: str, split: str, model) -> str:
    shards = [read_token_shard(path) for path in shard_paths(workshop / out, split)]
    return "\n".join(model.tokenizer.encoder.decode(s.sequence(i).tolist()) for s in shards for i in range(len(s)))


def test_held_out_packages_copies_and_benchmark_text_stay_out(workshop, tiny_model):
    manifest = build(workshop, "corpus")
    train, heldout = texts(workshop, "corpus", "train", tiny_model), texts(workshop, "corpus", "heldout", tiny_model)
    assert all(word in train for word in ("alpha_", "beta_", "omega_"))
    assert "gamma_" in heldout and "gamma_" not in train and "alpha_" not in heldout
    assert "delta_" not in train and manifest["dropped"] == {"benchmark text": 1, "duplicate": 1}
    assert set(manifest["train"]["languages"]) == {"python", "javascript"}
    assert manifest["train"]["packages"] == ["npm:kept-js@1.0.0 (MIT)", "pypi:kept@1.0.0 (MIT)"]
    assert 0 < manifest["train"]["fim_sequences"] < manifest["train"]["sequences"]


def test_deterministic_by_seed_and_finished_once(workshop, capsys):
    first, second, other = build(workshop, "a"), build(workshop, "b"), build(workshop, "c", seed=1)
    assert first["train"]["sha256"] == second["train"]["sha256"] != other["train"]["sha256"]
    assert all(
        np.array_equal(read_token_shard(p).tokens, read_token_shard(q).tokens)
        for p, q in zip(shard_paths(workshop / "a", "train"), shard_paths(workshop / "b", "train"))
    )
    build(workshop, "a")
    assert "complete corpus already" in capsys.readouterr().out


def test_a_tokenizer_that_is_not_known_is_refused_before_anything_is_fetched(workshop, monkeypatch):
    monkeypatch.setattr(gguf_tokenizer, "PRE_TOKENIZATIONS", {"gpt-2": None})
    monkeypatch.setattr(corpus, "fetch_all", lambda *_: pytest.fail("packages were fetched"))
    with pytest.raises(SystemExit, match='tiny-qwen2.gguf uses the pre-tokenizer "qwen2", and training knows gpt-2'):
        build(workshop, "corpus")
    assert not (workshop / "corpus").exists()


@pytest.mark.parametrize(
    "sizes, budget, cap",
    [([10, 20, 30], 30, 10), ([4, 20, 30], 30, 13), ([4, 5], 30, float("inf")), ([], 30, float("inf"))],
)
def test_common_cap(sizes, budget, cap):
    assert common_cap(sizes, budget) == cap


def test_shares_add_up():
    assert sum(LANGUAGE_SHARES.values()) == pytest.approx(1)

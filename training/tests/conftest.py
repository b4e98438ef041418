"""Shared pieces: the repository's tiny models, the built engine, packages to make a corpus of, random feature shards,
small head shapes."""

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "training"))

from jakiro_training.feature_shards import FeatureSequence, write_feature_shard  # noqa: E402
from jakiro_training.gguf_model import GgufModel  # noqa: E402
from jakiro_training.head import DraftHead, HeadConfig  # noqa: E402
from jakiro_training.packages import load_packages  # noqa: E402
from jakiro_training.shards import write_token_shard  # noqa: E402

FIXTURES = ROOT / "test" / "fixtures"
TINY_MODEL = FIXTURES / "models" / "tiny-qwen2.gguf"
TINY_LLAMA = FIXTURES / "models" / "tiny-llama.gguf"
KINDS_AND_EXPERTS = [("jakiro", 2), ("jakiro", 4), ("jakiro-star", 2), ("eagle", 0)]
PACKAGES = "".join(
    f'[[package]]\nregistry = "{registry}"\nname = "{name}"\nversion = "1.0.0"\nlicence = "MIT"\nheldout = {heldout}\n'
    for registry, name, heldout in (("pypi", "kept", "false"), ("pypi", "apart", "true"), ("npm", "kept-js", "false"))
)

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


def engine(cache: Path, model: Path, weights: str, *options: str) -> dict:
    """What the engine of `npm run build` completes after a short text, with its packed models in `cache`."""
    command_line = ROOT / "dist" / "cli.js"
    if not command_line.exists():
        pytest.fail("the engine is not built: npm run build")
    source = cache / "source.py"
    source.write_text("total = 1\n")
    position = ["--line", "1", "--character", "0", "--device", "cpu", "--raw", "--json"]
    command = ["node", command_line, "complete", source, *position, "--model", model, "--weights", weights, *options]
    environment = os.environ | {"JAKIRO_CACHE_DIR": str(cache)}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return json.loads(done.stdout)


def packed(cache: Path, model: Path, weights: str) -> Path:
    """The folder into which the engine packs a model when it completes a line; `cache` holds no other."""
    engine(cache, model, weights, "--max-tokens", "1", "--method", "plain")
    (folder,) = (cache / "packed").glob(f"*-{weights}-*")
    return folder


def python_file(word: str) -> str:
    return "".join(
        f"def {word}_{i}(first, second):\n    if first > second:\n        return first - {i}\n"
        f"    return {word}(second)\n\n\n"
        for i in range(25)
    )


@pytest.fixture
def workshop(tmp_path):
    """A folder with packages.toml, the archives of its packages, and suite.jsonl.gz, the benchmark to keep out."""
    (tmp_path / "packages.toml").write_text(PACKAGES)
    benchmark = {"prompt": '""" From a list of words return the one that has the most distinct letters in it """'}
    with gzip.open(tmp_path / "suite.jsonl.gz", "wt") as file:
        file.write(json.dumps(benchmark) + "\n")
    kept, apart, kept_js = (tmp_path / "downloads" / p.archive_name for p in load_packages(tmp_path / "packages.toml"))
    kept.parent.mkdir(parents=True)
    kept_js.parent.mkdir()
    with zipfile.ZipFile(kept, "w") as archive:
        archive.writestr("kept/one.py", python_file("alpha"))
        archive.writestr("kept/two.py", python_file("beta"))
        archive.writestr("kept/copied.py", python_file("gamma"))
        archive.writestr(
            "kept/solution.py",
            python_file("delta")
            + "# from a list of words return the one that has\n# the most distinct letters in it\n",
        )
    with zipfile.ZipFile(apart, "w") as archive:
        archive.writestr("apart/three.py", python_file("gamma"))
    with tarfile.open(kept_js, "w:gz") as archive:
        data = python_file("omega").replace("def ", "function ").encode()
        member = tarfile.TarInfo("package/lib/code.js")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return tmp_path

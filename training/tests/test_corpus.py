"""The corpus step on three small packages whose archives are already there."""

import gzip
import io
import json
import tarfile
import zipfile

import numpy as np
import pytest

from jakiro_training import __main__ as command_line
from jakiro_training.corpus import LANGUAGE_SHARES, common_cap
from jakiro_training.packages import load_packages
from jakiro_training.shards import read_token_shard, shard_paths

from conftest import TINY_MODEL

LIST = "".join(
    f'[[package]]\nregistry = "{registry}"\nname = "{name}"\nversion = "1.0.0"\nlicence = "MIT"\nheldout = {heldout}\n'
    for registry, name, heldout in (("pypi", "kept", "false"), ("pypi", "apart", "true"), ("npm", "kept-js", "false"))
)


def python_file(word: str) -> str:
    return "".join(
        f"def {word}_{i}(first, second):\n    if first > second:\n        return first - {i}\n"
        f"    return {word}(second)\n\n\n"
        for i in range(25)
    )


@pytest.fixture
def workshop(tmp_path):
    (tmp_path / "packages.toml").write_text(LIST)
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
    return "\n".join(model.tokenizer.decode(s.sequence(i).tolist()) for s in shards for i in range(len(s)))


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


@pytest.mark.parametrize(
    "sizes, budget, cap",
    [([10, 20, 30], 30, 10), ([4, 20, 30], 30, 13), ([4, 5], 30, float("inf")), ([], 30, float("inf"))],
)
def test_common_cap(sizes, budget, cap):
    assert common_cap(sizes, budget) == cap


def test_shares_add_up():
    assert sum(LANGUAGE_SHARES.values()) == pytest.approx(1)

"""Step `features` by the engine's own graph, against the target in PyTorch: the engine that `npm run build` left in
dist/ packs the tiny model."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from jakiro_training import __main__ as command_line
from jakiro_training import engine_graph, features
from jakiro_training.engine_graph import EngineGraph
from jakiro_training.feature_shards import read_feature_shard
from jakiro_training.torch_target import TorchTarget

from conftest import TINY_LLAMA, TINY_MODEL, packed, write_toy_training_data


@pytest.fixture(scope="module")
def packs(tmp_path_factory) -> dict[str, Path]:
    cache = tmp_path_factory.mktemp("cache")
    return {weights: packed(cache, TINY_MODEL, weights) for weights in ("float32", "int8")}


@pytest.fixture
def corpus(tmp_path, tiny_model) -> Path:
    write_toy_training_data(tmp_path / "toy", tiny_model)
    return tmp_path / "toy" / "corpus"


def compute(corpus: Path, pack: Path | None, out: Path, model: Path = TINY_MODEL) -> None:
    paths = ["--corpus", str(corpus), "--model", str(model), "--out", str(out), "--batch-tokens", "100"]
    given = [] if pack is None else ["--pack", str(pack)]
    command_line.main(["features", "--backend", "engine", "--threads", "1", *paths, *given])


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("weights, tolerance", [("float32", 1e-3), ("int8", 0.1)])
def test_they_are_those_of_the_target(packs, corpus, tmp_path, weights, tolerance):
    compute(corpus, packs[weights], tmp_path / "features")
    sequences = read_feature_shard(tmp_path / "features" / "train-00000.npz")
    expected = TorchTarget(TINY_MODEL).features([s.tokens for s in sequences])
    assert len(sequences) == 24
    for sequence, reference in zip(sequences, expected):
        assert relative_error(sequence.features.astype(np.float32), reference) < tolerance
    note = json.loads((tmp_path / "features" / "features.json").read_text())
    assert note["backend"] == "engine"
    assert note["smoothingHash"] == json.loads((packs[weights] / "pack.json").read_text())["smoothingHash"]
    assert (note["smoothingHash"] == "none") == (weights == "float32")


def test_a_row_has_the_same_bits_in_chunks_and_beside_others(packs, tiny_model, monkeypatch):
    random = np.random.default_rng(5)
    sequences = [random.integers(0, 256, length) for length in (60, 7, 33)]
    graph = EngineGraph(packs["int8"], tiny_model, 1)
    together = graph.features(sequences)
    monkeypatch.setattr(engine_graph, "CHUNK_ROWS", 16)
    for sequence, found in zip(sequences, together):
        assert np.array_equal(graph.features([sequence])[0], found)


def test_a_run_that_was_cut_goes_on_where_it_stopped(packs, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(features, "SHARD_TOKENS", 150)
    compute(corpus, packs["int8"], tmp_path / "whole")
    whole = {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}
    forwards = []

    def cut(graph, sequences):
        forwards.append(len(sequences))
        if len(forwards) == 5:
            raise KeyboardInterrupt
        return uncut(graph, sequences)

    uncut = EngineGraph.features
    monkeypatch.setattr(EngineGraph, "features", cut)
    with pytest.raises(KeyboardInterrupt):
        compute(corpus, packs["int8"], tmp_path / "cut")
    monkeypatch.setattr(EngineGraph, "features", uncut)
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / "cut").glob("*.npz")}
    assert 0 < len(done) < len(whole) - 1
    compute(corpus, packs["int8"], tmp_path / "cut")
    assert {path.name: path.read_bytes() for path in (tmp_path / "cut").iterdir()} == whole
    assert all(path.stat().st_mtime_ns == written for path, written in done.items())


def test_what_does_not_belong_together_is_refused(packs, corpus, tmp_path):
    out = tmp_path / "features"
    with pytest.raises(SystemExit, match="needs --pack"):
        compute(corpus, None, out)
    with pytest.raises(SystemExit, match="packed from another file than tiny-llama.gguf"):
        compute(corpus, packs["int8"], out, TINY_LLAMA)
    with pytest.raises(SystemExit, match="holds no packed model"):
        compute(corpus, tmp_path, out)
    broken = Path(shutil.copytree(packs["int8"], tmp_path / "broken"))
    (broken / "body.onnx").write_bytes(b"no graph")
    with pytest.raises(SystemExit, match="cannot be run"):
        compute(corpus, broken, out)
    assert not list(out.iterdir())


def test_features_of_another_pack_are_not_mixed_in(packs, corpus, tmp_path):
    compute(corpus, packs["int8"], tmp_path / "features")
    (tmp_path / "features" / "train-00000.npz").unlink()
    with pytest.raises(SystemExit, match="another target or backend"):
        compute(corpus, packs["float32"], tmp_path / "features")
    assert not (tmp_path / "features" / "train-00000.npz").exists()

"""The steps from token shards to an exported head, on a tiny model and toy data."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from jakiro_training import __main__ as command_line
from jakiro_training.checkpoint import load_checkpoint
from jakiro_training.draft_vocabulary import always_included, choose_draft_vocabulary, sampled_rows
from jakiro_training.exported_head import exported_bytes, load_exported, quantize_rows, save_head
from jakiro_training.feature_shards import FeatureSequence, FeatureStream, pack, read_feature_shard
from jakiro_training.head import DraftHead
from jakiro_training.schedule import WARM_UP_STEPS, learning_rate
from jakiro_training.shards import read_token_shard

from conftest import TINY_MODEL, random_head, write_toy_training_data


def train(folder, *options):
    command_line.main(
        [
            "train_head",
            "--features",
            str(folder / "features"),
            "--corpus",
            str(folder / "corpus"),
            "--model",
            str(TINY_MODEL),
            "--device",
            "cpu",
            "--rows",
            "2",
            "--length",
            "64",
            "--draft-vocabulary",
            "96",
            "--sampled-vocabulary",
            "80",
            "--precision",
            "float32",
            "--learning-rate",
            "2e-3",
            "--threads",
            "1",
            *options,
        ]
    )


@pytest.fixture(scope="module")
def toy_data(tmp_path_factory, tiny_model):
    folder = tmp_path_factory.mktemp("toy")
    write_toy_training_data(folder, tiny_model)
    return folder


@pytest.mark.parametrize("kind", ["jakiro", "jakiro-star", "eagle"])
def test_a_head_learns_the_rule_at_every_level(toy_data, tmp_path, kind):
    train(toy_data, "--out", str(tmp_path), "--kind", kind, "--steps", "150", "--steps-unrolled", "2")
    curve = json.loads((tmp_path / "curve.json").read_text())
    final = [entry["heldout"] for entry in curve if "heldout" in entry][-1]
    assert final["level 1"][1] > 0.9 and final["level 2"][1] > 0.8
    assert ("parallel after 1" in final) == (kind == "jakiro")
    if kind == "jakiro":
        assert final["parallel after 1"][1] > 0.7


def test_resuming_goes_on_and_extending_starts_before_the_decay(toy_data, tmp_path, capsys):
    train(toy_data, "--out", str(tmp_path), "--steps", "20")
    train(toy_data, "--out", str(tmp_path), "--steps", "30")
    assert "resumed at step 20" in capsys.readouterr().out
    latest, before = load_checkpoint(tmp_path / "latest.pt"), load_checkpoint(tmp_path / "before-decay.pt")
    assert latest["step"] == 30 and 14 <= before["step"] <= 21
    assert latest["tokens"] > before["tokens"] > 0
    train(toy_data, "--out", str(tmp_path), "--steps", "40", "--extend")
    assert f"resumed at step {before['step']}" in capsys.readouterr().out


def test_same_seed_same_head(toy_data, tmp_path):
    heads = []
    for run, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        train(toy_data, "--out", str(tmp_path / run), "--steps", "3", "--seed", seed)
        heads.append(load_checkpoint(tmp_path / run / "latest.pt")["head"]["fc.weight"])
    assert torch.equal(heads[0], heads[1]) and not torch.equal(heads[0], heads[2])


def test_resuming_keeps_the_scale_of_the_feature_loss(toy_data, tmp_path):
    out = ("--out", str(tmp_path / "run"), "--feature-weight", "0.1")
    train(toy_data, *out, "--steps", "2")
    scale = load_checkpoint(tmp_path / "run" / "latest.pt")["feature_scale"]
    assert not torch.equal(scale, torch.ones_like(scale))
    train(toy_data, *out, "--steps", "4")
    assert torch.equal(load_checkpoint(tmp_path / "run" / "latest.pt")["feature_scale"], scale)


def test_export_and_read_back(toy_data, tmp_path):
    train(toy_data, "--out", str(tmp_path / "run"), "--steps", "3", "--experts", "3", "--precision", "bfloat16")
    out = tmp_path / "heads" / "jakiro"
    command_line.main(
        [
            "export",
            "--checkpoint",
            str(tmp_path / "run" / "latest.pt"),
            "--out",
            str(out),
            "--int8",
            "--smoothing-sha256",
            "f" * 64,
        ]
    )
    config = json.loads((out / "config.json").read_text())
    assert (config["kind"], config["experts"], config["branches"], config["draft_vocabulary"]) == ("jakiro", 3, 1, 96)
    assert config["target_vocabulary"] == 288
    assert (
        config["smoothing_sha256"] == "f" * 64 and len(config["target_sha256"]) == 64 and config["tokens_trained"] > 0
    )
    head, d2t = load_exported(out)
    saved = load_checkpoint(tmp_path / "run" / "latest.pt")
    assert torch.equal(d2t, saved["d2t"].long())
    for name, value in head.state_dict().items():
        step = saved["head"][name].abs().amax(dim=-1, keepdim=True) / 127
        assert ((value - saved["head"][name]).abs() <= 0.51 * step + 1e-9).all(), name


def test_export_refuses_heads_too_large_together(toy_data, tmp_path):
    train(toy_data, "--out", str(tmp_path / "run"), "--steps", "1")
    (tmp_path / "heads" / "other").mkdir(parents=True)
    (tmp_path / "heads" / "other" / "model.safetensors").write_bytes(bytes(31 * 2**20))
    with pytest.raises(SystemExit, match="30 MiB"):
        command_line.main(
            ["export", "--checkpoint", str(tmp_path / "run" / "latest.pt"), "--out", str(tmp_path / "heads" / "jakiro")]
        )
    assert not list((tmp_path / "heads" / "jakiro").iterdir())


def test_quantized_rows_use_the_whole_range():
    matrix = torch.tensor([[1.0, -2.0, 0.5], [0.0, 0.0, 0.0]])
    steps, scale = quantize_rows(matrix)
    assert steps[0].tolist() == [64, -127, 32] and steps[1].tolist() == [0, 0, 0]
    torch.testing.assert_close(scale[0], torch.tensor(2 / 127))


def test_features_of_the_torch_backend_resume(toy_data, tmp_path, monkeypatch):
    from jakiro_training import features

    monkeypatch.setattr(features, "SHARD_TOKENS", 150)
    arguments = [
        "features",
        "--corpus",
        str(toy_data / "corpus"),
        "--model",
        str(TINY_MODEL),
        "--backend",
        "torch",
        "--out",
        str(tmp_path),
    ]
    command_line.main(arguments)
    shards = sorted(tmp_path.glob("train-*.npz"))
    tokens = np.concatenate([s.tokens for path in shards for s in read_feature_shard(path)])
    assert len(shards) > 2 and np.array_equal(tokens, read_token_shard(toy_data / "corpus" / "train-00000.npz").tokens)
    before = shards[1].read_bytes()
    untouched = shards[0].stat().st_mtime_ns
    shards[1].unlink()
    command_line.main(arguments)
    assert shards[1].read_bytes() == before and shards[0].stat().st_mtime_ns == untouched


def test_parts_of_the_features_step_share_the_work(toy_data, tmp_path, monkeypatch):
    from jakiro_training import features

    monkeypatch.setattr(features, "SHARD_TOKENS", 150)
    common = ["features", "--corpus", str(toy_data / "corpus"), "--model", str(TINY_MODEL), "--backend", "torch"]
    command_line.main([*common, "--out", str(tmp_path / "whole")])
    written = []
    for part in ("1/2", "2/2"):
        command_line.main([*common, "--out", str(tmp_path / "parts"), "--part", part])
        written.append({path.name for path in (tmp_path / "parts").glob("*.npz")})
    names = {path.name for path in (tmp_path / "whole").glob("*.npz")}
    assert written[1] == names and len(written[0]) == (len(names) + 1) // 2
    for bad in ("0/2", "3/2", "1", "a/b"):
        with pytest.raises(SystemExit):
            command_line.main([*common, "--out", str(tmp_path / "bad"), "--part", bad])


def test_features_predict_what_transformers_predicts(tiny_model):
    """Feature rows times LM-head rows are the model's own logits: the two halves training puts together."""
    from jakiro_training.torch_target import TorchTarget

    target = TorchTarget(TINY_MODEL)
    tokens = np.arange(20, 40)
    states, best_ids, best_probabilities = target.features_and_best(tokens, 5)
    logits = torch.from_numpy(states @ tiny_model.lm_head_rows().T)
    with torch.no_grad():
        expected = target.model(torch.from_numpy(tokens)[None]).logits[0]
    torch.testing.assert_close(logits, expected, rtol=1e-3, atol=1e-3)
    assert np.array_equal(best_ids[:, 0], expected.argmax(-1).numpy())
    assert target.greedy(tokens, 3, set())[0] == int(expected[-1].argmax())
    short, whole = target.features([tokens[:7], tokens])
    np.testing.assert_allclose(short, whole[:7], atol=1e-4)
    assert best_probabilities.shape == (20, 5)


def test_draft_vocabulary_holds_the_frequent_and_the_fixed(tiny_model):
    counts = np.zeros(tiny_model.config.vocabulary, np.int64)
    counts[[50, 60, 70]] = [5, 9, 1]
    always = always_included(tiny_model)
    chosen = choose_draft_vocabulary(counts, always, len(set(always)) + 2)
    assert set(always) | {50, 60} >= set(chosen.tolist()) >= set(always)
    assert {50, 60} <= set(chosen.tolist()) and list(chosen) == sorted(chosen)
    with pytest.raises(SystemExit, match="--draft-vocabulary"):
        choose_draft_vocabulary(counts, always, len(set(always)) - 1)


def test_sampled_rows_hold_the_batch_and_the_frequent():
    t2d = torch.full((100,), -1)
    t2d[torch.arange(0, 100, 2)] = torch.arange(50)
    rows = sampled_rows(torch.tensor([[4, 5, 96]]), t2d, torch.tensor([0, 1]), 20, torch.Generator().manual_seed(0))
    assert len(rows) == 20 and {0, 1, 2, 48} <= set(rows.tolist())
    assert sampled_rows(torch.tensor([[4]]), t2d, torch.tensor([0]), 50, torch.Generator()).tolist() == list(range(50))


def test_packing_keeps_sequences_whole():
    sequences = [FeatureSequence(np.full(n, n, np.int32), np.full((n, 4), n, np.float16)) for n in (7, 5, 4, 3, 9)]
    batch, placed = pack(sequences, 3, 10)
    assert placed == 28
    for n in (7, 5, 4, 3, 9):
        number = batch.segment[batch.tokens == n].unique()
        assert len(number) == 1 and (batch.segment == number).sum() == n
        assert (batch.features[batch.segment == number] == n).all()


def test_stream_reads_new_shards_first(toy_data):
    stream = FeatureStream(toy_data / "features", 1, 64, 0, passes={"train-00000.npz": 3})
    stream.next_batch()
    assert stream.passes["train-00001.npz"] == 1 and stream.distinct_shards == 2


@pytest.mark.parametrize(
    "step, progress, share",
    [(0, 0.0, 1 / WARM_UP_STEPS), (WARM_UP_STEPS, 0.5, 1.0), (9999, 0.85, 0.525), (9999, 1.0, 0.05)],
)
def test_learning_rate(step, progress, share):
    assert learning_rate(2.0, step, progress, 0.3) == pytest.approx(2.0 * share)


def test_budget_is_one_of_minutes_and_steps(toy_data, tmp_path):
    with pytest.raises(SystemExit, match="--minutes or --steps"):
        train(toy_data, "--out", str(tmp_path))


def test_an_ablation_without_contrast_is_not_exported(tmp_path):
    head = random_head("jakiro", 2)
    ablation = DraftHead(replace(head.config, contrast=False))
    with pytest.raises(ValueError, match="--no-contrast"):
        save_head(tmp_path, ablation, torch.arange(40), False, {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind, experts", [("jakiro", 3), ("eagle", 0)])
@pytest.mark.parametrize("int8", [False, True])
def test_bytes_are_those_that_an_export_has(tmp_path, kind, experts, int8):
    head, d2t = random_head(kind, experts), torch.arange(40)
    save_head(tmp_path, head, d2t, int8, {})
    tensors = load_file(tmp_path / "model.safetensors")
    assert exported_bytes(head, int8) == sum(t.nbytes for name, t in tensors.items() if name != "d2t")


def test_heads_keep_their_shape_on_disk(tmp_path):
    head = random_head("jakiro-star", 2)
    save_head(tmp_path, head, torch.arange(40), False, {})
    again, _ = load_exported(tmp_path)
    assert again.config == head.config
    assert all(torch.equal(a, b) for a, b in zip(head.state_dict().values(), again.state_dict().values()))


def test_features_on_the_fly_are_those_of_the_target(toy_data, tmp_path):
    from jakiro_training.on_the_fly import TargetStream
    from jakiro_training.torch_target import TorchTarget

    target = TorchTarget(TINY_MODEL)
    batch, placed = TargetStream(toy_data / "corpus", target, 2, 64, 0).next_batch()
    assert placed == (batch.segment >= 0).sum() == 120
    for number in batch.segment[batch.segment >= 0].unique():
        mine = batch.segment == number
        expected = target.features([batch.tokens[mine].numpy()])[0]
        np.testing.assert_allclose(batch.features[mine].numpy(), expected, atol=1e-4)
    train(toy_data, "--out", str(tmp_path), "--steps", "2", "--on-the-fly")
    assert load_checkpoint(tmp_path / "latest.pt")["step"] == 2


def test_muon_learns_and_resumes(toy_data, tmp_path, capsys):
    options = ("--out", str(tmp_path), "--optimizer", "muon", "--steps-unrolled", "1")
    train(toy_data, "--steps", "40", *options, "--learning-rate", "1e-2")
    train(toy_data, "--steps", "60", *options, "--learning-rate", "1e-2")
    assert "resumed at step 40" in capsys.readouterr().out
    final = [e["heldout"] for e in json.loads((tmp_path / "curve.json").read_text()) if "heldout" in e][-1]
    assert final["level 1"][1] > 0.5

import json

import numpy as np
import pytest
import torch

from jakiro_training import __main__ as command_line
from jakiro_training.evaluate import Evaluation, Tally
from jakiro_training.head import DraftHead, HeadConfig
from jakiro_training.teacher import TeacherText, read_prompts
from jakiro_training.tree import ReferenceDrafter, Tree

from conftest import TINY_MODEL, write_toy_training_data


class ScriptedDrafter(ReferenceDrafter):
    """Proposes a chain that is right for `right` tokens."""

    text: list[int]
    right = 2

    @property
    def length(self):
        return getattr(self, "_rows", 0)

    def draft(self, root, next_tokens, features, depth, branching):
        self._rows = self.length + len(next_tokens)
        self.forwards += depth
        assert self.text[self._rows] == root and len(features) == len(next_tokens)
        tree, node = Tree([root]), 0
        for i in range(depth):
            ahead = self._rows + 1 + i
            token = self.text[ahead] if ahead < len(self.text) and i < self.right else -1
            node = tree.add(node, token, -0.1)
        return tree


def test_rounds_count_what_they_commit(tiny_model, monkeypatch):
    from jakiro_training import evaluate

    config = tiny_model.config
    head = DraftHead(HeadConfig("eagle", 64, 4, 1, 16, 1e6, config.norm_epsilon, True, 0, 64, 30))
    tokens = np.arange(20)
    best = np.tile(np.arange(20, dtype=np.int32) + 1, (4, 1)).T
    text = TeacherText(tokens, np.zeros((20, 64), np.float16), best, np.full((20, 4), 0.2, np.float32), start=8)
    monkeypatch.setattr(ScriptedDrafter, "text", tokens.tolist(), raising=False)
    monkeypatch.setattr(evaluate, "ReferenceDrafter", ScriptedDrafter)
    tally = Tally()
    Evaluation(head, torch.arange(30), tiny_model, depth=4, branching=1, wrong_parent_rows=False).run_text(
        text, 60, tally
    )
    # From root 8 three tokens a round: roots 8, 11, 14, 17, and at 17 the text ends after the two drafted ones.
    summary = tally.summary()
    assert tally.rounds == 4 and tally.committed == 11 == 20 - 1 - 8
    assert summary["tau"] == pytest.approx(11 / 4) and summary["draftForwardsPerRound"] == 4
    assert summary["acceptanceByDepth"] == [1.0, 1.0, 0.0]
    assert summary["generatedTokens"] == 12 and summary["targetMassOfRootChildren"] == pytest.approx(0.8)


def test_prompts_are_spread_over_the_suite(tmp_path):
    (tmp_path / "suite.jsonl").write_text("".join(json.dumps({"prompt": str(i)}) + "\n" for i in range(10)))
    assert read_prompts(tmp_path / "suite.jsonl", 4) == ["0", "2", "5", "7"]
    assert len(read_prompts(tmp_path / "suite.jsonl", 99)) == 10


def test_the_step_from_checkpoint_to_json(tmp_path, tiny_model):
    write_toy_training_data(tmp_path, tiny_model)
    command_line.main(
        [
            "train_head",
            "--features",
            str(tmp_path / "features"),
            "--corpus",
            str(tmp_path / "corpus"),
            "--model",
            str(TINY_MODEL),
            "--device",
            "cpu",
            "--rows",
            "1",
            "--length",
            "64",
            "--draft-vocabulary",
            "96",
            "--steps",
            "2",
            "--out",
            str(tmp_path / "run"),
            "--precision",
            "float32",
            "--threads",
            "1",
        ]
    )
    (tmp_path / "suite.jsonl").write_text(json.dumps({"prompt": "def f(x):\n    return"}) + "\n")
    command_line.main(
        [
            "evaluate",
            "--head",
            str(tmp_path / "run" / "latest.pt"),
            "--model",
            str(TINY_MODEL),
            "--suite",
            str(tmp_path / "suite.jsonl"),
            "--tokens",
            "12",
            "--cache",
            str(tmp_path / "cache"),
            "--threads",
            "1",
            "--nodes",
            "4",
            "16",
            "--json",
            str(tmp_path / "result.json"),
        ]
    )
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["kind"] == "jakiro" and set(result["byNodes"]) == {"4", "16"}
    assert all(1 <= entry["tau"] <= 7 for entry in result["byNodes"].values())
    assert result["byNodes"]["16"]["tau"] >= result["byNodes"]["4"]["tau"]

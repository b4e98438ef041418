import json

import numpy as np
import pytest
import torch

from jakiro_training import __main__ as command_line
from jakiro_training import evaluate
from jakiro_training.evaluate import Evaluation, Tally
from jakiro_training.head import DraftHead, HeadConfig
from jakiro_training.part_times import part_times
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
    head = DraftHead(config_for(tiny_model))
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


def test_coverage_is_of_the_best_next_tokens_after_every_token(tiny_model):
    head, d2t = DraftHead(config_for(tiny_model)), torch.arange(30)
    head.initialize(0)
    random = np.random.default_rng(1)
    tokens = random.integers(0, 30, 14)
    best = np.tile(np.arange(30, dtype=np.int32), (14, 1))
    masses = random.dirichlet(np.ones(30), 14).astype(np.float32)
    text = TeacherText(tokens, random.normal(size=(14, 64)).astype(np.float16), best, masses, start=5)
    evaluation = Evaluation(head, d2t, tiny_model, depth=3, branching=2)
    covered = evaluation.coverage(text)
    assert covered.shape == (14 - 1 - 5, 4)
    for root in (5, 9, 12):
        drafter = ReferenceDrafter(head, evaluation.embed, evaluation.draft_lm_head, d2t)
        features = torch.from_numpy(text.features).float()[:root]
        tree = drafter.draft(int(tokens[root]), tokens[1 : root + 1].tolist(), features, 1, 8)
        expected = [masses[root][tree.tokens[1 : 1 + size]].sum() for size in (1, 2, 4, 8)]
        np.testing.assert_allclose(covered[root - 5], expected, rtol=1e-5)


def test_parts_of_a_forward_take_time(tiny_model):
    lm_head = torch.randn(30, 64)
    for config in (config_for(tiny_model), config_for(tiny_model, "jakiro", 2)):
        times = part_times(DraftHead(config), lm_head, rows=4, keys=16, repetitions=3)
        assert list(times) == ["attention", "gate", "experts", "lmHead"]
        assert all(0 <= milliseconds < 1000 for milliseconds in times.values()) and times["attention"] > 0


def config_for(model, kind="eagle", experts=0):
    return HeadConfig(kind, 64, 4, 1, 16, 1e6, model.config.norm_epsilon, True, experts, 64, 30)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory, tiny_model):
    """A tiny head's checkpoint and its int8 export, both evaluated on one text: their results by name."""
    folder = tmp_path_factory.mktemp("evaluated")
    write_toy_training_data(folder, tiny_model)
    paths = {"features": folder / "features", "corpus": folder / "corpus", "model": TINY_MODEL, "out": folder / "run"}
    shape = {"rows": 1, "length": 64, "draft-vocabulary": 96, "steps": 2, "threads": 1}
    options = paths | shape | {"device": "cpu", "precision": "float32"}
    command_line.main(["train_head", *arguments(options)])
    checkpoint, exported = folder / "run" / "latest.pt", folder / "heads" / "jakiro"
    command_line.main(["export", "--checkpoint", str(checkpoint), "--out", str(exported), "--int8"])
    (folder / "suite.jsonl").write_text(json.dumps({"prompt": "def f(x):\n    return"}) + "\n")
    texts = {"model": TINY_MODEL, "suite": folder / "suite.jsonl", "cache": folder / "cache", "tokens": 12}
    for name, head in {"float32": checkpoint, "int8": exported}.items():
        options = texts | {"head": head, "threads": 1, "json": folder / f"{name}.json"}
        command_line.main(["evaluate", *arguments(options), "--nodes", "4", "16"])
    return {name: folder / f"{name}.json" for name in ("float32", "int8")}


def arguments(options):
    return [part for name, value in options.items() for part in (f"--{name}", str(value))]


def test_the_step_from_checkpoint_to_json(evaluated):
    result = json.loads(evaluated["float32"].read_text())
    assert result["kind"] == "jakiro" and set(result["byNodes"]) == {"4", "16"}
    assert all(1 <= entry["tau"] <= 7 for entry in result["byNodes"].values())
    assert result["byNodes"]["16"]["tau"] >= result["byNodes"]["4"]["tau"]
    masses = list(result["targetMassOfBest"].values())
    assert masses == sorted(masses) and masses[-1] <= 1
    assert set(result["costs"]["milliseconds"]) == {"1", "8"}


def test_a_run_that_was_cut_goes_on_at_the_tree_size_where_it_stopped(evaluated, tmp_path, monkeypatch, capsys):
    folder, path = evaluated["float32"].parent, tmp_path / "results.json"
    sizes, of_size = [], evaluate.tau_of

    def cut(evaluation, texts, nodes):
        sizes.append(nodes)
        if nodes == cut_at:
            raise KeyboardInterrupt
        return of_size(evaluation, texts, nodes)

    def run(*more):
        texts = {"model": TINY_MODEL, "suite": folder / "suite.jsonl", "cache": folder / "cache", "tokens": 12}
        options = texts | {"head": folder / "run" / "latest.pt", "threads": 1, "json": path}
        command_line.main(["evaluate", *arguments(options), "--nodes", "2", "4", "16", *more])

    monkeypatch.setattr(evaluate, "tau_of", cut)
    cut_at = 16
    with pytest.raises(KeyboardInterrupt):
        run()
    partly = json.loads(path.read_text())
    assert list(partly["byNodes"]) == ["2", "4"] and sizes == [2, 4, 16]
    assert "coverage: 1/1" in capsys.readouterr().out
    cut_at = None
    run()
    whole = json.loads(path.read_text())
    assert sizes == [2, 4, 16, 16] and list(whole["byNodes"]) == ["2", "4", "16"]
    assert whole["costs"] == partly["costs"] and "coverage" not in capsys.readouterr().out
    assert whole["byNodes"]["16"] == json.loads(evaluated["float32"].read_text())["byNodes"]["16"]
    run("--branching", "4")
    assert sizes[4:] == [2, 4, 16], "other trees are evaluated anew"
    run("--branching", "4", "--head", str(folder / "heads" / "jakiro"))
    assert sizes[7:] == [2, 4, 16], "another head as well"
    assert not list(tmp_path.glob("*.partial"))


def test_an_export_is_evaluated_as_a_checkpoint_is(evaluated):
    exact, steps = (json.loads(evaluated[name].read_text()) for name in ("float32", "int8"))
    assert (exact["weights"], steps["weights"]) == ("float32", "int8")
    assert set(exact) == set(steps) and exact["costs"]["bytes"] == steps["costs"]["bytes"]
    assert all(steps["byNodes"][size].keys() == exact["byNodes"][size].keys() for size in ("4", "16"))


def test_tables_compare_heads_with_the_first(evaluated, tmp_path, capsys):
    second = json.loads(evaluated["int8"].read_text())
    second["byNodes"]["16"]["tau"] = 1.02 * json.loads(evaluated["float32"].read_text())["byNodes"]["16"]["tau"]
    (tmp_path / "int8.json").write_text(json.dumps(second))
    capsys.readouterr()
    command_line.main(["tables", str(evaluated["float32"]), str(tmp_path / "int8.json")])
    blocks = capsys.readouterr().out.strip().split("\n\n")
    assert [title.split(" ")[0] for title in blocks[::2]] == ["Tau", "Acceptance", "Diversity", "Size,"]
    for block in blocks[1::2]:
        lines = block.splitlines()
        assert len(lines) == 4 and len({line.count("|") for line in lines}) == 1
        assert [line.split(" | ")[0] for line in lines[2:]] == ["| float32", "| int8"]
    assert blocks[1].splitlines()[0] == "|  | 4 | 16 |" and blocks[1].endswith("(+2.0 %) |")
    second["branching"] = 4
    (tmp_path / "int8.json").write_text(json.dumps(second))
    with pytest.raises(SystemExit, match="different"):
        command_line.main(["tables", str(evaluated["float32"]), str(tmp_path / "int8.json")])

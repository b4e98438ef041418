"""The committed golden heads are what this code computes: a changed formula must show here, not only in the engine."""

import json

import pytest
import torch
from safetensors.torch import load_file

from jakiro_training.exported_head import SCALE_SUFFIX, load_exported
from jakiro_training.tree import ReferenceDrafter

from conftest import ROOT

FOLDER = ROOT / "test" / "fixtures" / "heads"


@pytest.mark.parametrize("name", ["jakiro", "jakiro-4-experts", "jakiro-star", "eagle"])
def test_outputs_and_trees(name):
    target = load_file(FOLDER / "target.safetensors")
    embedding, lm_head = (
        target[part].float() * target[part + SCALE_SUFFIX][:, None] for part in ("embedding", "lm_head")
    )
    head, d2t = load_exported(FOLDER / name)
    golden = load_file(FOLDER / name / "golden.safetensors")
    tokens = golden["next_tokens"].tolist()
    drafter = ReferenceDrafter(head, lambda ids: embedding[torch.tensor(ids)], lm_head[d2t], d2t)
    with torch.no_grad():
        for row, token in enumerate(tokens):
            output = drafter._append([token], golden["features"][row : row + 1])
            found = {"y1": output.y1, "y2": output.y2} | {f"branch_{i}": b for i, b in enumerate(output.branches)}
            for part, value in found.items():
                if value is not None:
                    torch.testing.assert_close(value[0], golden[part][row], rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(lm_head[d2t] @ output.y1[0], golden["draft_logits"][row], rtol=1e-4, atol=1e-4)

    drafter = ReferenceDrafter(head, lambda ids: embedding[torch.tensor(ids)], lm_head[d2t], d2t)
    for case in json.loads((FOLDER / name / "trees.json").read_text()):
        features = torch.tensor(case["features"])
        pool = drafter.draft(case["next_tokens"][-1], case["next_tokens"], features, case["depth"], case["branching"])
        tree = pool.rerank(case["nodes"])
        assert (tree.tokens, tree.parents) == (case["tokens"], case["parents"])
        assert tree.values == pytest.approx(case["values"], abs=1e-4)

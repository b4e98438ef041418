"""Writes test/fixtures/heads: tiny random heads with their outputs and draft trees, the engine's golden cases.

    python training/make_head_fixtures.py

target.safetensors   embedding and lm_head [300, 64] of the imagined target, int8 rows with float32 scales
NAME/                config.json and model.safetensors as heads ship, and beside them
  golden.safetensors   features [6, 64] and next_tokens [6] in; y1, y2, branch_0, branch_1 [6, 64] of every row and
  draft logits of
                       its y1, [6, 40], out: rows at positions 0..5, each seeing those before it
  trees.json           two rounds: the first over those six rows, the second over three more; each with its tree after
  the rerank
                       (tokens, parents, values in the order of jakiro_training/tree.py) and the number of draft
                       forwards
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parent))

from jakiro_training.exported_head import SCALE_SUFFIX, load_exported, quantize_rows, save_head
from jakiro_training.head import DraftHead, HeadConfig
from jakiro_training.tree import ReferenceDrafter, Tree
from jakiro_training.unroll import Batch, unrolled_outputs

HIDDEN, VOCABULARY, DRAFT_VOCABULARY = 64, 300, 40
# Kind, experts, intermediate size.
HEADS = {
    "jakiro": ("jakiro", 2, 64),
    "jakiro-4-experts": ("jakiro", 4, 32),
    "jakiro-star": ("jakiro-star", 2, 32),
    "eagle": ("eagle", 0, 64),
}
ROUND_ROWS = (6, 3)
DEPTH, BRANCHING, NODES = 4, 3, 14
LEAST_MARGIN = 3e-4


def write_fixtures(folder: Path) -> None:
    generator = torch.Generator().manual_seed(7)
    folder.mkdir(parents=True, exist_ok=True)
    embedding, lm_head = (_int8_matrix(generator, VOCABULARY, HIDDEN, scale) for scale in (1.0, 0.2))
    save_file(
        {
            name + suffix: value
            for name, matrix in (("embedding", embedding), ("lm_head", lm_head))
            for suffix, value in (("", matrix[0]), (SCALE_SUFFIX, matrix[1]))
        },
        folder / "target.safetensors",
    )
    for name, shape in HEADS.items():
        seed = next(
            s for s in range(1000) if _write_head(folder / name, shape, _expand(embedding), _expand(lm_head), s)
        )
        print(f"{name}: seed {seed}")


def _int8_matrix(
    generator: torch.Generator, rows: int, columns: int, scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    return quantize_rows(torch.randn(rows, columns, generator=generator) * scale)


def _expand(matrix: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return matrix[0].float() * matrix[1][:, None]


def _write_head(
    folder: Path, shape: tuple[str, int, int], embedding: torch.Tensor, lm_head: torch.Tensor, seed: int
) -> bool:
    """Writes one head's case; false where two values decide the tree by less than LEAST_MARGIN, so that rounding
    could."""
    kind, experts, intermediate = shape
    generator = torch.Generator().manual_seed(seed)
    config = HeadConfig(
        kind=kind,
        hidden=HIDDEN,
        heads=4,
        kv_heads=2,
        head_dim=16,
        rope_base=10_000.0,
        norm_epsilon=1e-6,
        qkv_bias=True,
        experts=experts,
        intermediate=intermediate,
        draft_vocabulary=DRAFT_VOCABULARY,
    )
    head = DraftHead(config)
    with torch.no_grad():
        for name, parameter in head.named_parameters():
            parameter.copy_(
                torch.randn(parameter.shape, generator=generator)
                * (1.3 / parameter.shape[-1] ** 0.5 if parameter.ndim == 2 else 0.3)
            )
            if name.endswith("layernorm.weight"):
                parameter.add_(1.0)
    d2t = torch.randperm(VOCABULARY, generator=generator)[:DRAFT_VOCABULARY].sort().values
    save_head(folder, head, d2t, True, {"target_sha256": "0" * 64})
    head, d2t = load_exported(folder)

    tokens = torch.randint(VOCABULARY, (sum(ROUND_ROWS),), generator=generator)
    features = torch.randn(sum(ROUND_ROWS), HIDDEN, generator=generator)
    first = ROUND_ROWS[0]
    outputs = _teacher_forced(head, embedding, tokens[:first], features[:first])
    outputs["draft_logits"] = outputs["y1"] @ lm_head[d2t].T
    save_file(
        {"features": features[:first].contiguous(), "next_tokens": tokens[:first].to(torch.int32), **outputs},
        folder / "golden.safetensors",
    )

    drafter = ReferenceDrafter(head, lambda ids: embedding[torch.tensor(ids)], lm_head[d2t], d2t)
    rounds, start = [], 0
    for count in ROUND_ROWS:
        rows, before = slice(start, start + count), drafter.forwards
        pool = drafter.draft(int(tokens[rows][-1]), tokens[rows].tolist(), features[rows], DEPTH, BRANCHING)
        if _margin(pool) < LEAST_MARGIN:
            return False
        tree = pool.rerank(NODES)
        rounds.append(
            {
                "next_tokens": tokens[rows].tolist(),
                "features": features[rows].tolist(),
                "depth": DEPTH,
                "branching": BRANCHING,
                "nodes": NODES,
                "tokens": tree.tokens,
                "parents": tree.parents,
                "values": tree.values,
                "draft_forwards": drafter.forwards - before,
            }
        )
        start += count
    (folder / "trees.json").write_text(json.dumps(_rounded(rounds)) + "\n")
    return True


def _teacher_forced(
    head: DraftHead, embedding: torch.Tensor, next_tokens: torch.Tensor, features: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Every row's outputs by the training pass: token t + 1 of the batch is next_tokens[t]."""
    count = len(next_tokens)
    tokens = torch.cat([torch.zeros(1, dtype=torch.long), next_tokens])[None]
    padded = torch.cat([features, torch.zeros(1, HIDDEN)])[None]
    batch = Batch(tokens, padded, torch.zeros(1, count + 1, dtype=torch.long))
    with torch.no_grad():
        output = unrolled_outputs(head, batch, embedding[tokens], padded, 1, torch.Generator())[0]
    named = {"y1": output.y1, "y2": output.y2, **{f"branch_{i}": b for i, b in enumerate(output.branches)}}
    return {name: value[0, :count].contiguous() for name, value in named.items() if value is not None}


def _margin(tree: Tree) -> float:
    """The smallest difference between two nodes' values: what a rounding error would have to bridge to change the
    tree."""
    values = sorted(tree.values[1:])
    return min(b - a for a, b in zip(values, values[1:]))


def _rounded(value):
    """Floats as float32 prints them: short, and exact when read back into float32."""
    if isinstance(value, float):
        return float(f"{value:.8g}")
    if isinstance(value, list):
        return [_rounded(v) for v in value]
    return {k: _rounded(v) for k, v in value.items()} if isinstance(value, dict) else value


if __name__ == "__main__":
    write_fixtures(Path(__file__).parents[1] / "test" / "fixtures" / "heads")

"""The reduced vocabulary a head drafts from: the corpus's most frequent tokens, and those code cannot do without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from .gguf_model import GgufModel
from .shards import read_token_shard, shard_paths

ALWAYS_SPECIAL = (
    "<|endoftext|>",
    "<|im_end|>",
    "<|fim_prefix|>",
    "<|fim_suffix|>",
    "<|fim_middle|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
)
BYTE_SPACE, BYTE_NEWLINE, BYTE_TAB = "\u0120", "\u010a", "\u0109"


def always_included(model: GgufModel) -> list[int]:
    """Digits, newlines, indentation by spaces and tabs, and the special tokens that end or order a completion."""
    index = {text: i for i, text in enumerate(model.token_strings)}
    wanted = [str(d) for d in range(10)]
    wanted += (
        [BYTE_NEWLINE * n for n in range(1, 5)]
        + [BYTE_TAB * n for n in range(1, 9)]
        + [BYTE_SPACE * n for n in range(1, 33)]
    )
    ids = [index[text] for text in wanted if text in index]
    return ids + [i for text in ALWAYS_SPECIAL if (i := model.token_id(text)) is not None]


def choose_draft_vocabulary(counts: np.ndarray, always: list[int], size: int) -> np.ndarray:
    """d2t: `size` target ids in ascending order, `always` among them, the rest the most frequent (ties to the smaller
    id)."""
    if not len(set(always)) <= size <= len(counts):
        raise ValueError(
            f"A draft vocabulary of {size} tokens must hold {len(set(always))} fixed ones and at most {len(counts)}."
        )
    priority = counts.astype(np.int64).copy()
    priority[always] = np.iinfo(np.int64).max
    return np.sort(np.argsort(-priority, kind="stable")[:size]).astype(np.int32)


def corpus_counts(folder: Path, vocabulary: int) -> np.ndarray:
    """How often each token occurs in a corpus's training shards."""
    counts = np.zeros(vocabulary, np.int64)
    for path in shard_paths(folder, "train"):
        counts += np.bincount(read_token_shard(path).tokens.astype(np.int64), minlength=vocabulary)
    return counts


def sampled_rows(
    tokens: torch.Tensor, t2d: torch.Tensor, frequent: torch.Tensor, size: int, generator: torch.Generator
) -> torch.Tensor:
    """Draft ids a training step's softmax runs over: the frequent ones, those of the batch's own tokens, and random
    others, `size` in all.

    t2d [vocabulary] maps target ids to draft ids, -1 where there is none; `frequent` holds draft ids. Over many steps
    every row of the draft vocabulary is trained, at the cost of a smaller one.
    """
    if size >= int((t2d >= 0).sum()):
        return torch.arange(int((t2d >= 0).sum()))
    chosen = torch.zeros(int((t2d >= 0).sum()), dtype=torch.bool)
    chosen[frequent] = True
    own = t2d[tokens.flatten()]
    chosen[own[own >= 0]] = True
    others = (~chosen).nonzero().flatten()
    missing = max(0, size - int(chosen.sum()))
    chosen[others[torch.randperm(len(others), generator=generator)[:missing]]] = True
    return chosen.nonzero().flatten()

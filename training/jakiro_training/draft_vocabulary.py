"""The reduced vocabulary a head drafts from: the corpus's most frequent tokens, and those code cannot do without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from .gguf_model import GgufModel
from .shards import read_token_shard, shard_paths
from .special_tokens import COMPLETION_MARKS

BYTE_LEVEL = {"newline": "\u010a", "tab": "\u0109", "space": "\u0120"}
SENTENCEPIECE = {"newline": "<0x0A>", "tab": "<0x09>", "space": "▁"}


def always_included(model: GgufModel) -> list[int]:
    """Digits, newlines, indentation by spaces and tabs, and the special tokens that end or order a completion."""
    tokenizer = model.tokenizer
    spelled = SENTENCEPIECE if tokenizer.is_sentencepiece else BYTE_LEVEL
    index = {text: i for i, text in enumerate(tokenizer.tokens)}
    wanted = [str(d) for d in range(10)]
    for what, longest in (("newline", 4), ("tab", 8), ("space", 32)):
        wanted += [spelled[what] * n for n in range(1, longest + 1)]
    ids = [index[text] for text in wanted if text in index]
    ends = [] if tokenizer.text_end is None else [tokenizer.text_end]
    return ids + ends + [i for text in COMPLETION_MARKS if (i := tokenizer.token_id(text)) is not None]


def choose_draft_vocabulary(counts: np.ndarray, always: list[int], size: int) -> np.ndarray:
    """d2t: `size` target ids in ascending order, `always` among them, the rest the most frequent (ties to the smaller
    id). SystemExit where a vocabulary of that size cannot be."""
    fewest, most = len(set(always)), len(counts)
    if not fewest <= size <= most:
        raise SystemExit(f"--draft-vocabulary {size} is out of range: give {fewest} to {most} for this model.")
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

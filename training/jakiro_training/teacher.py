"""The text evaluation drafts against: the target's own greedy continuations with its features, computed once and
cached."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .gguf_model import GgufModel
from .progress import Progress
from .shards import write_arrays

BEST = 64


@dataclass(frozen=True)
class TeacherText:
    """tokens [n]: prompt and greedy continuation, which begins at `start`; features [n, hidden] float16 after each
    token.

    best_ids, best_probabilities [n, BEST]: the target's most probable next tokens after each token.
    """

    tokens: np.ndarray
    features: np.ndarray
    best_ids: np.ndarray
    best_probabilities: np.ndarray
    start: int

    def mass(self, position: int, tokens: list[int]) -> float:
        """The target's probability that the token after `position` is one of these, as far as its BEST tell."""
        return float(self.best_probabilities[position][np.isin(self.best_ids[position], tokens)].sum())


def read_prompts(suite: Path, limit: int) -> list[str]:
    """`limit` prompts spread evenly over a HumanEval-like suite (.jsonl or .jsonl.gz)."""
    opener = gzip.open if suite.suffix == ".gz" else open
    with opener(suite, "rt", encoding="utf-8") as lines:
        prompts = [json.loads(line)["prompt"] for line in lines if line.strip()]
    count = min(limit, len(prompts))
    return [prompts[i * len(prompts) // count] for i in range(count)]


def teacher_texts(model: GgufModel, suite: Path, limit: int, tokens: int, cache: Path) -> list[TeacherText]:
    """Continuations of the suite's prompts, read from the cache folder where they are already there."""
    cache.mkdir(parents=True, exist_ok=True)
    tokenizer, stops = model.tokenizer, model.tokenizer.end_tokens
    begin = [] if tokenizer.begin_token is None else [tokenizer.begin_token]
    prompts = read_prompts(suite, limit)
    progress = Progress("teacher texts", len(prompts))
    target, texts = None, []
    for prompt in prompts:
        ids = np.asarray([*begin, *tokenizer.encoder.encode(prompt).ids])
        path = cache / f"{model.sha256[:12]}-{_key(prompt)}-{tokens}.npz"
        if not path.exists():
            if target is None:
                from .torch_target import TorchTarget

                target = TorchTarget(model.path)
            whole = np.concatenate([ids, target.greedy(ids, tokens, stops)])
            features, best_ids, best_probabilities = target.features_and_best(whole, BEST)
            write_arrays(
                path,
                tokens=whole.astype(np.int32),
                features=features.astype(np.float16),
                best_ids=best_ids.astype(np.int32),
                best_probabilities=best_probabilities.astype(np.float32),
            )
        with np.load(path) as arrays:
            texts.append(TeacherText(**arrays, start=len(ids)))
        progress.advance(1)
    return texts


def _key(prompt: str) -> str:
    return hashlib.sha256(prompt.encode()).hexdigest()[:16]

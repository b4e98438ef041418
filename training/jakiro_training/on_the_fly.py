"""Training batches whose features the target computes as they are needed: where a GPU makes that faster than reading
them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from .feature_shards import plan
from .shards import read_token_shard, shard_paths
from .torch_target import TorchTarget
from .unroll import Batch


class TargetStream:
    """Endless batches over a corpus's training shards, those read least often first; the interface of FeatureStream."""

    def __init__(
        self, corpus: Path, target: TorchTarget, rows: int, length: int, seed: int, passes: dict[str, int] | None = None
    ):
        self.target, self.rows, self.length = target, rows, length
        self.passes: dict[str, int] = dict(passes or {})
        self._paths = shard_paths(corpus, "train")
        self._random = np.random.default_rng([seed, sum(self.passes.values())])
        self._pool: list[np.ndarray] = []

    @property
    def distinct_shards(self) -> int:
        return len(self.passes)

    def next_batch(self) -> tuple[Batch, int]:
        """The next batch, its features on the target's device, and how many tokens it holds."""
        chosen, room = [], self.rows * self.length
        while room > 0:
            if not self._pool:
                self._refill()
            chosen.append(self._pool.pop()[: self.length])
            room -= len(chosen[-1])
        padded = torch.zeros(len(chosen), self.length, dtype=torch.long)
        for number, sequence in enumerate(chosen):
            padded[number, : len(sequence)] = torch.from_numpy(sequence.astype(np.int64))
        states = self.target.padded_features(padded)
        tokens = torch.zeros(self.rows, self.length, dtype=torch.long)
        segment = torch.full((self.rows, self.length), -1)
        features = states.new_zeros(self.rows, self.length, states.shape[-1])
        places = plan([len(s) for s in chosen], self.rows, self.length)
        for place in places:
            columns = slice(place.start, place.start + place.size)
            tokens[place.row, columns] = padded[place.sequence, : place.size]
            features[place.row, columns] = states[place.sequence, : place.size]
            segment[place.row, columns] = place.sequence
        return Batch(tokens, features, segment), sum(p.size for p in places)

    def _refill(self) -> None:
        path = min(self._paths, key=lambda p: (self.passes.get(p.name, 0), self._random.random()))
        shard = read_token_shard(path)
        self._pool = [shard.sequence(i) for i in range(len(shard))]
        self._random.shuffle(self._pool)
        self.passes[path.name] = self.passes.get(path.name, 0) + 1

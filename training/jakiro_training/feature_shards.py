"""Shards of target features, and the stream of packed training batches drawn from them while they are still being
written."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from .shards import shard_paths, write_arrays
from .unroll import Batch

POOL_SHARDS = 4


@dataclass(frozen=True)
class FeatureSequence:
    """One sequence: tokens [n] int32 and the target's features after each of them, [n, hidden] float16."""

    tokens: np.ndarray
    features: np.ndarray


def write_feature_shard(path: Path, sequences: list[FeatureSequence], language: np.ndarray, fim: np.ndarray) -> None:
    """tokens [n] int32, features [n, hidden] float16 (clipped to its range), offsets [sequences + 1]; language and
    fim per sequence."""
    offsets = np.concatenate([[0], np.cumsum([len(s.tokens) for s in sequences])]).astype(np.int64)
    limit = float(np.finfo(np.float16).max)
    features = np.concatenate([np.clip(s.features, -limit, limit).astype(np.float16) for s in sequences])
    write_arrays(
        path,
        tokens=np.concatenate([s.tokens for s in sequences]).astype(np.int32),
        features=features,
        offsets=offsets,
        language=language.astype(np.uint8),
        fim=fim.astype(np.uint8),
    )


def read_feature_shard(path: Path) -> list[FeatureSequence]:
    with np.load(path) as arrays:
        tokens, features, offsets = arrays["tokens"], arrays["features"], arrays["offsets"]
    return [FeatureSequence(tokens[a:b], features[a:b]) for a, b in zip(offsets[:-1], offsets[1:])]


@dataclass(frozen=True)
class Place:
    """Where a sequence goes in a packed batch: `size` tokens of sequence number `sequence` from column `start` of
    `row` on."""

    sequence: int
    row: int
    start: int
    size: int


def plan(lengths: list[int], rows: int, length: int) -> list[Place]:
    """Places sequences in [rows, length], longest first into the fullest row that has room.

    Sequences longer than `length` are cut; those that find no room are left out.
    """
    used, places = [0] * rows, []
    for number in sorted(range(len(lengths)), key=lambda n: -lengths[n]):
        size = min(lengths[number], length)
        fitting = [row for row in range(rows) if used[row] + size <= length]
        if fitting:
            row = max(fitting, key=lambda r: used[r])
            places.append(Place(number, row, used[row], size))
            used[row] += size
    return places


def pack(sequences: list[FeatureSequence], rows: int, length: int) -> tuple[Batch, int]:
    """The batch that `plan` lays out, and the tokens it holds."""
    tokens, segment = np.zeros((rows, length), np.int64), np.full((rows, length), -1, np.int64)
    features = np.zeros((rows, length, sequences[0].features.shape[1]), np.float16)
    places = plan([len(s.tokens) for s in sequences], rows, length)
    for place in places:
        columns, sequence = slice(place.start, place.start + place.size), sequences[place.sequence]
        tokens[place.row, columns] = sequence.tokens[: place.size]
        features[place.row, columns] = sequence.features[: place.size]
        segment[place.row, columns] = place.sequence
    return Batch(torch.from_numpy(tokens), torch.from_numpy(features), torch.from_numpy(segment)), sum(
        p.size for p in places
    )


class FeatureStream:
    """Endless batches from the train shards of a folder: shards never read before come first, then those read least
    often.

    Sequences of POOL_SHARDS shards are mixed. `passes` (shard name -> times read) is what a checkpoint keeps.
    """

    def __init__(self, folder: Path, rows: int, length: int, seed: int, passes: dict[str, int] | None = None):
        self.folder, self.rows, self.length = folder, rows, length
        self.passes: dict[str, int] = dict(passes or {})
        self._random = np.random.default_rng([seed, sum(self.passes.values())])
        self._pool: list[FeatureSequence] = []

    def next_batch(self) -> tuple[Batch, int]:
        """The next batch and how many tokens it holds; waits for the first shard where there is none yet."""
        chosen, room = [], self.rows * self.length
        while room > 0:
            self._refill()
            sequence = self._pool.pop()
            chosen.append(sequence)
            room -= len(sequence.tokens)
        return pack(chosen, self.rows, self.length)

    def _refill(self) -> None:
        if self._pool:
            return
        while not (paths := shard_paths(self.folder, "train")):
            time.sleep(1)
        order = sorted(paths, key=lambda p: (self.passes.get(p.name, 0), self._random.random()))
        for path in order[:POOL_SHARDS]:
            self._pool += read_feature_shard(path)
            self.passes[path.name] = self.passes.get(path.name, 0) + 1
        self._random.shuffle(self._pool)

    @property
    def distinct_shards(self) -> int:
        return len(self.passes)

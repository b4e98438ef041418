"""Shards of token sequences on disk: flat tokens with offsets, written whole or not at all."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class TokenShard:
    """tokens [n] uint32; offsets [sequences + 1]; language and fim (0 plain, 1 FIM order) per sequence."""

    tokens: np.ndarray
    offsets: np.ndarray
    language: np.ndarray
    fim: np.ndarray

    def sequence(self, index: int) -> np.ndarray:
        return self.tokens[self.offsets[index] : self.offsets[index + 1]]

    def __len__(self) -> int:
        return len(self.offsets) - 1


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """An .npz that appears under its name only when complete."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        np.savez(file, **arrays)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def write_text(path: Path, text: str) -> None:
    """A file that is replaced only when the new one is complete."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text)
    os.replace(partial, path)


def write_token_shard(path: Path, sequences: list[np.ndarray], language: list[int], fim: list[int]) -> None:
    offsets = np.concatenate([[0], np.cumsum([len(s) for s in sequences])]).astype(np.int64)
    write_arrays(
        path,
        tokens=np.concatenate(sequences).astype(np.uint32),
        offsets=offsets,
        language=np.asarray(language, np.uint8),
        fim=np.asarray(fim, np.uint8),
    )


def read_token_shard(path: Path) -> TokenShard:
    with np.load(path) as arrays:
        return TokenShard(arrays["tokens"], arrays["offsets"], arrays["language"], arrays["fim"])


def shard_paths(folder: Path, split: str) -> list[Path]:
    """Shards of a split (`train`, `heldout`) in order; partial files never match."""
    return sorted(folder.glob(f"{split}-*.npz"))

"""Rotary frequencies, rope scaling included, as the target and the head share them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def rotary_frequencies(head_dim: int, base: float, divisors: Sequence[float] = ()) -> np.ndarray:
    """[headDim / 2] float64 angles per position. divisors [headDim / 2]: what rope scaling divides them by, none where
    empty."""
    plain = base ** (-np.arange(0, head_dim, 2, dtype=np.float64) / head_dim)
    return plain / np.asarray(divisors) if len(divisors) else plain

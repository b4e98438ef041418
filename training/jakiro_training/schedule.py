"""Learning rate over a training budget: warm-up, plateau, linear decay to a twentieth over the last share of it."""

from __future__ import annotations

WARM_UP_STEPS = 40
FINAL_SHARE = 0.05


def learning_rate(peak: float, step: int, progress: float, decay_share: float) -> float:
    """`progress` is the spent share of the budget, 0..1. A run resumed with a larger budget from the checkpoint
    before the decay goes on at the plateau."""
    warm = min(1.0, (step + 1) / WARM_UP_STEPS)
    decay = min(1.0, max(0.0, (progress - (1 - decay_share)) / decay_share))
    return peak * warm * (1 - (1 - FINAL_SHARE) * decay)


def decaying(progress: float, decay_share: float) -> bool:
    return progress >= 1 - decay_share

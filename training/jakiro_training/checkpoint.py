"""Training checkpoints: everything needed to go on, replaced atomically."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from .head import DraftHead, HeadConfig


def save_checkpoint(path: Path, state: dict) -> None:
    partial = path.with_name(path.name + ".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def load_checkpoint(path: Path) -> dict:
    return torch.load(path, map_location="cpu", weights_only=True)


def load_head(path: Path) -> tuple[DraftHead, dict]:
    """The head of a checkpoint in float32, and the checkpoint's other entries (d2t, target, tokens, curve, options)."""
    state = load_checkpoint(path)
    head = DraftHead(HeadConfig(**state["config"]))
    head.load_state_dict(state["head"])
    return head.eval(), state

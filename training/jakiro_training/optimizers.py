"""The optimizers of a head: AdamW throughout, or Muon for the matrices with AdamW for gate, biases and norm."""

from __future__ import annotations

import torch

from .head import DraftHead

GATE = "layers.0.mlp_moe.gate.weight"


class Optimizers:
    """Several optimizers that step together; the learning rate of all is the one given to `step`."""

    def __init__(self, head: DraftHead, kind: str, weight_decay: float, fused: bool):
        matrices = {n: p for n, p in head.named_parameters() if p.ndim == 2 and n != GATE}
        others = [p for n, p in head.named_parameters() if n not in matrices]
        if kind == "muon":
            # Updates scaled to AdamW's size: one learning rate serves both.
            self._all = [
                torch.optim.Muon(list(matrices.values()), weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"),
                torch.optim.AdamW(others, betas=(0.9, 0.95), weight_decay=0.0, fused=fused),
            ]
        else:
            groups = [
                {"params": list(matrices.values()), "weight_decay": weight_decay},
                {"params": others, "weight_decay": 0.0},
            ]
            self._all = [torch.optim.AdamW(groups, betas=(0.9, 0.95), fused=fused)]

    def step(self, learning_rate: float) -> None:
        for optimizer in self._all:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def state(self) -> list[dict]:
        return [optimizer.state_dict() for optimizer in self._all]

    def restore(self, state: list[dict]) -> None:
        for optimizer, saved in zip(self._all, state, strict=True):
            optimizer.load_state_dict(saved)

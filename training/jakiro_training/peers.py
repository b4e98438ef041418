"""Data parallelism over the processes that torchrun starts: every process reads other sequences, all take the same
steps."""

from __future__ import annotations

import os

import torch
import torch.distributed as dist


class Peers:
    """The processes of one training run; alone where torchrun did not start this one."""

    def __init__(self) -> None:
        self.size = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = int(os.environ.get("RANK", "0"))
        if self.size > 1 and not dist.is_initialized():
            dist.init_process_group("gloo")

    @property
    def leads(self) -> bool:
        """Whether this process reports, validates and writes checkpoints."""
        return self.rank == 0

    def leave(self) -> None:
        """Waits for the others and leaves: threads of a group that is left behind may abort the process at its exit."""
        if self.size > 1:
            dist.barrier()
            dist.destroy_process_group()

    def average(self, parameters: list[torch.nn.Parameter], seconds: float, tokens: int) -> tuple[float, int]:
        """Averages the gradients in place. Returns the leader's `seconds`, so that all see the same progress, and the
        sum of all `tokens`."""
        if self.size == 1:
            return seconds, tokens
        gradients = [p.grad for p in parameters if p.grad is not None]
        counts = torch.tensor([seconds if self.leads else 0.0, float(tokens)], device=gradients[0].device)
        sent = torch.cat([g.flatten() for g in gradients] + [counts])
        dist.all_reduce(sent)
        read = 0
        for gradient in gradients:
            gradient.copy_(sent[read : read + gradient.numel()].view_as(gradient) / self.size)
            read += gradient.numel()
        return float(sent[-2]), round(float(sent[-1]))

"""The teacher-forced training pass with multi-step unrolling: from the second step on a row reads the head's own
drafted features.

Step k, row s: x = fc([e(token_{s+1}) ; y1 of step k-1 at row s-1]), f_s itself at step 0. The row attends, as at run
time, to the step-0 rows up to s-k (target features: the stable draft cache) and to its own drafted ancestors, step i
at row s-k+i for 0 < i <= k (EAGLE-3's training-time test, HASS's context alignment).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .head import DraftHead, DraftOutput, rotary_tables

MASKED = -1e30


@dataclass(frozen=True)
class Batch:
    """Packed rows: tokens [B, L]; features [B, L, hidden]; segment [B, L], the sequence's number within its row, -1
    for padding."""

    tokens: Tensor
    features: Tensor
    segment: Tensor

    def positions(self) -> Tensor:
        """[B, L] index of each token within its own sequence."""
        index = torch.arange(self.segment.shape[1], device=self.segment.device).expand_as(self.segment)
        starts = torch.ones_like(self.segment, dtype=torch.bool)
        starts[:, 1:] = self.segment[:, 1:] != self.segment[:, :-1]
        return index - torch.where(starts, index, 0).cummax(dim=1).values

    def same_segment(self, back: int, ahead: int) -> Tensor:
        """[B, L] true at s where tokens s - back ... s + ahead belong to one sequence."""
        length = self.segment.shape[1]
        result = torch.zeros_like(self.segment, dtype=torch.bool)
        if back + ahead < length:
            inner = slice(back, length - ahead)
            first, last = self.segment[:, : length - back - ahead], self.segment[:, back + ahead :]
            result[:, inner] = (first == last) & (first >= 0)
        return result


def shift_right(x: Tensor, steps: int, dim: int = 1) -> Tensor:
    """Row s receives row s - steps; the first rows receive zeros."""
    if steps == 0:
        return x
    kept = x.narrow(dim, 0, x.shape[dim] - steps)
    return torch.cat([torch.zeros_like(x.narrow(dim, 0, steps)), kept], dim=dim)


def unrolled_outputs(
    head: DraftHead, batch: Batch, embeddings: Tensor, features: Tensor, steps: int, generator: torch.Generator
) -> list[DraftOutput]:
    """Outputs of every step, each [B, L, hidden]; at step k, rows where `batch.same_segment(k, 1)` is false hold no
    meaning.

    embeddings [B, L, hidden]: e(token_s); features: the target's, possibly with noise.
    """
    config, attention = head.config, head.layer.self_attn
    cos, sin = rotary_tables(batch.positions(), config)
    next_embeddings = torch.cat([embeddings[:, 1:], torch.zeros_like(embeddings[:, :1])], dim=1)
    index = torch.arange(batch.segment.shape[1], device=batch.segment.device)
    distance = index[:, None] - index[None, :]
    same = batch.segment[:, :, None] == batch.segment[:, None, :]
    outputs: list[DraftOutput] = []
    keys: list[Tensor] = []
    values: list[Tensor] = []
    current = features
    for step in range(steps):
        x = head.inputs(next_embeddings, current).float()
        q, k, v = attention.project(x, cos, sin)
        keys.append(k.to(q.dtype))
        values.append(v.to(q.dtype))
        hidden = torch.where(same & (distance >= step), 0.0, MASKED)
        a = x + attention.merge(_attend(q, keys, values, hidden)).float()
        output = head.layer.feed_forward(a)
        outputs.append(output)
        current = shift_right(_carried(output, config.branches, generator), 1)
    return outputs


def _carried(output: DraftOutput, branches: int, generator: torch.Generator) -> Tensor:
    """The drafted feature handed to the next step: y1, or for two branches the feature of either, drawn per row."""
    if branches == 1:
        return output.y1
    first, second = output.branches
    choice = torch.rand(first.shape[:-1], generator=generator).to(first.device) < 0.5
    return torch.where(choice[..., None], first, second)


def _attend(q: Tensor, keys: list[Tensor], values: list[Tensor], hidden: Tensor) -> Tensor:
    """Attention of the last step's queries: over the step-0 keys that are not hidden, and over one key of each later
    step.

    q [B, kvHeads, group, L, headDim]; keys, values per step [B, kvHeads, 1, L, headDim]; hidden [B, L, L]: 0 or
    hugely negative.
    """
    step = len(keys) - 1
    shifted_keys = [shift_right(keys[i], step - i, dim=3) for i in range(1, step + 1)]
    shifted_values = [shift_right(values[i], step - i, dim=3) for i in range(1, step + 1)]
    # One batch row at a time: its scores stay within a processor's cache.
    return torch.stack(
        [
            _attend_row(
                q[b], keys[0][b], values[0][b], [k[b] for k in shifted_keys], [v[b] for v in shifted_values], hidden[b]
            )
            for b in range(q.shape[0])
        ]
    )


def _attend_row(
    q: Tensor, keys: Tensor, values: Tensor, own_keys: list[Tensor], own_values: list[Tensor], hidden: Tensor
) -> Tensor:
    scores = (q @ keys.transpose(-1, -2)).float() + hidden
    own = [(q * key).sum(-1, keepdim=True).float() for key in own_keys]
    weights = torch.cat([scores, *own], dim=-1).softmax(-1).to(q.dtype)
    length = q.shape[-2]
    context = weights[..., :length] @ values
    for i, value in enumerate(own_values):
        context = context + weights[..., length + i : length + i + 1] * value
    return context

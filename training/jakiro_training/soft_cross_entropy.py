"""Soft cross-entropy of several students against one teacher over the draft vocabulary, without keeping any logits.

The loss's gradient with respect to a student feature is (p - q) W: it is computed in the forward pass, row chunk by
row chunk, so that neither [rows, vocabulary] logits nor their gradient are ever stored, and the teacher's
distribution q is computed once per row. A chunk's logits stay within a processor's cache.
"""

from __future__ import annotations

import torch
from torch import Tensor

CHUNK_ROWS = 256


class _SoftCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, teacher: Tensor, lm_head: Tensor, weights: Tensor, *students: Tensor):
        gradients = [torch.empty_like(s) for s in students]
        loss = teacher.new_zeros(len(students), dtype=torch.float32)
        hits = teacher.new_zeros(len(students), dtype=torch.float32)
        for start in range(0, teacher.shape[0], CHUNK_ROWS):
            rows = slice(start, start + CHUNK_ROWS)
            q = (teacher[rows].to(lm_head.dtype) @ lm_head.T).float()
            best = q.argmax(-1)
            q = q.softmax(-1)
            for i, student in enumerate(students):
                w = weights[i, rows]
                logits = (student[rows].to(lm_head.dtype) @ lm_head.T).float()
                top, place = logits.max(-1)
                p = logits.softmax(-1)
                normalizer = top - p.gather(-1, place[:, None]).squeeze(-1).log()
                loss[i] += (w * (normalizer - logits.mul_(q).sum(-1))).sum()
                hits[i] += ((place == best) * (w > 0)).sum()
                gradients[i][rows] = (p.sub_(q).mul_(w[:, None]).to(lm_head.dtype) @ lm_head).to(student.dtype)
        ctx.save_for_backward(*gradients)
        ctx.mark_non_differentiable(hits)
        return loss, hits

    @staticmethod
    def backward(ctx, loss_gradient: Tensor, _hits):
        return None, None, None, *(g * loss_gradient[i].to(g.dtype) for i, g in enumerate(ctx.saved_tensors))


def soft_cross_entropy(
    teacher: Tensor, lm_head: Tensor, weights: Tensor, students: list[Tensor]
) -> tuple[Tensor, Tensor]:
    """Per student: the weighted sum over rows of H(q, p), and how many rows of positive weight agree with the
    teacher's argmax.

    teacher [rows, hidden]: target features, q = softmax(teacher lm_head^T). lm_head [draftVocabulary, hidden],
    frozen; its dtype is the one the products run in. weights [students, rows]. students: each [rows, hidden].
    """
    return _SoftCrossEntropy.apply(teacher, lm_head, weights, *students)

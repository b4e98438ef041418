"""The training objective: soft cross-entropy at every unrolled step, the optional parallel level, branches and
feature loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .head import DraftHead, DraftOutput
from .soft_cross_entropy import soft_cross_entropy
from .unroll import Batch, shift_right, unrolled_outputs

STAR_MIXTURE_WEIGHT = 0.1


@dataclass(frozen=True)
class ObjectiveOptions:
    """steps: unrolled steps (1 = none). parallel: weight of the y2 terms, 0 leaves them out. step_decay: weight of
    step k is its k-th power."""

    steps: int
    step_decay: float
    parallel: float
    feature_weight: float
    noise: float
    all_parallel_steps: bool = False


@dataclass(frozen=True)
class Term:
    """One student: its level's name, its output aligned with the target row it stands for, which rows count, and its
    weight in the loss."""

    name: str
    student: Tensor
    valid: Tensor
    weight: float


def terms_of(
    output: DraftOutput, batch: Batch, step: int, options: ObjectiveOptions, star: bool, parallel: bool
) -> list[Term]:
    """y1 of row s stands for f_{s+1}, y2 for f_{s+2}: students are moved right onto the row they stand for.

    A two-branch head drafts no parallel level: its y2 stays untrained.
    """
    decay = options.step_decay**step
    next_valid = shift_right(batch.same_segment(step, 1), 1)
    terms = []
    if star:
        terms += [
            Term(f"branch{i} step {step}", shift_right(b, 1), next_valid, 0.5 * decay)
            for i, b in enumerate(output.branches)
        ]
    terms.append(
        Term(f"level {step + 1}", shift_right(output.y1, 1), next_valid, decay * (STAR_MIXTURE_WEIGHT if star else 1.0))
    )
    if parallel and output.y2 is not None and not star:
        terms.append(
            Term(
                f"parallel after {step + 1}",
                shift_right(output.y2, 2),
                shift_right(batch.same_segment(step, 2), 2),
                decay * options.parallel,
            )
        )
    return terms


def parallel_steps(options: ObjectiveOptions, generator: torch.Generator) -> set[int]:
    """The steps whose contrastive output is trained this time: one at random, since each costs as much as a step's
    first output."""
    if options.parallel == 0:
        return set()
    if options.all_parallel_steps:
        return set(range(options.steps))
    return {int(torch.randint(options.steps, (1,), generator=generator))}


def objective(
    head: DraftHead,
    batch: Batch,
    embedding: Tensor,
    lm_head: Tensor,
    feature_scale: Tensor,
    options: ObjectiveOptions,
    generator: torch.Generator,
) -> tuple[Tensor, dict[str, tuple[Tensor, Tensor, Tensor]]]:
    """The batch's loss and, per term, (summed cross-entropy, agreements with the target's argmax, rows).

    embedding [vocabulary, hidden] may be float16; lm_head [draftVocabulary, hidden] in the dtype its products run in;
    feature_scale [hidden]: a typical magnitude of each feature channel, by which the feature loss is scaled.
    """
    features = batch.features.float()
    noise = (torch.rand(features.shape, generator=generator).to(features.device) * 2 - 1) * options.noise
    embeddings = embedding[batch.tokens].float()
    outputs = unrolled_outputs(head, batch, embeddings, features + noise, options.steps, generator)
    star = head.config.kind == "jakiro-star"
    chosen = parallel_steps(options, generator)
    terms = [
        term
        for step, output in enumerate(outputs)
        for term in terms_of(output, batch, step, options, star, step in chosen)
    ]
    flat = [t.student.float().flatten(0, 1) for t in terms]
    counts = torch.stack([t.valid.sum() for t in terms]).clamp(min=1)
    weights = torch.stack([t.valid.flatten().float() for t in terms])
    losses, hits = soft_cross_entropy(features.flatten(0, 1), lm_head, weights, flat)
    scales = losses.new_tensor([t.weight for t in terms])
    loss = (losses / counts * scales).sum()
    if options.feature_weight > 0:
        for term in terms:
            error = F.smooth_l1_loss(term.student / feature_scale, features / feature_scale, reduction="none").mean(-1)
            loss = loss + options.feature_weight * term.weight * (error * term.valid).sum() / term.valid.sum().clamp(
                min=1
            )
    detached = losses.detach()
    return loss, {t.name: (detached[i], hits[i], counts[i]) for i, t in enumerate(terms)}

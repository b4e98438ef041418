"""What the parts of a draft forward take in PyTorch: to compare heads with each other on one machine, not with the
engine."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from .head import DraftHead, rotary_tables

BEST = 8


@torch.inference_mode()
def part_times(head: DraftHead, lm_head: Tensor, rows: int, keys: int, repetitions: int = 15) -> dict[str, float]:
    """Milliseconds for `rows` rows behind `keys` cached ones: fc and attention; norm and, of a mixture, its
    gate; the experts or the dense MLP, with all that combines them; the draft vocabulary's logits and their best.

    lm_head [draftVocabulary, hidden].
    """
    config = head.config
    attention, layer = head.layer.self_attn, head.layer
    random = torch.Generator().manual_seed(0)
    embeddings, features, a = torch.randn(3, rows, config.hidden, generator=random)
    past = torch.randn(2, 1, config.kv_heads, 1, keys, config.head_dim, generator=random)
    cos, sin = rotary_tables(torch.full((1, rows), keys), config)

    def attend() -> Tensor:
        x = head.inputs(embeddings, features)
        q, k, v = attention.project(x[None], cos, sin)
        scores = q @ torch.cat([past[0], k], dim=-2).transpose(-1, -2)
        return x + attention.merge(scores.softmax(-1) @ torch.cat([past[1], v], dim=-2))[0]

    def route() -> Tensor:
        z = layer.post_attention_layernorm(a)
        return layer.mlp_moe.gate(z) if hasattr(layer, "mlp_moe") else z

    times = {
        "attention": fastest_ms(attend, repetitions),
        "gate": fastest_ms(route, repetitions),
        "experts": fastest_ms(lambda: layer.feed_forward(a), repetitions),
        "lmHead": fastest_ms(lambda: (a @ lm_head.T).log_softmax(-1).topk(min(BEST, len(lm_head))), repetitions),
    }
    # The layer's forward routes as well.
    times["experts"] = max(0.0, times["experts"] - times["gate"])
    return {part: round(milliseconds, 3) for part, milliseconds in times.items()}


def fastest_ms(work: Callable[[], object], repetitions: int) -> float:
    """The shortest of the times: what else the machine does only adds to them."""
    work()
    best = float("inf")
    for _ in range(repetitions):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return 1000 * best

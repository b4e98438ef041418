"""The draft heads: Jakiro (mixture of experts, contrastive second output), Jakiro* (two branches) and the dense
EAGLE-2 baseline.

Row t holds x_t = fc([e(token_{t+1}) ; f_t]) at rotary position t, where f_t is the target's feature after reading
token t. Its output y1_t stands for f_{t+1} (its logits predict token_{t+2}); y2_t, from the same row, stands for
f_{t+2} (token_{t+3}). Tensor names are those of the released checkpoints, so `state_dict` converts without renaming.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .rotary import rotary_frequencies

KINDS = ("jakiro", "jakiro-star", "eagle")


@dataclass(frozen=True)
class HeadConfig:
    kind: str
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    rope_base: float
    norm_epsilon: float
    qkv_bias: bool
    experts: int
    intermediate: int
    draft_vocabulary: int
    rope_divisors: tuple[float, ...] = ()
    """[headDim / 2] by which the target's rope scaling divides the rotary frequencies; empty where there is none."""
    contrast: bool = True
    """False only as an ablation: the second output adds both experts instead of subtracting the weaker one."""

    def __post_init__(self) -> None:
        # Read from JSON it is a list.
        object.__setattr__(self, "rope_divisors", tuple(self.rope_divisors))
        if self.kind not in KINDS:
            raise ValueError(f"Unknown head kind {self.kind!r}; known are {', '.join(KINDS)}.")
        if self.kind != "eagle" and self.experts < 2:
            raise ValueError(f"A {self.kind} head needs at least 2 experts, not {self.experts}.")

    @property
    def branches(self) -> int:
        return 2 if self.kind == "jakiro-star" else 1

    def to_json(self) -> dict:
        return asdict(self)


class DraftOutput:
    """Outputs of some rows, each [..., hidden]: `y1` (mixture or dense), `y2` (contrastive, None for dense heads),
    `branches` (a + E_i)."""

    def __init__(self, y1: Tensor, y2: Tensor | None, branches: tuple[Tensor, ...] = ()):
        self.y1, self.y2, self.branches = y1, y2, branches


class SwiGlu(nn.Module):
    def __init__(self, hidden: int, intermediate: int):
        super().__init__()
        self.gate_proj = nn.Linear(hidden, intermediate, bias=False)
        self.up_proj = nn.Linear(hidden, intermediate, bias=False)
        self.down_proj = nn.Linear(intermediate, hidden, bias=False)

    def forward(self, z: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(z)) * self.up_proj(z))


class RmsNorm(nn.Module):
    def __init__(self, hidden: int, epsilon: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        return (self.weight * (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.epsilon))).to(x.dtype)


class MixtureOfExperts(nn.Module):
    """Top-2 routing by the first E gate logits; the last two gate logits weigh strong and weak expert of the
    contrastive output."""

    def __init__(self, config: HeadConfig):
        super().__init__()
        self.count, self.contrast = config.experts, config.contrast
        self.gate = nn.Linear(config.hidden, config.experts + 2, bias=False)
        self.experts = nn.ModuleList(SwiGlu(config.hidden, config.intermediate) for _ in range(config.experts))

    def forward(self, a: Tensor, z: Tensor) -> DraftOutput:
        g = self.gate(z).float()
        # Sorted by expert index: the contrastive gate's first logit belongs to the selected expert with the smaller
        # index.
        selected = torch.topk(g[..., : self.count], 2, dim=-1).indices.sort(dim=-1).values
        mixture = torch.gather(g, -1, selected).softmax(-1).to(a.dtype)
        contrast = g[..., self.count :].softmax(-1)
        weak = -1.0 if self.contrast else 1.0
        signed = torch.where(
            contrast[..., :1] >= contrast[..., 1:],
            contrast * contrast.new_tensor([1.0, weak]),
            contrast * contrast.new_tensor([weak, 1.0]),
        ).to(a.dtype)
        first, second = self._selected_outputs(z, selected)
        y1 = a + mixture[..., :1] * first + mixture[..., 1:] * second
        y2 = a + signed[..., :1] * first + signed[..., 1:] * second
        return DraftOutput(y1, y2, (a + first, a + second))

    def _selected_outputs(self, z: Tensor, selected: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs of the two selected experts. With two experts both always run; with more, each runs on its own rows
        only."""
        if self.count == 2:
            return self.experts[0](z), self.experts[1](z)
        rows, choice = z.reshape(-1, z.shape[-1]), selected.reshape(-1, 2)
        outputs = [torch.zeros_like(rows), torch.zeros_like(rows)]
        for index, expert in enumerate(self.experts):
            row, slot = (choice == index).nonzero(as_tuple=True)
            result = expert(rows[row])
            for s in (0, 1):
                outputs[s] = outputs[s].index_add(0, row[slot == s], result[slot == s].to(z.dtype))
        return outputs[0].view_as(z), outputs[1].view_as(z)


class Attention(nn.Module):
    """Grouped-query attention of the target's shape, with rotary embedding (halves rotated) and optional q/k/v
    biases."""

    def __init__(self, config: HeadConfig):
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = config.heads, config.kv_heads, config.head_dim
        self.q_proj = nn.Linear(config.hidden, self.heads * self.head_dim, bias=config.qkv_bias)
        self.k_proj = nn.Linear(config.hidden, self.kv_heads * self.head_dim, bias=config.qkv_bias)
        self.v_proj = nn.Linear(config.hidden, self.kv_heads * self.head_dim, bias=config.qkv_bias)
        self.o_proj = nn.Linear(self.heads * self.head_dim, config.hidden, bias=False)

    def project(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """q [B, kvHeads, group, S, headDim] (scaled), k and v [B, kvHeads, 1, S, headDim]; cos, sin [B, S, headDim /
        2]."""
        batch, rows, _ = x.shape
        q = (
            self.q_proj(x)
            .view(batch, rows, self.kv_heads, self.heads // self.kv_heads, self.head_dim)
            .permute(0, 2, 3, 1, 4)
        )
        k = self.k_proj(x).view(batch, rows, self.kv_heads, 1, self.head_dim).permute(0, 2, 3, 1, 4)
        v = self.v_proj(x).view(batch, rows, self.kv_heads, 1, self.head_dim).permute(0, 2, 3, 1, 4)
        cos, sin = cos[:, None, None], sin[:, None, None]
        return rotate(q, cos, sin) * self.head_dim**-0.5, rotate(k, cos, sin), v

    def merge(self, context: Tensor) -> Tensor:
        """[B, kvHeads, group, S, headDim] -> [B, S, hidden]."""
        batch, _, _, rows, _ = context.shape
        return self.o_proj(context.permute(0, 3, 1, 2, 4).reshape(batch, rows, self.heads * self.head_dim))


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


def rotary_tables(positions: Tensor, config: HeadConfig) -> tuple[Tensor, Tensor]:
    """cos and sin [..., headDim / 2] of integer positions, computed in float64."""
    frequencies = rotary_frequencies(config.head_dim, config.rope_base, config.rope_divisors)
    angles = positions.double()[..., None] * torch.from_numpy(frequencies).to(positions.device)
    return angles.cos().float(), angles.sin().float()


class DecoderLayer(nn.Module):
    def __init__(self, config: HeadConfig):
        super().__init__()
        self.self_attn = Attention(config)
        self.post_attention_layernorm = RmsNorm(config.hidden, config.norm_epsilon)
        if config.kind == "eagle":
            self.mlp = SwiGlu(config.hidden, config.intermediate)
        else:
            self.mlp_moe = MixtureOfExperts(config)

    def feed_forward(self, a: Tensor) -> DraftOutput:
        z = self.post_attention_layernorm(a)
        return self.mlp_moe(a, z) if hasattr(self, "mlp_moe") else DraftOutput(a + self.mlp(z), None)


class DraftHead(nn.Module):
    """fc and one decoder layer; the embedding and the LM head are the target's own and not part of the module."""

    def __init__(self, config: HeadConfig):
        super().__init__()
        self.config = config
        self.fc = nn.Linear(2 * config.hidden, config.hidden)
        self.layers = nn.ModuleList([DecoderLayer(config)])

    @property
    def layer(self) -> DecoderLayer:
        return self.layers[0]

    @torch.no_grad()
    def initialize(self, seed: int) -> None:
        """fc starts as [0.5 I ; I] on (embedding, feature); projections as N(0, 0.02), the two output projections
        smaller."""
        generator = torch.Generator().manual_seed(seed)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                std = 0.005 if name.endswith(("o_proj.weight", "down_proj.weight")) else 0.02
                parameter.normal_(0.0, std, generator=generator)
            elif not name.endswith("layernorm.weight"):
                parameter.zero_()
        identity = torch.eye(self.config.hidden)
        self.fc.weight.copy_(torch.cat([0.5 * identity, identity], dim=1))

    def inputs(self, embeddings: Tensor, features: Tensor) -> Tensor:
        return self.fc(torch.cat([embeddings, features], dim=-1))

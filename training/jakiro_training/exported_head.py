"""The format heads ship in: `model.safetensors` with the released names, int8 rows with float32 scales, `d2t`, and
`config.json`."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from .head import DraftHead, HeadConfig

FILES = ("model.safetensors", "config.json")
SCALE_SUFFIX = ".scale"
FLOAT_ONLY = ("layers.0.mlp_moe.gate.weight",)


def quantize_rows(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Symmetric int8 per output row: steps [outputs, inputs] and each row's step size [outputs]."""
    scale = matrix.abs().amax(dim=1).clamp(min=1e-12) / 127
    return (matrix / scale[:, None]).round().clamp(-127, 127).to(torch.int8), scale


def is_matrix_of_steps(name: str, tensor: Tensor) -> bool:
    """Whether a tensor of the head ships as int8 where the head does."""
    return tensor.ndim == 2 and name not in FLOAT_ONLY


def exported_bytes(head: DraftHead, int8: bool) -> int:
    """What the head's weights take as exported, scales included, names and `d2t` left out."""
    return sum(
        value.numel() + 4 * len(value) if int8 and is_matrix_of_steps(name, value) else 4 * value.numel()
        for name, value in head.state_dict().items()
    )


def save_head(folder: Path, head: DraftHead, d2t: Tensor, int8: bool, facts: dict) -> int:
    """Writes the head's two files and returns their bytes. `facts` joins the head's shape in config.json. ValueError
    for an ablation, which no engine drafts with."""
    shape = head.config.to_json()
    if not shape.pop("contrast"):
        raise ValueError("A head trained with --no-contrast is an ablation that the engine cannot draft with.")
    if not shape["rope_divisors"]:
        del shape["rope_divisors"]
    tensors: dict[str, Tensor] = {"d2t": d2t.to(torch.int32)}
    for name, value in head.state_dict().items():
        value = value.detach().float().contiguous()
        if int8 and is_matrix_of_steps(name, value):
            tensors[name], tensors[name + SCALE_SUFFIX] = quantize_rows(value)
        else:
            tensors[name] = value
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors")
    config = {
        **shape,
        "branches": head.config.branches,
        "weights": "int8" if int8 else "float32",
        **facts,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    return sum((folder / name).stat().st_size for name in FILES)


def load_exported(folder: Path) -> tuple[DraftHead, Tensor]:
    """The head, dequantized to float32, and d2t."""
    config = json.loads((folder / "config.json").read_text())
    head = DraftHead(HeadConfig(**{key: config[key] for key in HeadConfig.__dataclass_fields__ if key in config}))
    tensors = load_file(folder / "model.safetensors")
    state = {}
    for name in head.state_dict():
        scale = tensors.get(name + SCALE_SUFFIX)
        state[name] = tensors[name] if scale is None else tensors[name].float() * scale[:, None]
    head.load_state_dict(state)
    return head.eval(), tensors["d2t"].long()

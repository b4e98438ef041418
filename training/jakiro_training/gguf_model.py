"""What training needs from the target's GGUF: configuration, tokenizer, embedding and LM-head rows, and the file's
hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize

from .gguf_tokenizer import GgufTokenizer
from .rotary import rotary_frequencies
from .unsupported import UnsupportedModel

DEQUANTIZE_ROWS = 8192


@dataclass(frozen=True)
class TargetConfig:
    """Shapes of the target that the head shares."""

    name: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    rope_base: float
    rope_divisors: tuple[float, ...]
    """[headDim / 2] by which rope scaling divides the angles per position; empty where there is none."""
    norm_epsilon: float
    vocabulary: int
    qkv_bias: bool


class GgufModel:
    """A Llama or Qwen2 model in a GGUF file. Matrices are dequantized by row blocks and only when asked for."""

    def __init__(self, path: Path):
        self.path = path
        self._reader = GGUFReader(path)
        self._tensors = {tensor.name: tensor for tensor in self._reader.tensors}

    def _value(self, key: str, default=None):
        field = self._reader.get_field(key)
        return default if field is None else field.contents()

    def _rope_divisors(self, arch: str, pairs: int) -> tuple[float, ...]:
        """Linear scaling's factor, and what a Llama 3 file carries for its longer context (rope_freqs.weight)."""
        kind, old = self._value(f"{arch}.rope.scaling.type"), self._value(f"{arch}.rope.scale_linear", 1.0)
        if kind not in (None, "none", "linear"):
            raise UnsupportedModel(
                f'{self.path.name} scales its rotary positions by "{kind}", and training knows "linear" and llama3 '
                "scaling; choose another model."
            )
        factor = 1.0 if kind == "none" else float(self._value(f"{arch}.rope.scaling.factor", old))
        listed = self._tensors.get("rope_freqs.weight")
        divisors = np.full(pairs, factor) * (1.0 if listed is None else listed.data)
        return () if (divisors == 1).all() else tuple(divisors.tolist())

    @cached_property
    def config(self) -> TargetConfig:
        arch = self._value("general.architecture")
        if arch not in ("qwen2", "llama"):
            raise UnsupportedModel(
                f'{self.path.name} is of the architecture "{arch}", and training knows "llama" and "qwen2"; '
                "choose another model."
            )
        hidden, heads = self._value(f"{arch}.embedding_length"), self._value(f"{arch}.attention.head_count")
        head_dim = self._value(f"{arch}.attention.key_length", hidden // heads)
        return TargetConfig(
            name=self._value("general.name", self.path.stem),
            hidden=hidden,
            layers=self._value(f"{arch}.block_count"),
            heads=heads,
            kv_heads=self._value(f"{arch}.attention.head_count_kv", heads),
            head_dim=head_dim,
            rope_base=float(self._value(f"{arch}.rope.freq_base", 10_000.0)),
            rope_divisors=self._rope_divisors(arch, head_dim // 2),
            norm_epsilon=float(self._value(f"{arch}.attention.layer_norm_rms_epsilon")),
            vocabulary=int(self._tensors["token_embd.weight"].shape[1]),
            qkv_bias="blk.0.attn_q.bias" in self._tensors,
        )

    @cached_property
    def sha256(self) -> str:
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def rows(self, name: str, ids: np.ndarray | None = None, dtype=np.float32) -> np.ndarray:
        """Dequantized rows of a matrix, [rows, columns]; `ids` picks rows, and only those are ever expanded."""
        tensor = self._tensors[name]
        data = tensor.data if ids is None else tensor.data[ids]
        result = np.empty((data.shape[0], int(tensor.shape[0])), dtype)
        for start in range(0, data.shape[0], DEQUANTIZE_ROWS):
            result[start : start + DEQUANTIZE_ROWS] = dequantize(
                data[start : start + DEQUANTIZE_ROWS], tensor.tensor_type
            )
        return result

    def rotary_frequencies(self) -> np.ndarray:
        """[headDim / 2] float64 angles per position, rope scaling included."""
        config = self.config
        return rotary_frequencies(config.head_dim, config.rope_base, config.rope_divisors)

    def embedding_rows(self, ids: np.ndarray | None = None, dtype=np.float32) -> np.ndarray:
        return self.rows("token_embd.weight", ids, dtype)

    def lm_head_rows(self, ids: np.ndarray | None = None, dtype=np.float32) -> np.ndarray:
        return self.rows("output.weight" if "output.weight" in self._tensors else "token_embd.weight", ids, dtype)

    @cached_property
    def tokenizer(self) -> GgufTokenizer:
        return GgufTokenizer(self._value, self.path.name)

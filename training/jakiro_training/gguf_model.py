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
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

QWEN2_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CONTROL, USER_DEFINED = 3, 4
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

    @cached_property
    def config(self) -> TargetConfig:
        arch = self._value("general.architecture")
        if arch not in ("qwen2", "llama"):
            raise ValueError(f"{self.path.name}: architecture {arch!r} is not supported; use a Llama or Qwen2 model.")
        hidden, heads = self._value(f"{arch}.embedding_length"), self._value(f"{arch}.attention.head_count")
        return TargetConfig(
            name=self._value("general.name", self.path.stem),
            hidden=hidden,
            layers=self._value(f"{arch}.block_count"),
            heads=heads,
            kv_heads=self._value(f"{arch}.attention.head_count_kv", heads),
            head_dim=self._value(f"{arch}.attention.key_length", hidden // heads),
            rope_base=float(self._value(f"{arch}.rope.freq_base", 10_000.0)),
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
        """[headDim / 2] float64 angles per position, with the divisors a Llama 3 file carries for its longer
        context."""
        config = self.config
        plain = config.rope_base ** (-np.arange(0, config.head_dim, 2, dtype=np.float64) / config.head_dim)
        divisors = self._tensors.get("rope_freqs.weight")
        return plain if divisors is None else plain / divisors.data

    def embedding_rows(self, ids: np.ndarray | None = None, dtype=np.float32) -> np.ndarray:
        return self.rows("token_embd.weight", ids, dtype)

    def lm_head_rows(self, ids: np.ndarray | None = None, dtype=np.float32) -> np.ndarray:
        return self.rows("output.weight" if "output.weight" in self._tensors else "token_embd.weight", ids, dtype)

    @cached_property
    def token_strings(self) -> list[str]:
        return self._value("tokenizer.ggml.tokens")

    def token_id(self, text: str) -> int | None:
        """The id of a special token, or None where the vocabulary has none of that name."""
        return self._special_ids.get(text)

    @cached_property
    def _special_ids(self) -> dict[str, int]:
        types = self._value("tokenizer.ggml.token_type")
        return {text: i for i, text in enumerate(self.token_strings) if types[i] in (CONTROL, USER_DEFINED)}

    @property
    def special_tokens(self) -> dict[str, int]:
        return dict(self._special_ids)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The byte-level BPE tokenizer; special tokens' spellings inside a text are encoded as plain text."""
        kind = self._value("tokenizer.ggml.pre", "default")
        byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=kind != "qwen2")
        if kind == "qwen2":
            stages = [pre_tokenizers.Split(Regex(QWEN2_PATTERN), "isolated"), byte_level]
        elif kind == "smollm":
            stages = [pre_tokenizers.Digits(individual_digits=True), byte_level]
        else:
            raise ValueError(f"{self.path.name}: pre-tokenizer {kind!r} is not supported; known are qwen2 and smollm.")
        merges = [tuple(merge.split(" ", 1)) for merge in self._value("tokenizer.ggml.merges")]
        vocabulary = {text: i for i, text in enumerate(self.token_strings)}
        tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, byte_fallback=False))
        if kind == "qwen2":
            tokenizer.normalizer = normalizers.NFC()
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(stages)
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.add_special_tokens([AddedToken(text, normalized=False) for text in self._special_ids])
        tokenizer.encode_special_tokens = True
        return tokenizer

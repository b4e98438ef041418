"""The engine's own packed target graph, run through onnxruntime: the features a head meets at run time.

The graph (`body.onnx`, its weights beside it) takes rows that hang on a cached prefix and returns features and the
rows' own keys and values. A row's result depends on its path alone, not on the rows beside it, so whole sequences run
side by side in one forward under a block-diagonal mask, without a cache, and give the bits the engine gives.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read when the first session is created

import onnxruntime  # noqa: E402

from .gguf_model import GgufModel

MASKED = np.float32(-1e30)
CHUNK_ROWS = 256

KeysAndValues = dict[str, np.ndarray]


class EngineGraph:
    """Features of token sequences by the engine's quantized graph. ValueError where the folder holds none of this
    model."""

    def __init__(self, folder: Path, model: GgufModel, threads: int):
        try:
            self.description = json.loads((folder / "pack.json").read_text())
        except (OSError, ValueError) as error:
            raise ValueError(f"{folder} holds no packed model: {error}.") from error
        if self.description["source"] != model.sha256:
            raise ValueError(f"{folder} was packed from another file than {model.path.name}; pack that one first.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        # Training shares the cores: threads that spin while they wait would take a third of them.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                folder / "body.onnx", options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's errors share no class of their own
            raise ValueError(
                f"The graph in {folder} cannot be run; remove that folder and pack again: {error}"
            ) from error
        self._outputs = ["features"]
        self._cached_outputs = [o.name for o in self._session.get_outputs()]
        self._model = model
        self._frequencies = model.rotary_frequencies()

    @property
    def smoothing_hash(self) -> str:
        return self.description["smoothingHash"]

    def features(self, sequences: list[np.ndarray]) -> list[np.ndarray]:
        """[tokens, hidden] float32 per sequence, the state after the final norm.

        One long sequence runs in chunks, each with the keys and values of those before it; several run side by side.
        The graph wants at least one cached key: the first one is a masked zero.
        """
        if len(sequences) == 1:
            return [self._in_chunks(sequences[0])]
        lengths = [len(s) for s in sequences]
        bias = np.full((sum(lengths), 1 + sum(lengths)), MASKED, np.float32)
        ends = np.cumsum(lengths)
        for start, end in zip(ends - lengths, ends):
            bias[start:end, 1 + start : 1 + end][np.tril_indices(end - start)] = 0
        positions = np.concatenate([np.arange(n) for n in lengths])
        (features,) = self._session.run(
            self._outputs, self._inputs(np.concatenate(sequences), positions, bias, self._empty_past(1))
        )
        return np.split(features, ends[:-1])

    def _in_chunks(self, sequence: np.ndarray) -> np.ndarray:
        past, done = self._empty_past(1), []
        for start in range(0, len(sequence), CHUNK_ROWS):
            tokens = sequence[start : start + CHUNK_ROWS]
            bias = np.triu(np.full((len(tokens), 1 + start + len(tokens)), MASKED, np.float32), k=start + 2)
            bias[:, 0] = MASKED
            last = start + len(tokens) == len(sequence)
            outputs = self._outputs if last else self._cached_outputs
            values = self._session.run(outputs, self._inputs(tokens, np.arange(start, start + len(tokens)), bias, past))
            results = dict(zip(outputs, values))
            done.append(results["features"])
            if not last:
                past = {
                    name: np.concatenate([old, _as_past(name, results)], axis=3 if "keys" in name else 2)
                    for name, old in past.items()
                }
        return np.concatenate(done)

    def _empty_past(self, length: int) -> KeysAndValues:
        config = self._model.config
        keys = {
            f"past_keys.{layer}": np.zeros((1, config.kv_heads, config.head_dim, length))
            for layer in range(config.layers)
        }
        return keys | {
            f"past_values.{layer}": np.zeros((1, config.kv_heads, length, config.head_dim))
            for layer in range(config.layers)
        }

    def _inputs(
        self, tokens: np.ndarray, positions: np.ndarray, bias: np.ndarray, past: KeysAndValues
    ) -> dict[str, np.ndarray]:
        rows, keys = bias.shape
        angles = positions[:, None] * self._frequencies
        return {
            "hidden": self._model.embedding_rows(tokens),
            "cos": np.cos(angles).astype(np.float32),
            "sin": np.sin(angles).astype(np.float32),
            "row_index": np.arange(rows, dtype=np.int64)[None],
            "bias": bias,
            "split": np.array([keys - rows, rows], np.int64),
            **past,
        }


def _as_past(name: str, results: dict[str, np.ndarray]) -> np.ndarray:
    """New rows in the cache's layout: keys are cached transposed, [1, kvHeads, headDim, rows]."""
    new = results[name.replace("past", "new")]
    return new.transpose(0, 1, 3, 2) if "keys" in name else new

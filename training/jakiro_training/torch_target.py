"""The target in PyTorch through transformers, from the dequantized GGUF: for GPUs, for tests, and for greedy
reference text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from .gguf_model import GgufModel


class TorchTarget:
    """Float features and greedy continuations of the dequantized target."""

    def __init__(self, path: Path, device: str = "cpu", dtype: torch.dtype = torch.float32):
        self.model = AutoModelForCausalLM.from_pretrained(path.parent, dtype=dtype, gguf_file=path.name)
        # transformers reads no rope scaling from a GGUF.
        frequencies = torch.from_numpy(GgufModel(path).rotary_frequencies()).float()
        self.model.model.rotary_emb.inv_freq.copy_(frequencies)
        self.model = self.model.to(device).eval()
        self.device = torch.device(device)

    @torch.inference_mode()
    def padded_features(self, tokens: torch.Tensor) -> torch.Tensor:
        """[B, L, hidden] for right-padded tokens [B, L]: causal attention keeps padding out of what precedes it."""
        return self.model.model(input_ids=tokens.to(self.device)).last_hidden_state

    def features(self, sequences: list[np.ndarray]) -> list[np.ndarray]:
        """[tokens, hidden] float32 per sequence, the state after the final norm."""
        longest = max(map(len, sequences))
        tokens = torch.zeros(len(sequences), longest, dtype=torch.long)
        for row, sequence in enumerate(sequences):
            tokens[row, : len(sequence)] = torch.from_numpy(sequence.astype(np.int64))
        features = self.padded_features(tokens).float().cpu().numpy()
        return [features[row, : len(sequence)] for row, sequence in enumerate(sequences)]

    @torch.inference_mode()
    def features_and_best(self, sequence: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Features [n, hidden] of one sequence, and after each token the `count` most probable next ones: ids and
        probabilities, [n, count]."""
        states = self.padded_features(torch.from_numpy(sequence.astype(np.int64))[None])[0]
        best = self.model.lm_head(states).float().softmax(-1).topk(count)
        return states.float().cpu().numpy(), best.indices.cpu().numpy(), best.values.cpu().numpy()

    @torch.inference_mode()
    def greedy(self, prompt: np.ndarray, tokens: int, stops: set[int]) -> list[int]:
        """The greedy continuation, ties to the smaller id, the stop token included."""
        ids = torch.from_numpy(prompt.astype(np.int64))[None].to(self.device)
        result, cache = [], None
        while len(result) < tokens and (not result or result[-1] not in stops):
            output = self.model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
            cache = output.past_key_values
            ids = output.logits[0, -1].argmax()[None, None]
            result.append(int(ids))
        return result

"""Random blocks of every storage format, with the values that the gguf package reads from them."""

from pathlib import Path

import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as Type
from gguf.quants import dequantize

BLOCKS = 6

# Byte offsets of each block's half-precision scales: random bits there would mostly give absurd magnitudes.
SCALES = {
    Type.Q4_0: [0],
    Type.Q4_1: [0, 2],
    Type.Q5_0: [0],
    Type.Q5_1: [0, 2],
    Type.Q8_0: [0],
    Type.Q4_K: [0, 2],
    Type.Q5_K: [0, 2],
    Type.Q6_K: [208],
}


def write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20)
    for kind, offsets in SCALES.items():
        _, size = GGML_QUANT_SIZES[kind]
        blocks = rng.integers(0, 256, (BLOCKS, size), dtype=np.uint8)
        for offset in offsets:
            # Ordinary scales, one negative, one subnormal, one zero.
            scales = rng.normal(0, 0.02, BLOCKS).astype(np.float16)
            scales[1], scales[2], scales[3] = -0.75, 3e-7, 0
            blocks[:, offset : offset + 2] = scales.view(np.uint8).reshape(BLOCKS, 2)
        save(folder, kind.name, blocks, dequantize(blocks, kind))

    # Each sign and exponent with a few mantissas, infinities included, not-a-numbers left out.
    halves = np.array([bits for bits in range(0, 1 << 16, 37) if bits & 0x7C00 != 0x7C00] + [0x7C00, 0xFC00], np.uint16)
    save(folder, "F16", halves.view(np.uint8), halves.view(np.float16).astype(np.float32))
    brain = np.array([bits for bits in range(0, 1 << 16, 37) if bits & 0x7F80 != 0x7F80] + [0x7F80, 0xFF80], np.uint16)
    save(folder, "BF16", brain.view(np.uint8), dequantize(brain.view(np.uint8), Type.BF16))
    floats = rng.normal(0, 1, 200).astype(np.float32)
    save(folder, "F32", floats.view(np.uint8), floats)


def save(folder: Path, name: str, blocks: np.ndarray, values: np.ndarray) -> None:
    (folder / f"{name}.blocks.bin").write_bytes(np.ascontiguousarray(blocks).tobytes())
    (folder / f"{name}.values.bin").write_bytes(np.ascontiguousarray(values, dtype="<f4").tobytes())

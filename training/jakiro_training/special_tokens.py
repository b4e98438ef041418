"""The marks of the model families the engine knows, by name: converters label some of them as plain text."""

from __future__ import annotations

FIM_MARKERS = (
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
    ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
    ("▁<PRE>", "▁<SUF>", "▁<MID>"),
)
"""Prefix, suffix and middle marker of Qwen2.5-Coder and CodeGemma, StarCoder, DeepSeek-Coder, Code Llama."""

TEXT_ENDS = ("▁<EOT>", "<|endoftext|>", "<|end_of_text|>", "<｜end▁of▁sentence｜>")
"""What stands after a whole file or a filled hole, the first that a vocabulary has."""

COMPLETION_MARKS = (
    *(marker for family in FIM_MARKERS for marker in family),
    *TEXT_ENDS,
    *("<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|EOT|>", "<end_of_turn>"),
    *("<|fim_pad|>", "<fim_pad>", "<fim-prefix>", "<fim-suffix>", "<fim-middle>", "<fim-pad>"),
    *("<|repo_name|>", "<|file_sep|>", "<|file_separator|>", "<repo_name>", "<reponame>", "<file_sep>"),
)
"""Marks that end or order a completion."""

MARKS = frozenset(
    (
        *COMPLETION_MARKS,
        *("<|im_start|>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>"),
        *("<｜begin▁of▁sentence｜>", "<start_of_turn>", "<gh_stars>"),
    )
)
"""Entries that are special whatever a file says of them: those of the engine's specialTokens.ts."""

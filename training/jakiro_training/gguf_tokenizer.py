"""The tokenizer that a GGUF file's metadata describes, as the engine reads it: the same text must have the same ids in
training and at run time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from .special_tokens import FIM_MARKERS, MARKS, TEXT_ENDS
from .unsupported import UnsupportedModel

# llama.cpp's llama_token_type.
UNKNOWN, CONTROL, USER_DEFINED, UNUSED = 2, 3, 4, 5


@dataclass(frozen=True)
class PreTokenization:
    """How text is cut into words before merging: regular expressions one after the other, as in the families' published
    tokenizer.json files."""

    splits: tuple[str, ...]
    nfc: bool = False
    ignore_merges: bool = False
    begins_with_token: bool = False


GPT2_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"

_GPT2 = PreTokenization((GPT2_WORDS,))
_DIGITWISE = PreTokenization((r"\p{N}", GPT2_WORDS))
_LLAMA3 = PreTokenization((WORDS % r"\p{N}{1,3}",), ignore_merges=True, begins_with_token=True)
_QWEN2 = PreTokenization((WORDS % r"\p{N}",), nfc=True)
_DEEPSEEK_CODER = PreTokenization(("[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+", r"\p{N}"))

PRE_TOKENIZATIONS = {
    "gpt-2": _GPT2,
    **dict.fromkeys(("smollm", "starcoder", "refact", "command-r", "codeshell"), _DIGITWISE),
    **dict.fromkeys(("llama-bpe", "llama3", "llama-v3"), _LLAMA3),
    **dict.fromkeys(("qwen2", "deepseek-r1-qwen"), _QWEN2),
    "deepseek-coder": _DEEPSEEK_CODER,
}
"""By GGUF's `tokenizer.ggml.pre`: those that the engine knows (preTokenizers.ts)."""


def pre_tokenization(kind: str | None, pre: str | None, name: str) -> PreTokenization | None:
    """The rules for `tokenizer.ggml.model` and `.pre` of the file `name`; None for SentencePiece, which cuts nothing.
    UnsupportedModel for others, because a near miss would be silent."""
    if kind == "llama":
        return None
    if kind != "gpt2":
        raise UnsupportedModel(
            f'{name} has a tokenizer of the kind "{kind}", and training reads "gpt2" and "llama"; choose another model.'
        )
    if pre not in PRE_TOKENIZATIONS:
        what = "does not name its pre-tokenizer" if pre is None else f'uses the pre-tokenizer "{pre}"'
        raise UnsupportedModel(
            f"{name} {what}, and training knows {', '.join(PRE_TOKENIZATIONS)} and SentencePiece; choose another model."
        )
    return PRE_TOKENIZATIONS[pre]


def word_splitter(rules: PreTokenization) -> pre_tokenizers.PreTokenizer:
    """Cuts text into words and spells their bytes as vocabularies do."""
    splits = [pre_tokenizers.Split(Regex(expression), "isolated") for expression in rules.splits]
    return pre_tokenizers.Sequence([*splits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


@dataclass(frozen=True)
class FimTokens:
    prefix: int
    suffix: int
    middle: int


class GgufTokenizer:
    """Text to ids, and the special tokens. `value(key)` is the metadata's entry or None; `name` the file's, for errors.

    UnsupportedModel where the engine would not run the file either."""

    def __init__(self, value: Callable[[str], object], name: str):
        self._value = value
        self._rules = pre_tokenization(value("tokenizer.ggml.model"), value("tokenizer.ggml.pre"), name)
        self.tokens: list[str] = value("tokenizer.ggml.tokens")
        types = value("tokenizer.ggml.token_type") or [1] * len(self.tokens)
        self._special = {
            text: i
            for i, (text, kind) in enumerate(zip(self.tokens, types))
            if kind in (CONTROL, UNKNOWN, UNUSED) or text in MARKS
        }
        self._verbatim = [
            text for text, kind in zip(self.tokens, types) if kind == USER_DEFINED and text not in self._special
        ]
        self._control = {i for i, kind in enumerate(types) if kind == CONTROL}

    @property
    def is_sentencepiece(self) -> bool:
        """Whether entries spell text in characters, with "▁" for a space, or else in GPT-2's bytes."""
        return self._rules is None

    @cached_property
    def encoder(self) -> Tokenizer:
        """What encodes text. Spellings of special tokens inside a text are encoded as plain text; user-defined entries
        are found as they stand."""
        tokenizer = self._sentencepiece() if self._rules is None else self._byte_level(self._rules)
        tokenizer.add_special_tokens([AddedToken(text, normalized=False) for text in self._special])
        tokenizer.add_tokens([AddedToken(text, normalized=False) for text in self._verbatim])
        tokenizer.encode_special_tokens = True
        return tokenizer

    def token_id(self, text: str) -> int | None:
        """The id of a special token, or None where the vocabulary has none of that name."""
        return self._special.get(text)

    @property
    def begin_token(self) -> int | None:
        """Prepended to every prompt, where the model wants it."""
        default = self._rules is None or self._rules.begins_with_token
        wanted = self._value("tokenizer.ggml.add_bos_token")
        return self._role("bos") if (default if wanted is None else wanted) else None

    @property
    def text_end(self) -> int | None:
        """What follows a whole text or a filled hole."""
        return next((i for name in TEXT_ENDS if (i := self.token_id(name)) is not None), self._role("eos"))

    @property
    def end_tokens(self) -> set[int]:
        """Each of them ends a completion."""
        marks = {i for text, i in self._special.items() if text in MARKS}
        roles = {i for role in ("eos", "eot", "eom") if (i := self._role(role)) is not None}
        return self._control | marks | roles

    @property
    def fim(self) -> FimTokens | None:
        """The infilling markers, or None for a model that can only go on from a prefix."""
        for family in FIM_MARKERS:
            ids = [self.token_id(marker) for marker in family]
            if None not in ids:
                return FimTokens(*ids)
        return None

    def _role(self, role: str) -> int | None:
        return self._value(f"tokenizer.ggml.{role}_token_id")

    @cached_property
    def _vocabulary(self) -> dict[str, int]:
        return {text: i for i, text in enumerate(self.tokens)}

    def _byte_level(self, rules: PreTokenization) -> Tokenizer:
        vocabulary = self._vocabulary
        pairs = [tuple(merge.split(" ", 1)) for merge in self._value("tokenizer.ggml.merges")]
        merges = [(a, b) for a, b in pairs if a in vocabulary and b in vocabulary and a + b in vocabulary]
        tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=rules.ignore_merges))
        if rules.nfc:
            tokenizer.normalizer = normalizers.NFC()
        tokenizer.pre_tokenizer = word_splitter(rules)
        tokenizer.decoder = decoders.ByteLevel()
        return tokenizer

    def _sentencepiece(self) -> Tokenizer:
        """SentencePiece's scheme: whatever two pieces make a piece are merged, the one of the highest score first."""
        prefixes_space = self._value("tokenizer.ggml.add_space_prefix") is not False
        tokenizer = Tokenizer(models.BPE(vocab=self._vocabulary, merges=self._scored_merges(), byte_fallback=True))
        replace = normalizers.Replace(" ", "▁")
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), replace]) if prefixes_space else replace
        strip = [decoders.Strip(" ", 1, 0)] if prefixes_space else []
        tokenizer.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
        )
        return tokenizer

    def _scored_merges(self) -> list[tuple[str, str]]:
        scores = self._value("tokenizer.ggml.scores")
        others = {*self._special, *self._verbatim}
        by_score = sorted((i for i, text in enumerate(self.tokens) if text not in others), key=lambda i: -scores[i])
        splits = ((self.tokens[i][:at], self.tokens[i][at:]) for i in by_score for at in range(1, len(self.tokens[i])))
        return [(a, b) for a, b in splits if a in self._vocabulary and b in self._vocabulary]

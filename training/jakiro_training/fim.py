"""Cuts a file into training sequences: plain windows, and fill-in-the-middle orders cut where an editor's cursor
stands."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .gguf_tokenizer import GgufTokenizer

MAX_TOKENS = 512
MIN_TOKENS = 48
PREFIX_TOKENS = (32, 280)
MIDDLE_TOKENS = 160
SUFFIX_TOKENS = 64
CHARS_PER_TOKEN_BOUND = 8


@dataclass(frozen=True)
class Cut:
    """Character positions: prefix [start, cursor), middle [cursor, middle_end), suffix [middle_end, suffix_end)."""

    start: int
    cursor: int
    middle_end: int
    suffix_end: int


def sequences_of(
    text: str, tokenizer: GgufTokenizer, fim_share: float, rng: random.Random
) -> Iterator[tuple[np.ndarray, bool]]:
    """Walks through the file; yields (token ids, is FIM order), each of MIN_TOKENS to MAX_TOKENS tokens.

    Windows start at line starts, as a prompt packer cuts, and with the begin token that the engine gives the model. A
    FIM window consumes the text up to the end of its middle; a model without FIM markers has plain windows alone.
    """
    begin, end = ([] if i is None else [i] for i in (tokenizer.begin_token, tokenizer.text_end))
    room = MAX_TOKENS - len(begin)
    position = 0
    while position < len(text):
        window = text[position : position + MAX_TOKENS * CHARS_PER_TOKEN_BOUND]
        encoding = tokenizer.encoder.encode(window)
        cut = (
            choose_cut(text, position, [end for _, end in encoding.offsets], rng)
            if tokenizer.fim and rng.random() < fim_share
            else None
        )
        if cut is not None:
            ids = [*begin, *_fim_ids(text, cut, tokenizer), *end]
            next_position = _next_line(text, cut.middle_end)
        else:
            ids = [*begin, *encoding.ids[:room]]
            taken = position + encoding.offsets[min(room, len(encoding.ids)) - 1][1]
            if taken >= len(text) and len(ids) < MAX_TOKENS:
                ids += end
            next_position = _next_line(text, taken)
        if MIN_TOKENS <= len(ids) <= MAX_TOKENS:
            yield np.asarray(ids, np.uint32), cut is not None
        position = max(next_position, position + 1)


def choose_cut(text: str, start: int, token_ends: list[int], rng: random.Random) -> Cut | None:
    """A cursor and a middle in the window that begins at `start`; `token_ends` are its tokens' end offsets from there.

    Cursor: after a line's indentation, at a line's end, or after a word or bracket in mid-line. Middle: the rest of a
    token run, of the line, or up to a dozen whole lines. None where the rest of the file is too short.
    """
    low, high = PREFIX_TOKENS
    if len(token_ends) < low + 24:
        return None
    target = start + token_ends[rng.randint(low, min(high, len(token_ends) - 16)) - 1]
    line_start = text.rfind("\n", 0, target) + 1
    line_end = _line_end(text, line_start)
    kind = rng.random()
    if kind < 0.35:
        cursor = line_start + len(re.match(r"[ \t]*", text[line_start:line_end]).group())
    elif kind < 0.45:
        cursor = line_end
    else:
        stops = [line_start + m.end() for m in re.finditer(r"\w+|[.(\[{=,:] ?", text[line_start:line_end])][:-1]
        cursor = rng.choice(stops) if stops else line_end
    middle_end = _middle_end(text, cursor, rng)
    middle_end = min(
        middle_end, start + token_ends[min(len(token_ends), _token_at(token_ends, cursor - start) + MIDDLE_TOKENS) - 1]
    )
    if cursor <= start or middle_end <= cursor or not text[cursor:middle_end].strip():
        return None
    suffix_lines = 0 if rng.random() < 0.1 else rng.randint(1, 8)
    suffix_end = middle_end
    for _ in range(suffix_lines):
        suffix_end = min(len(text), _line_end(text, suffix_end) + 1)
    return Cut(start, cursor, middle_end, suffix_end)


def _middle_end(text: str, cursor: int, rng: random.Random) -> int:
    end_of_line = _line_end(text, cursor)
    kind = rng.random()
    if kind < 0.15 and end_of_line - cursor > 4:
        return rng.randint(cursor + 1, end_of_line)
    further = 0 if kind < 0.4 else rng.randint(1, 3) if kind < 0.75 else rng.randint(4, 12)
    if end_of_line == cursor:
        further = max(further, 1)
    end = end_of_line
    for _ in range(further):
        end = _line_end(text, min(len(text), end + 1))
    return end


def _fim_ids(text: str, cut: Cut, tokenizer: GgufTokenizer) -> list[int]:
    encode, fim = tokenizer.encoder.encode, tokenizer.fim
    prefix = encode(text[cut.start : cut.cursor]).ids
    middle = encode(text[cut.cursor : cut.middle_end]).ids[:MIDDLE_TOKENS]
    suffix = encode(text[cut.middle_end : cut.suffix_end]).ids[:SUFFIX_TOKENS]
    return [fim.prefix, *prefix, fim.suffix, *suffix, fim.middle, *middle]


def _line_end(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end


def _next_line(text: str, position: int) -> int:
    return (
        position
        if position == 0 or text[position - 1 : position] == "\n"
        else min(len(text), _line_end(text, position) + 1)
    )


def _token_at(token_ends: list[int], offset: int) -> int:
    return int(np.searchsorted(token_ends, offset, side="left"))

import random

import numpy as np
import pytest

from jakiro_training.fim import (
    MAX_TOKENS,
    MIDDLE_TOKENS,
    MIN_TOKENS,
    SUFFIX_TOKENS,
    choose_cut,
    sequences_of,
)

TEXT = "".join(
    f"def compute_{i}(values, limit={i}):\n    total = 0\n    for value in values:\n"
    f"        if value > limit:\n            total += value * {i}\n"
    f"    return total\n\n\n"
    for i in range(40)
)


@pytest.fixture(scope="module")
def fim(tiny_model):
    return tiny_model.tokenizer.fim


def test_fim_sequences_are_contiguous_source_text(tiny_model, fim):
    decode = tiny_model.tokenizer.encoder.decode
    made = [s for seed in range(6) for s in sequences_of(TEXT, tiny_model.tokenizer, 1.0, random.Random(seed))]
    cuts = [ids.tolist() for ids, is_fim in made if is_fim]
    assert len(cuts) > 40
    for ids in cuts:
        suffix_at, middle_at = ids.index(fim.suffix), ids.index(fim.middle)
        prefix, suffix, middle = ids[1:suffix_at], ids[suffix_at + 1 : middle_at], ids[middle_at + 1 : -1]
        assert ids[0] == fim.prefix and ids[-1] == tiny_model.tokenizer.text_end
        assert len(suffix) <= SUFFIX_TOKENS and 0 < len(middle) <= MIDDLE_TOKENS
        assert decode(prefix) + decode(middle) in TEXT
        if len(middle) < MIDDLE_TOKENS:
            assert decode(prefix) + decode(middle) + decode(suffix) in TEXT


def test_plain_windows_cover_the_file_in_order(tiny_model):
    made = list(sequences_of(TEXT, tiny_model.tokenizer, 0.0, random.Random(0)))
    assert all(not is_fim and MIN_TOKENS <= len(ids) <= MAX_TOKENS for ids, is_fim in made)
    starts = [
        TEXT.index(tiny_model.tokenizer.encoder.decode(ids.tolist(), skip_special_tokens=True)) for ids, _ in made
    ]
    assert starts == sorted(starts) and all(start == 0 or TEXT[start - 1] == "\n" for start in starts)
    assert made[-1][0][-1] == tiny_model.tokenizer.text_end


def test_same_seed_same_sequences(tiny_model):
    first, second, other = (
        list(sequences_of(TEXT, tiny_model.tokenizer, 0.5, random.Random(seed))) for seed in (3, 3, 4)
    )
    assert len(first) == len(second) and all(np.array_equal(a[0], b[0]) for a, b in zip(first, second))
    assert [len(ids) for ids, _ in first] != [len(ids) for ids, _ in other]


def test_cursors_stand_where_editors_leave_them():
    ends = list(range(3, len(TEXT), 3))
    cuts = [cut for seed in range(200) if (cut := choose_cut(TEXT, 0, ends, random.Random(seed)))]
    at_indentation = sum(TEXT[TEXT.rfind("\n", 0, c.cursor) + 1 : c.cursor].strip() == "" for c in cuts)
    at_line_end = sum(TEXT[c.middle_end : c.middle_end + 1] == "\n" for c in cuts)
    assert len(cuts) > 150
    assert 0.2 * len(cuts) < at_indentation < 0.6 * len(cuts)
    assert at_line_end > 0.7 * len(cuts)

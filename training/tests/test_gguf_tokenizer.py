"""The tokenizer against what the engine's is tested against: the families' published pre-tokenizers, SentencePiece, and
the tiny models' own files."""

import json
import re

import pytest
from tokenizers import Tokenizer

from jakiro_training.gguf_model import GgufModel
from jakiro_training.gguf_tokenizer import PRE_TOKENIZATIONS, FimTokens, GgufTokenizer, word_splitter
from jakiro_training.special_tokens import MARKS
from jakiro_training.unsupported import UnsupportedModel

from conftest import FIXTURES, ROOT, TINY_LLAMA, TINY_MODEL

CORPUS = json.loads((FIXTURES / "tokenizer" / "corpus.json").read_text())
FAMILIES = json.loads((FIXTURES / "tokenizer" / "words.json").read_text())
SENTENCEPIECE = FIXTURES / "tokenizer" / "sentencepiece.gguf"
ENGINE = ROOT / "src" / "engine" / "model"


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family["pre"])
def test_words_are_those_of_the_published_pre_tokenizer(family):
    splitter = word_splitter(PRE_TOKENIZATIONS[family["pre"]])
    for text, ends in zip(CORPUS, family["ends"], strict=True):
        assert [end for _, (_, end) in splitter.pre_tokenize_str(text)] == ends, text


@pytest.mark.parametrize("path", [TINY_MODEL, TINY_LLAMA], ids=lambda path: path.stem)
def test_ids_are_those_of_the_models_own_file(path):
    reference = Tokenizer.from_file(str(path.with_suffix("") / "tokenizer.json"))
    reference.encode_special_tokens = True
    encoder = GgufModel(path).tokenizer.encoder
    for text in CORPUS:
        assert encoder.encode(text).ids == reference.encode(text).ids, text


def test_ids_are_those_of_sentencepiece():
    encoder = GgufModel(SENTENCEPIECE).tokenizer.encoder
    samples = json.loads((FIXTURES / "tokenizer" / "sentencepiece.ids.json").read_text())
    assert len(samples) > 20
    for sample in samples:
        assert encoder.encode(sample["text"]).ids == sample["ids"], sample["text"]
        assert encoder.decode(sample["ids"]) == sample["text"]


def test_places_in_a_text_survive_sentencepieces_spelling():
    text = "if a:\n    b = '\U0001f600'\n"
    encoding = GgufModel(SENTENCEPIECE).tokenizer.encoder.encode(text)
    ends = [end for _, end in encoding.offsets]
    assert ends == sorted(ends) and ends[-1] == len(text)


def test_special_tokens_in_a_text_are_text(tiny_model):
    end = tiny_model.tokenizer.token_id("<|endoftext|>")
    ids = tiny_model.tokenizer.encoder.encode("a = '<|endoftext|>'").ids
    assert end not in ids and tiny_model.tokenizer.encoder.decode(ids) == "a = '<|endoftext|>'"
    assert tiny_model.tokenizer.token_id("<|no such token|>") is None


LETTERS = [*"abcdefghijklmnopqrstuvwxyz<>_|/", "Ġ"]
FIM_NAMES = ("<fim_prefix>", "<fim_suffix>", "<fim_middle>")


def tokenizer(pre: str | None = "starcoder", user_defined: tuple = (), plain: tuple = (), **entries) -> GgufTokenizer:
    """A byte-level vocabulary without merges: one letter, or one of these further entries, a token."""
    metadata = {
        "model": "gpt2",
        "pre": pre,
        "tokens": [*LETTERS, *plain, *user_defined],
        "token_type": [1] * len([*LETTERS, *plain]) + [4] * len(user_defined),
        "merges": [],
        **entries,
    }
    return GgufTokenizer(lambda key: metadata.get(key.removeprefix("tokenizer.ggml.")), "some.gguf")


def test_user_defined_entries_are_found_as_they_stand():
    found = tokenizer(user_defined=("<tool>", "<tool>s"))
    assert found.encoder.encode("a<tool>sb").tokens == ["a", "<tool>s", "b"]


@pytest.mark.parametrize("pre, tokens", [("llama-bpe", ["abc"]), ("starcoder", ["a", "b", "c"])])
def test_llama_3_takes_whole_words_that_no_merge_leads_to(pre, tokens):
    assert tokenizer(pre, plain=("abc",)).encoder.encode("abc").tokens == tokens


def test_marks_are_special_whatever_the_file_says_of_them():
    found = tokenizer(plain=FIM_NAMES, user_defined=("<|endoftext|>",))
    assert found.fim == FimTokens(*range(len(LETTERS), len(LETTERS) + 3))
    assert found.text_end == len(LETTERS) + 3 and found.end_tokens == set(range(len(LETTERS), len(LETTERS) + 4))
    assert found.encoder.encode("<fim_prefix>").tokens == [*"<fim_prefix>"]
    assert tokenizer(plain=FIM_NAMES[:2]).fim is None
    assert tokenizer(eos_token_id=7).text_end == 7


@pytest.mark.parametrize(
    "pre, entries, begins",
    [
        ("llama-bpe", {}, True),
        ("llama-bpe", {"add_bos_token": False}, False),
        ("starcoder", {}, False),
        ("deepseek-coder", {"add_bos_token": True}, True),
        (None, {"model": "llama"}, True),
    ],
)
def test_texts_begin_as_the_engines_prompts_do(pre, entries, begins):
    assert tokenizer(pre, bos_token_id=3, **entries).begin_token == (3 if begins else None)


@pytest.mark.parametrize(
    "entries, complaint",
    [
        ({"pre": "viking"}, 'some.gguf uses the pre-tokenizer "viking", and training knows gpt-2, .*SentencePiece'),
        ({"pre": None}, "does not name its pre-tokenizer"),
        ({"model": "t5"}, 'tokenizer of the kind "t5"'),
    ],
)
def test_others_are_refused_in_a_sentence(entries, complaint):
    with pytest.raises(UnsupportedModel, match=complaint):
        tokenizer(**entries)


def test_the_engine_knows_the_same_names():
    marks = re.search(r"new Set\(\[(.*?)^\]\)", (ENGINE / "specialTokens.ts").read_text(), re.DOTALL | re.MULTILINE)
    assert set(re.findall(r'"([^"]+)"', marks.group(1))) == MARKS
    names = re.findall(r'^  \["([^"]+)", \w+\],$', (ENGINE / "preTokenizers.ts").read_text(), re.MULTILINE)
    assert set(names) == set(PRE_TOKENIZATIONS)

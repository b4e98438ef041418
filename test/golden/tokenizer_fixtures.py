"""Token ids of the corpus by reference implementations, for the catalogue's vocabularies and for SentencePiece's scheme."""

import io
import json
from pathlib import Path

import gguf
import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import Qwen2Tokenizer
from transformers.convert_slow_tokenizer import generate_merges

import tokenizer_corpus
from tiny_model_fixtures import WORDS

QWEN = "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"
SMOLLM = "SmolLM2-135M-Instruct.Q4_1.gguf"


def write(folder: Path, models_directory: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    texts = tokenizer_corpus.corpus()
    save(folder / "corpus.json", texts)
    save(folder / "qwen2.5-coder.ids.json", [qwen(models_directory / QWEN).encode(text).ids for text in texts])
    save(folder / "smollm2.ids.json", [smollm(models_directory / SMOLLM).encode(text).ids for text in texts])
    write_words(folder / "words.json", texts)
    write_sentencepiece(folder, texts)


def save(path: Path, rows: list) -> None:
    path.write_text("[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "\n]\n")


def metadata(path: Path) -> tuple[list[str], list[int], list[str]]:
    fields = gguf.GGUFReader(path).fields
    keys = ("tokens", "token_type", "merges")
    return tuple(fields[f"tokenizer.ggml.{key}"].contents() for key in keys)


def as_user_text(reference: Tokenizer, tokens: list[str], kinds: list[int]) -> Tokenizer:
    """Adds the file's added tokens; special ones are to be treated as ordinary text."""
    control = [t for t, kind in zip(tokens, kinds) if kind == gguf.TokenType.CONTROL]
    verbatim = [t for t, kind in zip(tokens, kinds) if kind == gguf.TokenType.USER_DEFINED]
    reference.add_special_tokens([AddedToken(token, normalized=False) for token in control])
    reference.add_tokens([AddedToken(token, normalized=False) for token in verbatim])
    reference.encode_special_tokens = True
    return reference


def write_words(path: Path, texts: list[str]) -> None:
    """Where each family's published pre-tokenizer cuts the texts, by GGUF's name for it: ends of words in code points."""

    def split(expression: str) -> pre_tokenizers.Split:
        return pre_tokenizers.Split(Regex(expression), behavior="isolated")

    spelling = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    families = {
        "gpt-2": [pre_tokenizers.ByteLevel(add_prefix_space=False)],
        "starcoder": [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)],
        "llama-bpe": [split(WORDS % r"\p{N}{1,3}"), spelling],
        "qwen2": [split(WORDS % r"\p{N}"), spelling],
        "deepseek-coder": [
            split("[\r\n]"),
            split(r"\s?\p{L}+"),
            split(r"\s?\p{P}+"),
            split("[一-龥ࠀ-一가-퟿]+"),
            pre_tokenizers.Digits(individual_digits=True),
            spelling,
        ],
    }
    rows = []
    for name, steps in families.items():
        sequence = pre_tokenizers.Sequence(steps)
        rows.append({"pre": name, "ends": [[end for _, (_, end) in sequence.pre_tokenize_str(text)] for text in texts]})
    save(path, rows)


_cache: dict[Path, Tokenizer] = {}


def qwen(path: Path) -> Tokenizer:
    if path not in _cache:
        tokens, kinds, merges = metadata(path)
        vocabulary = {token: i for i, token in enumerate(tokens)}
        reference = Qwen2Tokenizer(vocab=vocabulary, merges=[tuple(merge.split(" ")) for merge in merges])
        _cache[path] = as_user_text(reference.backend_tokenizer, tokens, kinds)
    return _cache[path]


def smollm(path: Path) -> Tokenizer:
    """As SmolLM2's published tokenizer.json describes it."""
    if path not in _cache:
        tokens, kinds, merges = metadata(path)
        vocabulary = {token: i for i, token in enumerate(tokens)}
        reference = Tokenizer(models.BPE(vocab=vocabulary, merges=[tuple(merge.split(" ")) for merge in merges]))
        reference.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
        _cache[path] = as_user_text(reference, tokens, kinds)
    return _cache[path]


def write_sentencepiece(folder: Path, texts: list[str]) -> None:
    """A small byte-fallback model: as GGUF with SentencePiece's own ids, as tokenizer.json with those of tokenizers."""
    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([line for text in tokenizer_corpus.CODE * 3 for line in text.splitlines()]),
        model_writer=trained,
        model_type="bpe",
        vocab_size=520,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        split_by_whitespace=True,
        allow_whitespace_only_pieces=True,
        character_coverage=1.0,
        num_threads=1,
        minloglevel=2,
    )
    processor = sentencepiece.SentencePieceProcessor(model_proto=trained.getvalue())
    # SentencePiece reads NUL as the end of a text, and recognizes the names of its own control tokens nowhere in text.
    samples = [text for text in texts if "\0" not in text and text != ""]
    save(folder / "sentencepiece.ids.json", [{"text": text, "ids": processor.encode(text)} for text in samples])
    # As Code Llama encodes the text after a hole: behind a character whose own tokens are dropped.
    stand_in = "\N{WHITE SMILING FACE}"
    own = len(processor.encode(stand_in))
    rows = [{"text": text, "ids": processor.encode(stand_in + text)[own:]} for text in samples[::4]]
    save(folder / "sentencepiece.continued.json", rows)
    write_sentencepiece_gguf(folder / "sentencepiece.gguf", processor)

    pieces = [processor.id_to_piece(i) for i in range(processor.vocab_size())]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    scores = {p: processor.get_score(i) for i, p in enumerate(pieces) if not processor.is_byte(i) and i > 2}
    reference = Tokenizer(
        models.BPE(
            vocab=vocabulary,
            merges=generate_merges(vocabulary, scores),
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    reference.add_special_tokens([AddedToken(token, normalized=False) for token in ("<unk>", "<s>", "</s>")])
    reference.encode_special_tokens = True
    reference.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    for name in ("prepend", "metaspace"):
        if name == "prepend":
            reference.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        else:
            reference.normalizer = None
            reference.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
        target = folder / f"llama2-{name}"
        target.mkdir(exist_ok=True)
        reference.save(str(target / "tokenizer.json"), pretty=False)
        save(target / "ids.json", [{"text": text, "ids": reference.encode(text).ids} for text in samples])


def write_sentencepiece_gguf(path: Path, processor: sentencepiece.SentencePieceProcessor) -> None:
    def kind(i: int) -> gguf.TokenType:
        if processor.is_byte(i):
            return gguf.TokenType.BYTE
        if processor.is_unknown(i):
            return gguf.TokenType.UNKNOWN
        return gguf.TokenType.CONTROL if processor.is_control(i) else gguf.TokenType.NORMAL

    size = processor.vocab_size()
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("llama")
    writer.add_token_list([processor.id_to_piece(i) for i in range(size)])
    writer.add_token_scores([processor.get_score(i) for i in range(size)])
    writer.add_token_types([kind(i) for i in range(size)])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

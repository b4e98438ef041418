"""Which files of a package count as hand-written source code, and which of them are duplicates of what was seen
before."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import string
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

LANGUAGES = {
    ".py": "python",
    ".ts": "typescript",
    ".tsx": "typescript",
    ".mts": "typescript",
    ".js": "javascript",
    ".mjs": "javascript",
    ".jsx": "javascript",
    ".go": "go",
    ".rs": "rust",
    ".java": "java",
    ".c": "c",
    ".h": "c",
}
SKIPPED_FOLDERS = {
    "test",
    "tests",
    "__tests__",
    "testing",
    "testdata",
    "fixtures",
    "__fixtures__",
    "mocks",
    "vendor",
    "_vendor",
    "vendored",
    "_vendored",
    "third_party",
    "node_modules",
    "dist",
    "build",
    "_esm",
    "_cjs",
    "_types",
    "cjs",
    "umd",
    "locale",
    "locales",
    "i18n",
    "lang",
    "unicode",
    "migrations",
    "datasets",
    "data",
    "_distutils",
    "typeshed",
    "unicode_tables",
    "sbcs",
    "corpora",
    "fp",
    "locale-data",
    "benches",
    "deprecated",
    "generated",
    "externals",
}
MIN_BYTES, MAX_BYTES = 400, 150_000
GENERATED = re.compile(
    r"do not (edit|modify)|auto-?generated|automatically generated|@generated|generated (by|from|with|using) ",
    re.IGNORECASE,
)
SHINGLE_LINES = 4
LETTERS = string.ascii_letters.encode() + b"_"


def language_of(path: str) -> str | None:
    """The language of a file by its name; None where it is no source file or a declaration, minified or test file."""
    name = PurePosixPath(path).name
    if re.search(
        r"\.d\.[cm]?ts$|\.min\.|\.(test|spec)\.|_test\.go$|^test_.*\.py$|_test\.py$|^conftest\.py$|\.pb\.go$|_pb2\.py$|[-.]bundle\.",
        name,
    ):
        return None
    if any(part.lower() in SKIPPED_FOLDERS for part in PurePosixPath(path).parts[:-1]):
        return None
    return LANGUAGES.get(PurePosixPath(path).suffix)


def readable_source(data: bytes) -> str | None:
    """The text with LF line ends, or None where it is not UTF-8, too short or long, minified, generated, or mostly
    data."""
    if not MIN_BYTES <= len(data) <= MAX_BYTES or b"\0" in data:
        return None
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        return None
    lines = text.split("\n")
    if max(map(len, lines)) > 600 or len(text) / len(lines) > 90 or len(lines) < 10:
        return None
    if GENERATED.search(text[:2000]) or "<|" in text:
        return None
    visible = len(data.translate(None, b" \t\r\n"))
    letters = visible - len(data.translate(None, LETTERS + b" \t\r\n"))
    beyond_ascii = len(text.encode()) - len(text)
    return text if letters > 0.55 * visible and beyond_ascii < 0.05 * visible else None


class DuplicateFilter:
    """Remembers what it accepted; refuses exact copies and files of whose line shingles more than half were seen."""

    def __init__(self, threshold: float = 0.5):
        self.threshold = threshold
        self._texts: set[bytes] = set()
        self._shingles: set[int] = set()

    def accept(self, text: str) -> bool:
        lines = [line for raw in text.split("\n") if (line := raw.strip())]
        digest = hashlib.sha256("\n".join(lines).encode()).digest()
        if digest in self._texts:
            return False
        shingles = {
            _hash64("\n".join(lines[i : i + SHINGLE_LINES])) for i in range(max(1, len(lines) - SHINGLE_LINES + 1))
        }
        if len(shingles & self._shingles) > self.threshold * len(shingles):
            return False
        self._texts.add(digest)
        self._shingles |= shingles
        return True


class BenchmarkFilter:
    """Recognises text of benchmark problems: any ten successive words of a problem's docstring."""

    WINDOW = 10

    def __init__(self, docstrings: Iterable[str]):
        self._windows = {window for text in docstrings for window in self._windows_of(text)}

    @classmethod
    def from_human_eval(cls, path: Path) -> BenchmarkFilter:
        """Reads HumanEval.jsonl.gz; every record's prompt counts with signature and docstring."""
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            return cls([json.loads(line)["prompt"] for line in lines])

    @classmethod
    def _windows_of(cls, text: str) -> set[str]:
        words = re.findall(r"[a-z]+", text.lower())
        return {" ".join(words[i : i + cls.WINDOW]) for i in range(len(words) - cls.WINDOW + 1)}

    def contains(self, text: str) -> bool:
        return not self._windows.isdisjoint(self._windows_of(text))


def _hash64(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")

"""Step `corpus`: packages -> filtered source files -> shards of token sequences (plain and FIM order), deterministic
by seed."""

from __future__ import annotations

import argparse
import hashlib
import json
import random
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .fim import sequences_of
from .gguf_model import GgufModel
from .gguf_tokenizer import GgufTokenizer
from .packages import Package, fetch_all, load_packages, read_files
from .progress import Progress
from .shards import shard_paths, write_token_shard
from .sources import BenchmarkFilter, DuplicateFilter, language_of, readable_source

LANGUAGE_SHARES = {
    "python": 0.55,
    "typescript": 0.22,
    "javascript": 0.13,
    "go": 0.03,
    "rust": 0.03,
    "java": 0.02,
    "c": 0.02,
}
BYTES_PER_TOKEN = 3.4
CANDIDATES_PER_SHARE = 5
SHARD_TOKENS = 200_000


@dataclass(frozen=True)
class SourceFile:
    package: Package
    path: str
    language: str
    text: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    default_list = Path(__file__).parents[1] / "packages.toml"
    parser.add_argument("--packages", type=Path, default=default_list, help="the committed package list")
    parser.add_argument("--downloads", type=Path, required=True, help="folder for package archives, kept between runs")
    parser.add_argument("--model", type=Path, required=True, help="the target's GGUF: its tokenizer makes the tokens")
    parser.add_argument(
        "--exclude", type=Path, required=True, help="HumanEval.jsonl.gz: files holding its docstrings are dropped"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the shards, outside of the repository")
    parser.add_argument("--tokens", type=int, default=4_000_000, help="training tokens wanted")
    parser.add_argument("--heldout-tokens", type=int, default=150_000)
    parser.add_argument("--fim-share", type=float, default=0.5, help="share of sequences in FIM order")
    parser.add_argument("--seed", type=int, default=0)


def run(args: argparse.Namespace) -> None:
    if (args.out / "manifest.json").exists():
        print(f"{args.out} holds a complete corpus already; remove it to build another.")
        return
    tokenizer = GgufModel(args.model).tokenizer
    packages = load_packages(args.packages)
    fetch_all(packages, args.downloads)
    files, dropped = collect_files(
        packages, args.downloads, BenchmarkFilter.from_human_eval(args.exclude), args.tokens, args.seed
    )
    args.out.mkdir(parents=True, exist_ok=True)
    manifest = {"seed": args.seed, "target": args.model.name, "dropped": dict(dropped)}
    for split, heldout, tokens in (("train", False, args.tokens), ("heldout", True, args.heldout_tokens)):
        chosen = choose_files([f for f in files if f.package.heldout == heldout], tokens)
        manifest[split] = write_split(args.out, split, chosen, tokenizer, args)
    (args.out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    print(
        json.dumps(
            {
                split: {k: manifest[split][k] for k in ("tokens", "sequences", "languages")}
                for split in ("train", "heldout")
            }
        )
    )


def collect_files(
    packages: list[Package], downloads: Path, benchmark: BenchmarkFilter, tokens: int, seed: int
) -> tuple[list[SourceFile], Counter]:
    """Usable files of every package, in an order fixed by the seed; a package offers at most CANDIDATES_PER_SHARE
    times its fair share.

    Held-out packages go first, so that a copy of theirs is dropped from training.
    """
    duplicates, dropped, files = DuplicateFilter(), Counter(), []
    fair_share = tokens * BYTES_PER_TOKEN / len(packages)
    progress = Progress("packages", len(packages))
    for package in sorted(packages, key=lambda p: (not p.heldout, p.label)):
        candidates = read_files(package, downloads, lambda path: language_of(path) is not None)
        random.Random(f"{seed}:{package.label}").shuffle(candidates)
        offered = 0
        for path, data in candidates:
            if offered > CANDIDATES_PER_SHARE * fair_share:
                break
            text = readable_source(data)
            reason = (
                "unreadable, minified, generated or data"
                if text is None
                else "benchmark text"
                if benchmark.contains(text)
                else "duplicate"
                if not duplicates.accept(text)
                else None
            )
            if reason:
                dropped[reason] += 1
            else:
                files.append(SourceFile(package, path, language_of(path), text))
                offered += len(text)
        progress.advance(1, f"{len(files)} files")
    return files, dropped


def choose_files(files: list[SourceFile], tokens: int) -> list[SourceFile]:
    """Fills each language's share evenly over its packages: small packages wholly, large ones up to a common cap."""
    chosen = []
    for language, share in LANGUAGE_SHARES.items():
        by_package = defaultdict(list)
        for file in files:
            if file.language == language:
                by_package[file.package.label].append(file)
        cap = common_cap(
            [sum(len(f.text) for f in group) for group in by_package.values()], share * tokens * BYTES_PER_TOKEN
        )
        for group in by_package.values():
            taken = 0
            for file in group:
                if taken >= cap:
                    break
                chosen.append(file)
                taken += len(file.text)
    return chosen


def common_cap(sizes: list[int], budget: float) -> float:
    """The cap c with sum(min(size, c)) = budget; infinite where everything fits."""
    remaining = budget
    for index, size in enumerate(sorted(sizes)):
        cap = remaining / (len(sizes) - index)
        if size >= cap:
            return cap
        remaining -= size
    return float("inf")


def write_split(
    out: Path, split: str, files: list[SourceFile], tokenizer: GgufTokenizer, args: argparse.Namespace
) -> dict:
    languages = list(LANGUAGE_SHARES)
    rows: list[tuple[np.ndarray, int, int]] = []
    progress = Progress(f"{split} tokens", len(files))
    for file in files:
        rng = random.Random(f"{args.seed}:{file.package.label}:{file.path}")
        rows += [
            (ids, languages.index(file.language), int(is_fim))
            for ids, is_fim in sequences_of(file.text, tokenizer, args.fim_share, rng)
        ]
        progress.advance(1, f"{len(rows)} sequences")
    random.Random(f"{args.seed}:{split}").shuffle(rows)
    for stale in shard_paths(out, split):
        stale.unlink()
    batch, batch_tokens, shard = [], 0, 0
    for index, row in enumerate(rows):
        batch.append(row)
        batch_tokens += len(row[0])
        if batch_tokens >= SHARD_TOKENS or index == len(rows) - 1:
            write_token_shard(out / f"{split}-{shard:05d}.npz", *map(list, zip(*batch)))
            batch, batch_tokens, shard = [], 0, shard + 1
    counts = Counter()
    for ids, language, _ in rows:
        counts[languages[language]] += len(ids)
    return {
        "tokens": sum(len(r[0]) for r in rows),
        "sequences": len(rows),
        "fim_sequences": sum(r[2] for r in rows),
        "languages": dict(counts),
        "packages": sorted({f"{f.package.label} ({f.package.licence})" for f in files}),
        "sha256": hashlib.sha256(b"".join(r[0].tobytes() for r in rows)).hexdigest(),
    }

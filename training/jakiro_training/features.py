"""Step `features`: runs the target over the corpus and stores its features, resumable; training may read along."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .feature_shards import FeatureSequence, write_feature_shard
from .gguf_model import GgufModel
from .progress import Progress
from .shards import read_token_shard, shard_paths

SHARD_TOKENS = 20_000

Extractor = Callable[[list[np.ndarray]], list[np.ndarray]]


@dataclass(frozen=True)
class Job:
    """One feature shard: a run of sequences of one token shard."""

    output: str
    source: Path
    first: int
    last: int
    tokens: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True, help="the target's GGUF")
    parser.add_argument("--backend", choices=("engine", "torch"), default="engine")
    parser.add_argument("--pack", type=Path, help="engine backend: the folder the engine packed the model into")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--max-tokens", type=int, help="stop after about this many training tokens")
    parser.add_argument("--heldout-tokens", type=int, default=60_000)
    parser.add_argument(
        "--batch-tokens", type=int, default=256, help="short sequences run side by side up to this many rows"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--part",
        type=part,
        default=(0, 1),
        metavar="I/N",
        help="only every Nth shard, from the Ith on (1/2 beside 2/2)",
    )


def part(text: str) -> tuple[int, int]:
    """`2/3` -> (1, 3): the second of three processes that share the work without waiting for each other."""
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a part such as 1/2")
    return int(number) - 1, int(count)


def run(args: argparse.Namespace) -> None:
    args.out.mkdir(parents=True, exist_ok=True)
    model = GgufModel(args.model)
    jobs = pending_jobs(args)
    print(f"{len(jobs)} shards, {sum(j.tokens for j in jobs):,} tokens to go", flush=True)
    extract, smoothing = _extractor(args, model)
    note = {
        "target": model.path.name,
        "targetSha256": model.sha256,
        "smoothingHash": smoothing,
        "backend": args.backend,
    }
    note_path = args.out / "features.json"
    if note_path.exists() and json.loads(note_path.read_text()) != note:
        raise SystemExit(f"{args.out} holds features of another target or backend; choose another folder.")
    progress = Progress("feature tokens", sum(j.tokens for j in jobs), interval=20)
    for job in jobs:
        shard = read_token_shard(job.source)
        sequences = [shard.sequence(i).astype(np.int64) for i in range(job.first, job.last)]
        done: list[FeatureSequence] = []
        for batch in batches(sequences, args.batch_tokens):
            done += [FeatureSequence(tokens, features) for tokens, features in zip(batch, extract(batch))]
            progress.advance(sum(map(len, batch)))
        note_path.write_text(json.dumps(note, indent=1) + "\n")
        write_feature_shard(
            args.out / job.output, done, shard.language[job.first : job.last], shard.fim[job.first : job.last]
        )


def _extractor(args: argparse.Namespace, model: GgufModel) -> tuple[Extractor, str]:
    """The backend's function from sequences to features, and the hash of the smoothing they come with."""
    if args.backend == "torch":
        from .torch_target import TorchTarget

        return TorchTarget(args.model).features, "none"
    from .engine_graph import EngineGraph

    if args.pack is None:
        raise SystemExit("--backend engine needs --pack, the folder the engine packed the model into.")
    try:
        graph = EngineGraph(args.pack, model, args.threads)
    except ValueError as error:
        raise SystemExit(str(error)) from error
    return graph.features, graph.smoothing_hash


def pending_jobs(args: argparse.Namespace) -> list[Job]:
    """This part's feature shards not written yet: held-out ones first, so that validation can begin, then training ones
    in corpus order."""
    jobs = [*_jobs(args.corpus, "heldout", args.heldout_tokens), *_jobs(args.corpus, "train", args.max_tokens)]
    first, step = args.part
    return [job for job in jobs[first::step] if not (args.out / job.output).exists()]


def _jobs(corpus: Path, split: str, limit: int | None) -> Iterator[Job]:
    number, total = 0, 0
    for path in shard_paths(corpus, split):
        offsets = read_token_shard(path).offsets
        first = 0
        while first < len(offsets) - 1:
            last = min(int(np.searchsorted(offsets, offsets[first] + SHARD_TOKENS)), len(offsets) - 1)
            tokens = int(offsets[last] - offsets[first])
            yield Job(f"{split}-{number:05d}.npz", path, first, last, tokens)
            number, total, first = number + 1, total + tokens, last
            if limit is not None and total >= limit:
                return


def batches(sequences: list[np.ndarray], limit: int) -> Iterator[list[np.ndarray]]:
    """Successive sequences in groups of at most `limit` tokens, at least one each."""
    group: list[np.ndarray] = []
    for sequence in sequences:
        if group and sum(map(len, group)) + len(sequence) > limit:
            yield group
            group = []
        group.append(sequence)
    if group:
        yield group

"""Step `evaluate`: tau by tree size, acceptance by depth, diversity, size and latency of a head, by reference rounds on
the target's greedy text."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from .checkpoint import load_head
from .exported_head import exported_bytes, load_exported
from .gguf_model import GgufModel
from .head import DraftHead
from .part_times import part_times
from .progress import Progress
from .shards import write_text
from .teacher import TeacherText, teacher_texts
from .tree import ReferenceDrafter

COVERAGE_SIZES = (1, 2, 4, 8)
LATENCY_KEYS = 256


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--head", type=Path, required=True, help="a checkpoint (.pt) in float32, or an export's folder as it ships"
    )
    parser.add_argument("--model", type=Path, required=True, help="the target's GGUF")
    parser.add_argument("--suite", type=Path, required=True, help="prompts: HumanEval.jsonl.gz or the like")
    parser.add_argument("--limit", type=int, default=40, help="prompts, spread evenly over the suite")
    parser.add_argument("--tokens", type=int, default=64, help="greedy tokens per prompt")
    parser.add_argument(
        "--cache", type=Path, required=True, help="folder for the target's continuations, kept between runs"
    )
    parser.add_argument(
        "--nodes", type=int, nargs="+", default=[4, 8, 16, 24, 60], help="tree sizes, the root included"
    )
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--branching", type=int, default=8)
    parser.add_argument(
        "--wrong-parent-rows",
        action="store_true",
        help="ablation: the parallel level reads the rows the released code reads",
    )
    parser.add_argument(
        "--no-parallel-level", action="store_true", help="ablation: every level is drafted autoregressively"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--json",
        type=Path,
        help="write the results here as well, after every tree size; sizes that are there already are not done again",
    )


@dataclass
class Tally:
    """Sums over rounds. reached[d]: rounds whose path had d nodes accepted and text left; accepted[d]: those that
    went on to d + 1."""

    rounds: int = 0
    committed: int = 0
    forwards: int = 0
    reached: Counter = field(default_factory=Counter)
    accepted: Counter = field(default_factory=Counter)
    drafted_unique: list[int] = field(default_factory=list)
    accepted_unique: list[int] = field(default_factory=list)
    generated: list[int] = field(default_factory=list)
    root_mass: list[float] = field(default_factory=list)

    def summary(self) -> dict:
        depths = range(max(self.reached, default=-1) + 1)
        return {
            "tau": self.committed / self.rounds,
            "rounds": self.rounds,
            "draftForwardsPerRound": self.forwards / self.rounds,
            "acceptanceByDepth": [round(self.accepted[d] / self.reached[d], 4) for d in depths],
            "uniqueDraftedTokens": float(np.mean(self.drafted_unique)),
            "uniqueAcceptedTokens": float(np.mean(self.accepted_unique)),
            "generatedTokens": float(np.mean(self.generated)),
            "targetMassOfRootChildren": float(np.mean(self.root_mass)),
        }


class Evaluation:
    """A head, the target's embedding and LM head, and the settings of its trees."""

    def __init__(
        self,
        head: DraftHead,
        d2t: torch.Tensor,
        model: GgufModel,
        depth: int,
        branching: int,
        wrong_parent_rows: bool = False,
        parallel_level: bool = True,
    ):
        self.head, self.d2t, self.model = head, d2t, model
        self.depth, self.branching = depth, branching
        self.ablations = wrong_parent_rows, parallel_level
        self.draft_lm_head = torch.from_numpy(model.lm_head_rows(d2t.numpy()))

    def embed(self, tokens: list[int]) -> torch.Tensor:
        return torch.from_numpy(self.model.embedding_rows(np.asarray(tokens)))

    def run_text(self, text: TeacherText, nodes: int, tally: Tally) -> None:
        """Draft rounds along one greedy continuation; the prefill and the token it yields are not counted."""
        drafter = ReferenceDrafter(self.head, self.embed, self.draft_lm_head, self.d2t, *self.ablations)
        tokens, features = text.tokens.tolist(), torch.from_numpy(text.features).float()
        root, drafted, accepted = text.start, set(), set()
        while root < len(tokens) - 1:
            rows = slice(drafter.length, root)
            tree = drafter.draft(
                tokens[root], tokens[rows.start + 1 : root + 1], features[rows], self.depth, self.branching
            ).rerank(nodes)
            remaining = tokens[root + 1 :]
            path = tree.accepted(remaining)
            tally.rounds += 1
            tally.committed += min(len(path) + 1, len(remaining))
            for depth in range(min(len(path) + 1, len(remaining))):
                tally.reached[depth] += 1
                tally.accepted[depth] += depth < len(path)
            tally.root_mass.append(text.mass(root, [t for t, p in zip(tree.tokens, tree.parents) if p == 0]))
            drafted.update(tree.tokens[1:])
            accepted.update(tree.tokens[n] for n in path)
            root += len(path) + 1
        tally.forwards += drafter.forwards
        tally.drafted_unique.append(len(drafted))
        tally.accepted_unique.append(len(accepted))
        tally.generated.append(len(tokens) - text.start)

    def coverage(self, text: TeacherText) -> np.ndarray:
        """[positions, COVERAGE_SIZES] the target's probability mass that the head's 1, 2, 4, ... best next tokens
        cover: after every token of the continuation but the last, whatever rounds would have stopped there."""
        drafter = ReferenceDrafter(self.head, self.embed, self.draft_lm_head, self.d2t, *self.ablations)
        tokens, features = text.tokens.tolist(), torch.from_numpy(text.features).float()
        covered = []
        for root in range(text.start, len(tokens) - 1):
            rows = slice(drafter.length, root)
            tree = drafter.draft(
                tokens[root], tokens[rows.start + 1 : root + 1], features[rows], 1, max(COVERAGE_SIZES)
            )
            children = [tree.tokens[n] for n in tree.best(list(range(1, len(tree.tokens))), max(COVERAGE_SIZES))]
            covered.append([text.mass(root, children[:size]) for size in COVERAGE_SIZES])
        return np.array(covered).reshape(-1, len(COVERAGE_SIZES))

    def costs(self) -> dict:
        """Size of the head's weights, and PyTorch's milliseconds of each part of a draft forward for the root's row and
        for a whole frontier."""
        return {
            "parameters": sum(parameter.numel() for parameter in self.head.parameters()),
            "bytes": {
                "int8": exported_bytes(self.head, int8=True),
                "float32": exported_bytes(self.head, int8=False),
            },
            "milliseconds": {
                str(rows): part_times(self.head, self.draft_lm_head, rows, LATENCY_KEYS)
                for rows in sorted({1, self.branching})
            },
        }


def load_any(path: Path) -> tuple[DraftHead, torch.Tensor, str]:
    """The head, d2t, and in what its weights are stored: a checkpoint's are float32."""
    if path.is_dir():
        return *load_exported(path), json.loads((path / "config.json").read_text())["weights"]
    head, state = load_head(path)
    return head, state["d2t"].long(), "float32"


def run(args: argparse.Namespace) -> None:
    torch.set_num_threads(args.threads)
    model = GgufModel(args.model)
    head, d2t, weights = load_any(args.head)
    texts = teacher_texts(model, args.suite, args.limit, args.tokens, args.cache)
    evaluation = Evaluation(
        head, d2t, model, args.depth, args.branching, args.wrong_parent_rows, not args.no_parallel_level
    )
    subject = {
        "head": args.head.name,
        "headSha256": head_sha256(head, d2t),
        "kind": head.config.kind,
        "weights": weights,
        "depth": args.depth,
        "branching": args.branching,
        "prompts": len(texts),
        "tokens": args.tokens,
        "textsSha256": texts_sha256(texts),
        "wrongParentRows": args.wrong_parent_rows,
        "parallelLevel": not args.no_parallel_level,
    }
    known = earlier_results(args.json, subject)
    results = {**subject, "byNodes": {}}
    results["targetMassOfBest"] = known.get("targetMassOfBest") or mass_of_best(evaluation, texts)
    results["costs"] = known.get("costs") or evaluation.costs()
    print(json.dumps({name: results[name] for name in ("targetMassOfBest", "costs")}), flush=True)
    for nodes in args.nodes:
        there = known.get("byNodes", {}).get(str(nodes))
        results["byNodes"][str(nodes)] = there or tau_of(evaluation, texts, nodes)
        print(f"nodes {nodes}: {json.dumps(results['byNodes'][str(nodes)])}", flush=True)
        if args.json:
            write_text(args.json, json.dumps(results, indent=1) + "\n")


def mass_of_best(evaluation: Evaluation, texts: list[TeacherText]) -> dict[str, float]:
    """Mean over all texts' positions of the target's mass that the head's best tokens cover, by how many of them."""
    covered, progress = [], Progress("coverage", len(texts))
    for text in texts:
        covered.append(evaluation.coverage(text))
        progress.advance(1)
    mean = np.concatenate(covered).mean(axis=0)
    return {str(size): round(float(mass), 4) for size, mass in zip(COVERAGE_SIZES, mean)}


def tau_of(evaluation: Evaluation, texts: list[TeacherText], nodes: int) -> dict:
    """What rounds with trees of this size come to, over all texts."""
    tally, progress = Tally(), Progress(f"{nodes} nodes", len(texts))
    for text in texts:
        evaluation.run_text(text, nodes, tally)
        progress.advance(1, f"tau {tally.committed / max(tally.rounds, 1):.3f}")
    return tally.summary()


def earlier_results(path: Path | None, subject: dict) -> dict:
    """What an earlier run wrote about the same head, settings and texts, perhaps before it was cut; else nothing."""
    if path is None or not path.exists():
        return {}
    results = json.loads(path.read_text())
    return results if all(results.get(name) == value for name, value in subject.items()) else {}


def head_sha256(head: DraftHead, d2t: torch.Tensor) -> str:
    """Over shape, weights and draft vocabulary."""
    tensors = [*head.state_dict().values(), d2t]
    shape = json.dumps(head.config.to_json()).encode()
    return hashlib.sha256(b"".join([shape, *(t.contiguous().numpy().tobytes() for t in tensors)])).hexdigest()


def texts_sha256(texts: list[TeacherText]) -> str:
    """Over tokens and features, which are the target's."""
    arrays = [array for text in texts for array in (np.asarray(text.start), text.tokens, text.features)]
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()

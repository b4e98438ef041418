"""Trains variants of the draft head with one budget, evaluates them on the same texts, and prints the card's table.

python training/ablations.py --model M --suite S --cache W/teacher --out W/ablations --processes 2 -- \
    --features W/features --corpus W/corpus --steps 600 --rows 1 --threads 1

What follows `--` goes to every `train_head`. What is there already is not done again, so that it goes on after a stop.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

TRAINING = Path(__file__).parent


@dataclass(frozen=True)
class Variant:
    """What distinguishes it from the head that ships, in training and in evaluation."""

    says: str
    train: tuple[str, ...] = ()
    evaluate: tuple[str, ...] = ()
    trained_as: str | None = None


VARIANTS = {
    "jakiro": Variant("2 experts, contrastive parallel level, 3 unrolled steps"),
    "autoregressive": Variant("the same head, every level autoregressive", (), ("--no-parallel-level",), "jakiro"),
    "wrong-parents": Variant(
        "the same head, the parallel level after wrong rows", (), ("--wrong-parent-rows",), "jakiro"
    ),
    "experts-3": Variant("3 experts", ("--experts", "3")),
    "no-contrast": Variant("second output adds both experts", ("--no-contrast",)),
    "no-parallel": Variant("trained and drafting without it", ("--no-parallel",), ("--no-parallel-level",)),
    "one-step": Variant("not unrolled", ("--steps-unrolled", "1")),
    "eagle": Variant("dense, as many parameters as 2 experts", ("--kind", "eagle")),
}


def weights_of(name: str) -> str:
    """The variant whose training made this one's head."""
    return VARIANTS[name].trained_as or name


def run(command: list[str]) -> None:
    """Runs a step of the training package; CalledProcessError where it fails."""
    subprocess.run([sys.executable, "-m", *command], cwd=TRAINING, check=True)


def train(name: str, out: Path, processes: int, model: Path, options: list[str]) -> None:
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m"]
    chosen = ["--model", str(model), "--out", str(out / name), *VARIANTS[name].train, *options]
    run([*(launcher if processes > 1 else []), "jakiro_training", "train_head", *chosen])
    (out / name / "done").touch()


def evaluate(name: str, out: Path, args: argparse.Namespace) -> None:
    head = out / weights_of(name) / "latest.pt"
    texts = ["--model", str(args.model), "--suite", str(args.suite), "--cache", str(args.cache)]
    trees = ["--limit", str(args.limit), "--nodes", *map(str, args.nodes), "--depth", str(args.depth)]
    into = ["--json", str(out / f"{name}.json")]
    run(["jakiro_training", "evaluate", "--head", str(head), *texts, *trees, *into, *VARIANTS[name].evaluate])


def evaluated(results: Path, nodes: list[int]) -> bool:
    """Whether every tree size is there: a run that was cut has written some of them."""
    return results.exists() and {str(n) for n in nodes} <= set(json.loads(results.read_text())["byNodes"])


def heldout(curve: list[dict]) -> dict[str, list[float]]:
    """Loss and agreement of every level at the last validation."""
    return next(entry["heldout"] for entry in reversed(curve) if "heldout" in entry)


def table(out: Path, names: list[str]) -> str:
    """A row a variant: agreement on held-out packages, tau by tree size, forwards of the head a round."""
    results = {name: json.loads((out / f"{name}.json").read_text()) for name in names}
    sizes = list(next(iter(results.values()))["byNodes"])
    head = [
        "head",
        "what differs",
        "levels 1, 2, 3",
        "parallel after 1",
        *(f"tau, {n} nodes" for n in sizes),
        "forwards",
    ]
    lines = [f"| {' | '.join(head)} |", "|---|---|" + "---:|" * (len(head) - 2)]
    for name, result in results.items():
        variant = VARIANTS[name]
        levels = heldout(json.loads((out / weights_of(name) / "curve.json").read_text()))
        share = [f"{100 * levels[f'level {n}'][1]:.1f}" for n in (1, 2, 3)]
        # A head that is not trained for it has a parallel output all the same; its agreement says nothing.
        trained = "parallel after 1" in levels and "--no-parallel" not in variant.train
        parallel = f"{100 * levels['parallel after 1'][1]:.1f} %" if trained else ""
        tau = [f"{result['byNodes'][n]['tau']:.2f}" for n in sizes]
        forwards = f"{result['byNodes'][sizes[-1]]['draftForwardsPerRound']:.0f}"
        lines.append(f"| {' | '.join([name, variant.says, ' / '.join(share) + ' %', parallel, *tau, forwards])} |")
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="the target's GGUF")
    parser.add_argument("--suite", type=Path, required=True, help="prompts: HumanEval.jsonl.gz or the like")
    parser.add_argument("--cache", type=Path, required=True, help="folder for the target's continuations")
    parser.add_argument("--out", type=Path, required=True, help="a folder a variant, and its evaluation")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--processes", type=int, default=1, help="that train together")
    parser.add_argument("--limit", type=int, default=20, help="prompts that are evaluated")
    parser.add_argument("--nodes", type=int, nargs="+", default=[8, 24, 60], help="tree sizes, the root included")
    parser.add_argument(
        "--depth",
        type=int,
        default=3,
        help="of the trees: the last level is the parallel one, which few rounds reach in deep trees",
    )
    end = arguments.index("--") if "--" in arguments else len(arguments)
    args, train_options = parser.parse_args(arguments[:end]), arguments[end + 1 :]
    for path in ("model", "suite", "cache", "out"):
        setattr(args, path, getattr(args, path).resolve())
    for name in args.variants:
        trained = weights_of(name)
        if not (args.out / trained / "done").exists():
            train(trained, args.out, args.processes, args.model, train_options)
        if not evaluated(args.out / f"{name}.json", args.nodes):
            evaluate(name, args.out, args)
    print(table(args.out, args.variants))


if __name__ == "__main__":
    main(sys.argv[1:])

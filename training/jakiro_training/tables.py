"""Step `tables`: the card's tables of evaluated heads, beside the first of them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "results", type=Path, nargs="+", help="what `evaluate --json` wrote; a row's name is its file's without .json"
    )


def run(args: argparse.Namespace) -> None:
    print(tables({path.stem: json.loads(path.read_text()) for path in args.results}))


def tables(results: dict[str, dict]) -> str:
    """Tau by tree size, acceptance by depth, diversity, and cost, a row a head.

    SystemExit where heads were evaluated on other texts or trees."""
    settings = [
        (result["depth"], result["branching"], result["prompts"], result["tokens"], list(result["byNodes"]))
        for result in results.values()
    ]
    if any(each != settings[0] for each in settings):
        raise SystemExit("These results come from different --limit, --tokens, --nodes, --depth or --branching.")
    depth, branching, prompts, tokens, sizes = settings[0]
    largest = sizes[-1]
    texts = f"{prompts} prompts, {tokens} tokens, trees of depth {depth} and branching {branching}"
    return "\n\n".join(
        [
            f"Tau by nodes ({texts}):\n\n{tau_by_size(results, sizes)}",
            f"Acceptance by depth, of the rounds that came so far ({largest} nodes):\n\n"
            + acceptance_by_depth(results, largest),
            f"Diversity a text ({largest} nodes), and the target's mass that the k best next tokens cover:\n\n"
            + diversity(results, largest),
            f"Size, and milliseconds of a draft forward in PyTorch (1 row / {branching} rows):\n\n"
            + costs(results, largest),
        ]
    )


def tau_by_size(results: dict[str, dict], sizes: list[str]) -> str:
    first = next(iter(results.values()))["byNodes"]

    def cell(result: dict, size: str) -> str:
        tau, reference = result["byNodes"][size]["tau"], first[size]["tau"]
        return f"{tau:.2f}" if result["byNodes"] is first else f"{tau:.2f} ({100 * (tau / reference - 1):+.1f} %)"

    return markdown(["", *sizes], ([name, *(cell(r, size) for size in sizes)] for name, r in results.items()))


def acceptance_by_depth(results: dict[str, dict], size: str) -> str:
    shares = {name: result["byNodes"][size]["acceptanceByDepth"] for name, result in results.items()}
    depths = max(map(len, shares.values()))
    return markdown(
        ["", *(str(depth + 1) for depth in range(depths))],
        ([name, *(f"{100 * s:.1f} %" for s in own), *[""] * (depths - len(own))] for name, own in shares.items()),
    )


def diversity(results: dict[str, dict], size: str) -> str:
    covered = list(next(iter(results.values()))["targetMassOfBest"])
    heading = ["", "unique drafted (G)", "unique accepted (S)", "generated (E)", *(f"k = {k}" for k in covered)]
    rows = []
    for name, result in results.items():
        own = result["byNodes"][size]
        counts = [own[key] for key in ("uniqueDraftedTokens", "uniqueAcceptedTokens", "generatedTokens")]
        masses = [result["targetMassOfBest"][k] for k in covered]
        rows.append([name, *(f"{count:.1f}" for count in counts), *(f"{100 * mass:.1f} %" for mass in masses)])
    return markdown(heading, rows)


def costs(results: dict[str, dict], size: str) -> str:
    heading = [
        "",
        "parameters",
        "int8",
        "float32",
        "forwards a round",
        "attention",
        "gate",
        "experts",
        "LM head",
        "all",
    ]
    rows = []
    for name, result in results.items():
        own = result["costs"]
        times = [[*each.values(), sum(each.values())] for each in own["milliseconds"].values()]
        megabytes = [f"{own['bytes'][weights] / 1e6:.2f} MB" for weights in ("int8", "float32")]
        forwards = f"{result['byNodes'][size]['draftForwardsPerRound']:.1f}"
        parameters = f"{own['parameters'] / 1e6:.2f} M"
        by_part = (" / ".join(f"{ms:.2f}" for ms in part) for part in zip(*times))
        rows.append([name, parameters, *megabytes, forwards, *by_part])
    return markdown(heading, rows)


def markdown(heading: list[str], rows: Iterable[list[str]]) -> str:
    lines = [heading, ["---", *["---:"] * (len(heading) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

"""Command line: python -m jakiro_training corpus|features|train_head|evaluate|tables|export --help"""

from __future__ import annotations

import argparse
import importlib
import sys

from .unsupported import UnsupportedModel

STEPS = ("corpus", "features", "train_head", "evaluate", "tables", "export")


def main(arguments: list[str]) -> None:
    """Only the chosen step's module is imported, so that `corpus` runs without PyTorch."""
    if not arguments or arguments[0] not in STEPS:
        sys.exit(__doc__)
    step = importlib.import_module(f"{__package__}.{arguments[0]}")
    parser = argparse.ArgumentParser(prog=f"jakiro_training {arguments[0]}", description=step.__doc__)
    step.add_arguments(parser)
    try:
        step.run(parser.parse_args(arguments[1:]))
    except UnsupportedModel as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main(sys.argv[1:])

"""Step `export`: writes a checkpoint's head as it ships, and refuses more than 30 MiB of heads for one model."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from .checkpoint import load_head
from .exported_head import FILES, save_head

MODEL_HEADS_LIMIT = 30 * 2**20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="models/heads/<model>/<kind>")
    parser.add_argument("--int8", action="store_true", help="matrices as int8 per output row with float32 scales")
    parser.add_argument(
        "--smoothing-sha256", help="hash of the smoothing its features were made under (features.json, pack.json)"
    )


def run(args: argparse.Namespace) -> None:
    head, state = load_head(args.checkpoint)
    facts = {
        "target": state["target"]["name"],
        "target_sha256": state["target"]["sha256"],
        "target_vocabulary": state["target"].get("vocabulary"),
        "tokens_trained": state["tokens"],
        "optimizer_steps": state["step"],
        "unrolled_steps": state["options"]["steps_unrolled"],
    }
    if args.smoothing_sha256:
        facts["smoothing_sha256"] = args.smoothing_sha256
    facts = {name: value for name, value in facts.items() if value is not None}
    args.out.mkdir(parents=True, exist_ok=True)
    # The head that is there stays whole until the new one is, and where the new one is refused.
    with tempfile.TemporaryDirectory(dir=args.out.parent.parent) as folder:
        draft = Path(folder)
        size = save_head(draft, head, state["d2t"], args.int8, facts)
        others = sum(
            file.stat().st_size
            for file in args.out.parent.rglob("*")
            if file.is_file() and not (file.parent == args.out and file.name in FILES)
        )
        together = others + size
        if together > MODEL_HEADS_LIMIT:
            raise SystemExit(
                f"{together / 2**20:.1f} MiB is more than the 30 MiB that all heads of one model may take together; "
                "export with --int8 or remove a head."
            )
        for name in FILES:
            (draft / name).chmod(0o644)
            os.replace(draft / name, args.out / name)
    print(f"{args.out}: {size / 1e6:.2f} MB; all heads of the model {together / 2**20:.1f} MiB")

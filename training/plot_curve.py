"""Draws the loss curves of training runs as one SVG for the head's card.

python training/plot_curve.py --run jakiro=W/jakiro/curve.json --run eagle=W/eagle/curve.json --out curve.svg
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 380, 60, 20, 36, 46
COLOURS = ("#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad", "#b8860b")


def points(curve: list[dict], split: str, term: str) -> list[tuple[float, float]]:
    """(million tokens, mean cross-entropy) of a term over a run."""
    return [(e["tokens"] / 1e6, e[split][term][0]) for e in curve if term in e.get(split, {})]


def draw(runs: dict[str, list[dict]], term: str) -> str:
    """Training loss as thin lines, held-out loss as thick ones with dots."""
    lines = {
        (name, split): points(curve, split, term) for name, curve in runs.items() for split in ("train", "heldout")
    }
    everything = [p for line in lines.values() for p in line]
    if not everything:
        raise SystemExit(f"No run recorded a loss for {term!r}.")
    most_tokens = max(x for x, _ in everything)
    low, high = min(y for _, y in everything), max(y for _, y in everything)

    def place(x: float, y: float) -> tuple[float, float]:
        across = LEFT + (WIDTH - LEFT - RIGHT) * x / most_tokens
        down = TOP + (HEIGHT - TOP - BOTTOM) * (high - y) / max(high - low, 1e-9)
        return round(across, 1), round(down, 1)

    view = f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {view}>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for share in (0, 0.25, 0.5, 0.75, 1):
        (x, _), (_, y) = place(most_tokens * share, low), place(0, low + (high - low) * share)
        parts.append(f'<line x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{low + (high - low) * share:.2f}</text>')
        parts.append(f'<text x="{x}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{most_tokens * share:.2f}</text>')
    for number, name in enumerate(runs):
        colour = COLOURS[number % len(COLOURS)]
        parts.append(f'<text x="{LEFT + 8 + 180 * number}" y="20" fill="{colour}">{escape(name)}</text>')
        for split, width in (("train", 1), ("heldout", 2.5)):
            path = " ".join(f"{x},{y}" for x, y in (place(*p) for p in lines[name, split]))
            parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>')
            if split == "heldout":
                dots = (place(*p) for p in lines[name, split])
                parts += [f'<circle cx="{x}" cy="{y}" r="3.5" fill="{colour}"/>' for x, y in dots]
    caption = f"million tokens; cross-entropy of {term}, thin: training, thick: held-out packages"
    parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 10}" text-anchor="middle">{escape(caption)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", action="append", required=True, help="NAME=curve.json, once per run")
    parser.add_argument("--term", default="level 1")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    runs = {name: json.loads(Path(path).read_text()) for name, path in (run.split("=", 1) for run in args.run)}
    args.out.write_text(draw(runs, args.term))


if __name__ == "__main__":
    main()

"""Draws perplexity over training time from run logs, as an SVG without any library."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from . import runlog

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 400, 60, 30, 30, 50
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


def curves(log: Path) -> dict[str, list[tuple[float, float]]]:
    """(updates, perplexity) of the training windows (with dropout), of the validation text, and of
    the test text where a pruning run scored it on the way.
    """
    result: dict[str, list[tuple[float, float]]] = {"train": [], "valid": [], "test": []}
    for record in runlog.records(log):
        if record["event"] == "train":
            result["train"].append((record["updates"], math.exp(record["loss"])))
        elif record["event"] == "valid":
            result["valid"].append((record["updates"], record["perplexity"]))
        elif record["event"].startswith("test at"):
            result["test"].append((record["updates"], record["perplexity"]))
    return result


def _round_step(size: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is at least `size`."""
    power = 10.0 ** math.floor(math.log10(size))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= size)


def svg(series: dict[str, list[tuple[float, float]]]) -> str:
    """Logarithmic perplexity over updates; one line per series, markers where points are few."""
    points = [p for line in series.values() for p in line]
    right = max(x for x, _ in points)
    low = math.log(min(y for _, y in points)) - 0.05
    high = min(math.log(max(y for _, y in points)), low + 2.5)

    def place(x: float, y: float) -> tuple[float, float]:
        share = (min(math.log(y), high) - low) / (high - low)
        return (
            LEFT + x / right * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM),
        )

    text = 'font-family="sans-serif" font-size="12"'
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    ticks = [v for v in (40, 50, 60, 70, 80, 100, 120, 150, 200, 300, 400, 600, 1000)
             if low <= math.log(v) <= high]  # fmt: skip
    for value in ticks:
        _, y = place(0, value)
        out.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" {text}>{value}</text>')
    step = _round_step(right / 5)
    for k in range(int(right / step) + 1):
        x, _ = place(step * k, math.exp(low))
        y = HEIGHT - BOTTOM + 18
        out.append(f'<text x="{x:.1f}" y="{y}" text-anchor="middle" {text}>{step * k:,.0f}</text>')
    x, y = WIDTH / 2, HEIGHT - 10
    out.append(f'<text x="{x}" y="{y}" text-anchor="middle" {text}>updates</text>')
    out.append(f'<text x="4" y="{TOP - 12}" {text}>perplexity</text>')
    label = LEFT + 30
    for k, (name, line) in enumerate(series.items()):
        colour = COLOURS[k % len(COLOURS)]
        at = [place(x, y) for x, y in line]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in at)
        out.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        if len(at) < 30:
            out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in at]
        out.append(f'<text x="{label}" y="{TOP - 12}" fill="{colour}" {text}>{name}</text>')
        label += 7 * len(name) + 20
    return "\n".join([*out, "</svg>", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    series = {}
    for folder in arguments.runs:
        for kind, line in curves(folder / "log.jsonl").items():
            if line:
                series[f"{folder.name}, {kind}"] = line
    arguments.out.write_text(svg(series), encoding="utf-8")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Measures a language model and draws docs/language/curves.svg.

    bench/language_plot.py MODEL TEXT docs/language

runs `spikeloom run --text` with raised thresholds (perplexity and operations, curve_sharpen.csv),
spikeloom_language on MODEL (time against operations, curve_time.csv) and on random weights of
rising sparsity (curve_sparsity.csv). --only NAME... runs some of them; --draw-only draws the
tables that are there. Needs python3-matplotlib.
"""

import argparse
import csv
import json
import pathlib
import subprocess

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.hashsalt": "spikeloom", "svg.fonttype": "none", "font.size": 10,
                            "axes.spines.top": False, "axes.spines.right": False})
import matplotlib.pyplot as plt  # noqa: E402

INK, SECOND = "#1f6f8b", "#c0504d"
SHARPEN = (-0.01, 0.0, 0.005, 0.01, 0.02, 0.04, 0.08)
SPARSITIES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98)
ROOT = pathlib.Path(__file__).resolve().parents[1]


def output_of(command):
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def write(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0].keys())
        table.writeheader()
        table.writerows(rows)


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def measure_sharpen(options, path):
    rows = []
    for sharpen in SHARPEN:
        said = output_of([options.build / "cli/spikeloom", "run", options.model, "--text",
                          options.text, "--tokens", str(options.tokens), "--protocol", "carried",
                          "--arithmetic", "integer", "--sharpen", str(sharpen), "--json",
                          "--quiet"])["scores"][0]
        active = [layer["active"] for layer in said["recurrent"]]
        rows.append({"sharpen": sharpen, "perplexity": round(said["perplexity"], 3),
                     "operations": round(said["stack_operations_per_token"]),
                     "with_decoder": round(said["operations_per_token"]),
                     **{f"active{i + 1}": round(a, 4) for i, a in enumerate(active)}})
    write(path, rows)


def measure_time(options, path):
    said = output_of([options.build / "bench/spikeloom_language", "--model", options.model,
                      "--text", options.text, "--tokens", "600", "--chunk", "20", "--quick"])
    line = said["line"]
    write(path, [{"operations": x, "us": y, "ns_per_operation": line["ns_per_operation"],
                  "intercept_us": line["intercept_us"]}
                 for x, y in zip(line["operations"], line["us"])])


def measure_sparsity(options, path):
    said = output_of([options.build / "bench/spikeloom_language", "--sparsities",
                      *map(str, SPARSITIES), "--tokens", "100", "--chunk", "20"])
    write(path, [{"sparsity": float(name), "operations": run["operations"], "us": run["us"]}
                 for name, run in said.items()])


def draw_sharpen(axes, rows):
    x = [row["operations"] / 1e3 for row in rows]
    axes.plot(x, [row["perplexity"] for row in rows], "o-", color=INK)
    for row, at in zip(rows, x):
        right = row["sharpen"] <= 0.0
        axes.annotate(f"{row['sharpen']:+g}", (at, row["perplexity"]), textcoords="offset points",
                      xytext=(7, -3) if right else (-7, -9), ha="left" if right else "right",
                      fontsize=8)
    axes.margins(x=0.14, y=0.1)
    axes.set_xlabel("operations of the stack a token, thousands")
    axes.set_ylabel("perplexity")
    axes.set_title("thresholds moved, without training")


def draw_time(axes, rows):
    x = [row["operations"] / 1e3 for row in rows]
    axes.plot(x, [row["us"] for row in rows], "o", color=INK)
    slope, intercept = rows[0]["ns_per_operation"], rows[0]["intercept_us"]
    ends = [min(x), max(x)]
    axes.plot(ends, [slope * end + intercept for end in ends], color=SECOND, linewidth=1,
              label=f"{slope:.2f} ns an operation {intercept:+.0f} us")
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.set_xlabel("executed operations a token, thousands")
    axes.set_ylabel("microseconds a token")
    axes.set_title("time of the stack, one thread")
    axes.legend(frameon=False, loc="upper left", fontsize=9)


def draw_sparsity(axes, rows):
    x = [100.0 * row["sparsity"] for row in rows]
    axes.plot(x, [row["us"] for row in rows], "o-", color=INK)
    for row, at in zip(rows, x):
        axes.annotate(f"{row['operations'] / 1e6:.2g} M", (at, row["us"]),
                      textcoords="offset points", xytext=(-6, -12), fontsize=8, ha="right")
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=-18)
    axes.set_xlabel("zero weights, % (random weights, same activity)")
    axes.set_ylabel("microseconds a token")
    axes.set_title("time against sparsity, operations beside it")


PARTS = {"sharpen": (measure_sharpen, draw_sharpen), "time": (measure_time, draw_time),
         "sparsity": (measure_sparsity, draw_sparsity)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("text")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--tokens", type=int, default=20000, help="of the text, for perplexity")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--draw-only", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    figure, axes = plt.subplots(1, len(PARTS), figsize=(4.6 * len(PARTS), 3.8))
    for (name, (measure, draw)), ax in zip(PARTS.items(), axes):
        path = options.folder / f"curve_{name}.csv"
        if name in options.only and not options.draw_only:
            measure(options, path)
        if path.exists():
            draw(ax, read(path))
    figure.tight_layout()
    figure.savefig(options.folder / "curves.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()

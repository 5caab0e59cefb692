#!/usr/bin/env python3
"""Runs spikeloom_activity, keeps its tables and draws them: time of a step against activity.

    bench/activity_plot.py build/release/bench/spikeloom_activity docs/performance \\
        --data shared/acceptance/nir/02_cnn

writes activity_network.csv, activity_rate.csv (with --data) and activity.svg into the folder.
With --draw-only the tables there are drawn again. Needs python3-matplotlib.
"""

import argparse
import csv
import pathlib
import subprocess

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.hashsalt": "spikeloom", "svg.fonttype": "none", "font.size": 10,
                            "axes.spines.top": False, "axes.spines.right": False})
import matplotlib.pyplot as plt  # noqa: E402
import matplotlib.ticker  # noqa: E402

INK, BAR = "#1f6f8b", "#c0504d"
# Microseconds a step may take with so many active neurons (issue "Engine").
BARS = {0: 2.0, 10: 20.0}


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return [{key: float(value) if key != "backend" else value for key, value in row.items()}
                for row in csv.DictReader(file)]


def draw_network(axes, rows):
    active = [row["active"] for row in rows]
    time = [row["us_per_step"] for row in rows]
    axes.plot(active, time, "o-", color=INK)
    for x, y in zip(active, time):
        axes.annotate(f"{y:.3g}" if y < 1000 else f"{y:,.0f}", (x, y),
                      textcoords="offset points", xytext=(7, -12))
    known = [(x, BARS[x]) for x in active if x in BARS]
    axes.plot([x for x, _ in known], [y for _, y in known], "_", color=BAR, markersize=18,
              markeredgewidth=2, label="bar")
    axes.set_xscale("symlog", linthresh=10, linscale=0.5)
    axes.set_yscale("log")
    axes.set_xticks(active, [f"{x:.0f}" for x in active])
    axes.set_xticks([], minor=True)
    axes.margins(x=0.12, y=0.12)
    axes.set_xlabel("neurons that spike in every step")
    axes.set_ylabel("microseconds per step")
    axes.set_title(f"{rows[0]['neurons']:,.0f} neurons, {rows[0]['synapses'] / 1e6:.0f} M synapses")
    axes.legend(frameon=False, loc="lower right")


def draw_rate(axes, rows):
    axes.plot([row["synaptic_operations_per_step"] for row in rows],
              [row["us_per_step"] for row in rows], "o-", color=INK)
    for row in rows:
        axes.annotate(f"x{row['factor']:g}", (row["synaptic_operations_per_step"],
                                              row["us_per_step"]),
                      textcoords="offset points", xytext=(7, -11))
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(5))
    axes.set_xlabel("synaptic operations per step")
    axes.set_ylabel("microseconds per step")
    axes.set_title("cnn_sinabs, events of the recordings x factor")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", help="path of spikeloom_activity")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--data", help="folder with cnn_sinabs.nir and nmnist_test100")
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--draw-only", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    network, rate = (options.folder / f"activity_{name}.csv" for name in ("network", "rate"))
    if not options.draw_only:
        program = [options.program, "--backend", options.backend]
        runs = [(network, ["network"])] + ([(rate, ["rate", options.data])] if options.data else [])
        for path, arguments in runs:
            done = subprocess.run([*program, *arguments], check=True, capture_output=True, text=True)
            path.write_text(done.stdout, encoding="utf-8")
    parts = [(draw_network, network), (draw_rate, rate)]
    parts = [(draw, path) for draw, path in parts if path.exists()]
    figure, axes = plt.subplots(1, len(parts), figsize=(5.2 * len(parts), 3.8), squeeze=False)
    for (draw, path), ax in zip(parts, axes[0]):
        draw(ax, table(path))
    figure.tight_layout()
    figure.savefig(options.folder / "activity.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()

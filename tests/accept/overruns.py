#!/usr/bin/env python3
"""Where ticks overrun: a tenth of the cortical microcircuit on SpiNNaker1, 32 to 256 neurons a core.

The network is what `simulate microcircuit --drive poisson --layers` writes, in 8-bit integers, mapped
and run by the emulator; clock, budget of 5,000 events a millisecond and core, and cycles a neuron are
those of the target's file. A step of 0.1 ms is a tick; the work in it does not depend on how long a
tick lasts, so one run serves all lengths. Prints Markdown.

usage: overruns.py BINARY FOLDER [--steps N]
"""

import argparse
import csv
import json
import pathlib
import subprocess

PER_CORE = (32, 64, 128, 256)
TICKS = (1e-3, 2e-4, 1e-4)
WARM_UP = 500  # steps
CLOCK, NEURON, EVENT = 200e6, 390.0, 40.0  # mapping/targets/spinnaker1.toml


def run(binary, *words):
    done = subprocess.run([binary, *words, "--quiet"], capture_output=True, text=True)
    # 1 says that packets were lost; the figures say so, too.
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr)
    return done.stdout


def loads(path):
    """Cycles of every core, by step, and the cores' names."""
    with open(path, encoding="utf-8") as file:
        rows = csv.reader(file)
        names = next(rows)[2:]
        return names, [[float(cell) for cell in row[2:]] for row in rows][WARM_UP:]


def study(binary, folder, per_core, steps):
    out = folder / f"run-{per_core}"
    report = json.loads(
        run(binary, "run", str(folder / "micro.sloom"), "--backend", "emulator", "--target",
            "spinnaker1", "--neurons-per-core", str(per_core), "--input",
            str(folder / "layers.sloom.noise.npy"), "--coding", "rate", "--steps",
            str(WARM_UP + steps), "--json", "--out", str(out)))
    cores, ticks = loads(out / "load.csv")
    busy = [c for c in range(len(cores)) if max(row[c] for row in ticks) > 0.0]
    most = max(row[c] for row in ticks for c in busy)
    neurons = NEURON * per_core
    print(f"\n{per_core} neurons a core: {len(busy)} cores with neurons of {len(cores)}, "
          f"{report['machine']['dropped']} packets dropped; busiest core-tick {most:.0f} cycles: "
          f"{neurons:.0f} of updates, {(most - neurons) / EVENT:.0f} events\n")
    print("| tick, ms | cycles | busiest core-tick | ticks with an overrun | cores that overrun |"
          " most often | binds first |")
    print("|---|---|---|---|---|---|---|")
    for tick in TICKS:
        budget = tick * CLOCK
        over = {c: sum(row[c] > budget for row in ticks) for c in busy}
        hit = {c: n for c, n in over.items() if n}
        share = sum(any(row[c] > budget for c in hit) for row in ticks) / len(ticks)
        worst = max(hit, key=hit.get) if hit else None
        where = f"{cores[worst]} ({hit[worst]} of {len(ticks)})" if hit else "-"
        binds = "nothing" if not hit else "updates alone" if neurons > budget else "events"
        print(f"| {tick * 1e3:g} | {budget:.0f} | {100 * most / budget:.0f} % |"
              f" {100 * share:.1f} % | {len(hit)} | {where} | {binds} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=500)
    flags = parser.parse_args()
    flags.folder.mkdir(parents=True, exist_ok=True)
    layers = flags.folder / "layers.sloom"
    run(flags.binary, "simulate", "microcircuit", "--scale", "0.1", "--drive", "poisson", "--layers",
        str(layers))
    run(flags.binary, "quantize", str(layers), "-o", str(flags.folder / "micro.sloom"))
    for per_core in PER_CORE:
        study(flags.binary, flags.folder, per_core, flags.steps)


if __name__ == "__main__":
    main()

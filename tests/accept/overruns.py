#!/usr/bin/env python3
"""Where ticks overrun: a tenth of the cortical microcircuit on SpiNNaker1, 32 to 256 neurons a core.

The network is what `simulate microcircuit --layers` writes, in 8-bit integers, mapped and run by the
emulator; its clock, budget of 5,000 events a millisecond and core, and cycles a neuron are those of
the target's file. Prints a Markdown table. usage: overruns.py BINARY FOLDER [--steps N]
"""

import argparse
import json
import pathlib
import subprocess

PER_CORE = (32, 64, 128, 256)
TICKS = (1e-3, 1e-4)
WARM_UP = 1000  # steps in which the network, which starts at rest, finds its rates


def run(binary, *words):
    done = subprocess.run([binary, *words, "--quiet"], capture_output=True, text=True)
    # 1 says that packets were lost; the figures say so, too.
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr)
    return done.stdout


def columns(path):
    lines = path.read_text().splitlines()
    names = lines[0].split(",")
    return names, [line.split(",") for line in lines[1:]]


def study(binary, model, folder, per_core, tick, steps):
    out = folder / f"run-{per_core}-{tick:g}"
    report = json.loads(
        run(binary, "run", str(model), "--backend", "emulator", "--target", "spinnaker1",
            "--neurons-per-core", str(per_core), "--tick", str(tick),
            "--steps", str(WARM_UP + steps), "--json", "--out", str(out)))
    budget = report["tick_cycles"]
    names, rows = columns(out / "load.csv")
    cores = names[2:]
    over = dict.fromkeys(cores, 0)
    ticks = 0
    load = 0.0
    most = 0.0
    for row in rows[WARM_UP:]:
        cycles = [float(cell) for cell in row[2:]]
        load += sum(cycles) / len(cycles)
        most = max(most, *cycles)
        late = [core for core, spent in zip(cores, cycles) if spent > budget]
        ticks += bool(late)
        for core in late:
            over[core] += 1
    return {"cores": len(cores), "budget": budget, "ticks": ticks / steps,
            "over": over, "mean": load / steps / budget, "most": most / budget, "report": report}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=1000)
    flags = parser.parse_args()
    flags.folder.mkdir(parents=True, exist_ok=True)
    layers, model = flags.folder / "layers.sloom", flags.folder / "micro.sloom"
    run(flags.binary, "simulate", "microcircuit", "--scale", "0.1", "--layers", str(layers))
    run(flags.binary, "quantize", str(layers), "-o", str(model))
    print("| a core | tick, ms | cores | mean load | most | ticks with an overrun | cores that overrun"
          " | most often | cycles: neurons, events |")
    print("|---|---|---|---|---|---|---|---|---|")
    for tick in TICKS:
        for per_core in PER_CORE:
            s = study(flags.binary, model, flags.folder, per_core, tick, flags.steps)
            hit = {core: n for core, n in s["over"].items() if n}
            worst = max(hit, key=hit.get) if hit else "-"
            spent = s["report"]["machine"]["cycles"]
            whole = spent["neurons"] + spent["synapses"]
            print(f"| {per_core} | {tick * 1e3:g} | {s['cores']} | {s['mean']:.2f} | {s['most']:.2f} |"
                  f" {100 * s['ticks']:.1f} % | {len(hit)} | {worst} |"
                  f" {100 * spent['neurons'] / whole:.0f} %, {100 * spent['synapses'] / whole:.0f} % |")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""The cortical microcircuit beside NEST: table, bars, and the distributions over each other.

    tests/accept/microcircuit.py --reference pd14_nest_reference.jsonl --picture out.png
    tests/accept/microcircuit.py --scale 0.05 --nest-python python3 --picture small.png

Runs `spikeloom simulate microcircuit` for each seed, and takes NEST's side from a file of
statistics (full scale, DC drive, one JSON object a seed) or, with --scale, from NEST itself
(nest-simulator from PyPI, h5py): the network that spikeloom describes, built by NEST's rules and
random numbers, both driven by Poisson trains (a small network without noise falls silent). Means
over the seeds are compared in every population: rate within 4 %, CV within 0.02, mean correlation
within 0.002. --check exits 1 where a bar is missed; a small network spreads more. Definitions:
snn/simulation/statistics.hpp.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["L23E", "L23I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I"]
SIZES = np.array([20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948])
BARS = {"rate": 0.04, "cv": 0.02, "cc": 0.002}


# --- NEST, for networks that are small enough ----------------------------------------------------


def run_nest(options, seed):
    """Worker: builds the scaled network and prints statistics and distributions as JSON."""
    import nest

    facts = json.loads(Path(options.facts).read_text())
    scale = options.scale
    strong = 1.0 / np.sqrt(scale)
    sizes = np.rint(SIZES * scale).astype(int)
    synapses = np.array(facts["synapse_count_target_by_source"], dtype=float)
    full_rates = np.array([0.90, 2.97, 4.41, 5.88, 7.57, 8.63, 1.11, 7.83])
    psc = facts["weight"]["psc_exc_pA"]
    weights = np.tile(np.where(np.arange(8) % 2 == 0, psc, facts["weight"]["g_inh"] * psc), (8, 1))
    weights[0, 2] *= facts["weight"]["L4E_to_L23E_factor"]
    external = np.array(facts["drive"]["I_pA"])
    recurrent = 1e-3 * 0.5 * (weights * synapses / SIZES[:, None] * full_rates[None, :]).sum(axis=1)
    nest.ResetKernel()
    nest.set_verbosity("M_ERROR")
    nest.resolution, nest.rng_seed = 0.1, seed
    populations, recorders = [], []
    for p in range(8):
        group = nest.Create("iaf_psc_exp", int(sizes[p]), params=dict(
            tau_m=10.0, C_m=250.0, tau_syn_ex=0.5, tau_syn_in=0.5, t_ref=2.0, E_L=-65.0,
            V_reset=-65.0, V_th=-50.0, I_e=(1.0 - np.sqrt(scale)) * (external[p] + recurrent[p])))
        group.V_m = nest.random.normal(facts["initial_V"]["mean_mV"][p],
                                       facts["initial_V"]["sd_mV"][p])
        recorder = nest.Create("spike_recorder", params=dict(start=options.warm_up))
        nest.Connect(group, recorder)
        noise = nest.Create("poisson_generator",
                            params=dict(rate=8.0 * facts["drive"]["K_ext"][p] * scale))
        nest.Connect(noise, group, syn_spec=dict(weight=psc * strong, delay=0.1))
        populations.append(group)
        recorders.append(recorder)
    for t in range(8):
        for s in range(8):
            if synapses[t, s] == 0:
                continue
            mean = weights[t, s] * strong
            bound = {"min": 0.0} if mean > 0 else {"max": 0.0}
            delay = 1.5 if s % 2 == 0 else 0.75
            nest.Connect(populations[s], populations[t],
                         dict(rule="fixed_total_number", N=int(round(synapses[t, s] * scale**2)),
                              allow_autapses=True, allow_multapses=True),
                         dict(weight=nest.math.redraw(nest.random.normal(mean, abs(0.1 * mean)),
                                                      min=bound.get("min", -np.inf),
                                                      max=bound.get("max", np.inf)),
                              delay=nest.math.redraw(nest.random.normal(delay, 0.5 * delay),
                                                     min=0.05, max=np.inf)))
    nest.Simulate(options.warm_up + options.time)
    result = {}
    for p, name in enumerate(NAMES):
        first = populations[p].tolist()[0]
        steps = np.rint((np.asarray(recorders[p].events["times"]) - options.warm_up) * 10) - 1
        result[name] = of_spikes(steps, np.asarray(recorders[p].events["senders"]) - first,
                                 int(sizes[p]), options.time)
    print(json.dumps(result))


def of_spikes(steps, neurons, size, time_ms):
    """Statistics of one population, from spikes in steps of 0.1 ms."""
    inside = (steps >= 0) & (steps < time_ms * 10)
    steps, neurons = steps[inside], neurons[inside]
    rates = np.bincount(neurons.astype(int), minlength=size) / (time_ms * 1e-3)
    order = np.lexsort((steps, neurons))
    cvs = []
    for train in np.split(steps[order], np.flatnonzero(np.diff(neurons[order])) + 1):
        if len(train) >= 4:
            intervals = np.diff(train)
            cvs.append(intervals.std() / intervals.mean())
    counts = np.zeros((min(size, 200), int(np.ceil(time_ms / 2))))
    some = neurons < len(counts)
    np.add.at(counts, (neurons[some].astype(int), (steps[some] // 20).astype(int)), 1)
    counts = counts[counts.sum(axis=1) > 0]
    cc = np.corrcoef(counts)[np.triu_indices(len(counts), 1)] if len(counts) > 1 else np.array([])
    return {"rate": rates.tolist(), "cv": cvs, "cc": cc.tolist()}


# --- both sides as {population: {what: mean of a seed}} and pooled distributions -------------------


def ours(options, seed, folder):
    out = f"{folder}/seed{seed}"
    command = [options.spikeloom, "simulate", "microcircuit", "--seed", str(seed), "--time",
               str(options.time), "--warm-up", str(options.warm_up), "--scale", str(options.scale),
               "--drive", "current" if options.scale == 1.0 else "poisson",
               "--threads", str(options.threads), "--backend", options.backend, "--json", "--quiet",
               "--out", out]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    run = json.loads(done.stdout)
    arrays = np.load(f"{out}/statistics.npz")
    print(f"seed {seed}: built in {run['build_s']:.1f} s, {run['wall_s']:.1f} s for "
          f"{options.time / 1000:g} s, {run['cpu_s']:.1f} s of processor, peak "
          f"{run['peak_bytes'] / 1e9:.2f} GB", file=sys.stderr)
    return {name: {what: arrays[f"{name}_{what}"] for what in BARS} for name in NAMES}


def theirs(options, seed):
    command = [options.nest_python, os.path.abspath(__file__), "--worker", str(seed), "--scale",
               str(options.scale), "--time", str(options.time), "--warm-up", str(options.warm_up),
               "--facts", options.facts]
    done = subprocess.run(command, capture_output=True, text=True,
                          env=dict(os.environ, PYNEST_QUIET="1", OMP_NUM_THREADS="1"))
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            return {name: {what: np.array(v) for what, v in one.items()}
                    for name, one in json.loads(line).items()}
    sys.exit(done.stderr)


def means(samples):
    """Per seed."""
    return {name: {what: [float(np.mean(s[name][what])) for s in samples] for what in BARS}
            for name in NAMES}


def reference_means(lines):
    keys = {"rate": "rate", "cv": "cv_mean", "cc": "cc_mean"}
    return {name: {what: [line["pops"][name][key] for line in lines] for what, key in keys.items()}
            for name in NAMES}


def compare(mine, nest):
    """Markdown rows, and whether each population keeps each bar."""
    rows, kept = [], True
    for name in NAMES:
        cells = [name]
        for what, bar in BARS.items():
            a, b = (statistics.mean(side[name][what]) for side in (mine, nest))
            apart = abs(a / b - 1.0) if what == "rate" else abs(a - b)
            spread = statistics.stdev(nest[name][what]) if len(nest[name][what]) > 1 else 0.0
            digits = {"rate": 3, "cv": 4, "cc": 5}[what]
            shown = f"{100 * apart:.2f} %" if what == "rate" else f"{apart:.{digits}f}"
            cells += [f"{a:.{digits}f}", f"{b:.{digits}f} ({spread:.{digits}f})",
                      shown + ("" if apart <= bar else " MISSED")]
            kept &= apart <= bar
        rows.append("| " + " | ".join(cells) + " |")
    return rows, kept


def draw(path, samples, nest_samples, reference, options):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(3, 8, figsize=(20, 8), layout="constrained")
    for column, name in enumerate(NAMES):
        for row, what in enumerate(BARS):
            axis = axes[row, column]
            pooled = np.concatenate([s[name][what] for s in samples])
            limits = {"rate": (0, np.percentile(pooled, 99)), "cv": (0, 1.5),
                      "cc": (-0.1, 0.15)}[what]
            # Rates are multiples of 1 / time: a bin is a whole number of them.
            if what == "rate":
                seconds = options.time * 1e-3
                width = max(1, round(limits[1] * seconds / 40)) / seconds
                bins = np.arange(-0.5 / seconds, limits[1] + width, width)
            else:
                bins = np.linspace(*limits, 61)
            axis.hist(pooled, bins, density=True, color="#9ec5e8", label="spikeloom")
            if nest_samples:
                other = np.concatenate([s[name][what] for s in nest_samples])
                axis.hist(other, bins, density=True, histtype="step", color="#b3261e", label="NEST")
            elif what == "rate":
                for percent in np.mean([line["pops"][name]["rate_pct"] for line in reference], axis=0):
                    axis.axvline(percent, color="#b3261e", lw=0.9)
                for percent in np.percentile(pooled, [5, 25, 50, 75, 95]):
                    axis.axvline(percent, color="#1f4e79", lw=0.9, ls=":")
            else:
                mean = np.mean([line["pops"][name][what + "_mean"] for line in reference])
                sd = np.mean([line["pops"][name][what + "_sd"] for line in reference])
                for x in (mean - sd, mean, mean + sd):
                    axis.axvline(x, color="#b3261e", lw=0.9)
                for x in (pooled.mean() - pooled.std(), pooled.mean(), pooled.mean() + pooled.std()):
                    axis.axvline(x, color="#1f4e79", lw=0.9, ls=":")
            axis.set_xlim(limits)
            axis.set_yticks([])
            if row == 0:
                axis.set_title(name)
            if column == 0:
                axis.set_ylabel({"rate": "rate, Hz", "cv": "CV of intervals",
                                 "cc": "correlation, 2 ms"}[what])
    drive = "DC" if options.scale == 1.0 else "Poisson"
    blue = "blue: spikeloom, all seeds"
    red = ("red: NEST" if nest_samples else
           "red: NEST's percentiles 5 25 50 75 95 (rate), mean and sd (CV, correlation); dotted: ours")
    figure.suptitle(f"Microcircuit at scale {options.scale:g}, {drive} drive, {options.time / 1000:g} s. "
                    f"{blue}; {red}")
    figure.savefig(path, dpi=80)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spikeloom", default=str(ROOT / "build/release/cli/spikeloom"))
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--time", type=float, default=3000.0)
    parser.add_argument("--warm-up", type=float, default=500.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--reference", help="pd14_nest_reference.jsonl")
    parser.add_argument("--nest-python", help="a Python with NEST, for a small scale")
    parser.add_argument("--facts", default=str(ROOT / "shared/acceptance/scale/pd14.json"))
    parser.add_argument("--picture", help="file to draw")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker is not None:
        return run_nest(options, options.worker)

    reference, nest_samples = [], []
    if options.reference:
        reference = [json.loads(line) for line in Path(options.reference).read_text().splitlines()]
        if any(line["T_ms"] != options.time for line in reference) or options.scale != 1.0:
            sys.exit("the reference is of the full network, and of another duration than --time")
    elif options.nest_python:
        nest_samples = [theirs(options, seed) for seed in options.seeds]
    else:
        sys.exit("give --reference, or --nest-python and a small --scale")
    with tempfile.TemporaryDirectory() as folder:
        samples = [ours(options, seed, folder) for seed in options.seeds]
    nest = reference_means(reference) if reference else means(nest_samples)
    rows, kept = compare(means(samples), nest)
    print("| population | rate, Hz | NEST (sd over seeds) | apart | CV | NEST | apart | "
          "correlation | NEST | apart |\n|" + "---|" * 10)
    print("\n".join(rows))
    print(f"\nrate within 4 %, CV within 0.02, correlation within 0.002: "
          f"{'met' if kept else 'MISSED'}")
    if options.picture:
        draw(options.picture, samples, nest_samples, reference, options)
    return int(options.check and not kept)


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""`./dev bench peers brunel`: brunel_dc in this runtime, NEST and Brian2, in one run.

NEST comes from PyPI (nest-simulator), Brian2 from Debian (python3-brian, C++ standalone); a rival
whose Python cannot import it is left out, and said so. The network is defined in
models/brunel/brunel_network.hpp. Every engine runs each seed once, on one thread, after an untimed
warm-up of 100 ms, seed by seed, so that a machine that changes its speed does so for all. Times are
processor time (Brian2 measures nothing else; elsewhere wall time stands beside it, longer where
other programs were running); the table has the mean rate and the median time, and the range over
the seeds of the ratio to ours. Engines draw their own random numbers, so rates agree, not spikes.
No engine records spikes; all count them.

"No source twice" is the same network without multapses, which bitmask rows can hold; it runs with
them and with sparse rows (--schedule).
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WARM_UP_MS, RUN_MS = 100.0, 1000.0
OURS = "spikeloom"
BITMASK, SPARSE = "spikeloom, no source twice, bitmask", "spikeloom, no source twice, rows"
# How much faster than which, at which numbers of neurons, and how far the mean rates may lie apart.
BARS = [(OURS, "NEST", 25.0, (4000,)), (OURS, "NEST", 60.0, (12500, 20000)),
        (OURS, "Brian2", 15.0, (12500,)), (BITMASK, SPARSE, 2.0, (12500,))]
RATE_BAR = 0.02


def sizes(neurons, degree):
    """Excitatory neurons, excitatory sources of each neuron, weight in mV."""
    return round(0.8 * neurons), round(0.8 * degree), 125.0 / degree


def report(engine, rate, cpu, wall, build):
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak = max(peak, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    print(json.dumps({"engine": engine, "rate_hz": rate, "cpu_s": cpu, "wall_s": wall,
                      "build_s": build, "peak_mb": peak / 1024.0}))


def run_nest(neurons, degree, seed):
    import nest

    nest.set_verbosity("M_ERROR")
    nest.ResetKernel()
    nest.resolution = 0.1
    nest.rng_seed = seed
    nest.local_num_threads = 1
    excitatory, from_excitatory, weight = sizes(neurons, degree)
    start = time.perf_counter()
    # I tau / C = 40 mV.
    all_neurons = nest.Create("iaf_psc_delta", neurons, params=dict(
        tau_m=20.0, E_L=0.0, V_reset=0.0, V_th=20.0, t_ref=2.0, C_m=1.0, I_e=2.0))
    all_neurons.V_m = nest.random.uniform(0.0, 20.0)
    groups = [("excitatory", all_neurons[:excitatory], from_excitatory, weight),
              ("inhibitory", all_neurons[excitatory:], degree - from_excitatory, -5.0 * weight)]
    for name, sources, count, jump in groups:
        nest.CopyModel("static_synapse_hom_w", name, {"weight": jump, "delay": 1.5})
        nest.Connect(sources, all_neurons, {"rule": "fixed_indegree", "indegree": count},
                     {"synapse_model": name})
    nest.Simulate(WARM_UP_MS)
    build = time.perf_counter() - start
    start, cpu = time.perf_counter(), time.process_time()
    nest.Simulate(RUN_MS)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    spikes = nest.local_spike_counter  # of the last Simulate only
    report(f"NEST {nest.__version__}", spikes / neurons / (RUN_MS * 1e-3), cpu, wall,
           build)


def run_brian(neurons, degree, seed):
    import brian2
    import numpy

    mv, ms = brian2.mV, brian2.ms
    folder = tempfile.mkdtemp(prefix="brunel_")
    try:
        start = time.perf_counter()
        brian2.set_device("cpp_standalone", directory=folder, build_on_run=False)
        brian2.defaultclock.dt = 0.1 * ms
        brian2.seed(seed)
        excitatory, from_excitatory, weight = sizes(neurons, degree)
        namespace = dict(tau=20 * ms, mu=40 * mv, threshold=20 * mv)
        group = brian2.NeuronGroup(
            neurons, "dv/dt = (mu - v) / tau : volt (unless refractory)", method="exact",
            threshold="v >= threshold", reset="v = 0*mV", refractory=2 * ms, namespace=namespace)
        group.v = "20*mV * rand()"
        random = numpy.random.default_rng(seed)
        network = brian2.Network(group)
        ranges = [(0, excitatory, from_excitatory, weight),
                  (excitatory, neurons, degree - from_excitatory, -5.0 * weight)]
        for first, last, count, jump in ranges:
            synapses = brian2.Synapses(group, group, on_pre="v_post += jump", delay=1.5 * ms,
                                       namespace=dict(jump=jump * mv))
            synapses.connect(i=random.integers(first, last, neurons * count),
                             j=numpy.repeat(numpy.arange(neurons), count))
            network.add(synapses)
        network.run(WARM_UP_MS * ms)
        counter = brian2.SpikeMonitor(group, record=False)
        network.add(counter)
        network.run(RUN_MS * ms)
        brian2.device.build(directory=folder, compile=True, run=True, with_output=False)
        cpu = brian2.device._last_run_time  # std::clock(), of the last run() only
        build = time.perf_counter() - start - cpu
        report(f"Brian2 {brian2.__version__}", counter.num_spikes / neurons / (RUN_MS * 1e-3), cpu,
               None, build)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(name, command):
    """The JSON of one run, or nothing with the reason on standard error."""
    env = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", PYNEST_QUIET="1")
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    for line in reversed(done.stdout.splitlines()):
        if line.startswith("{"):
            return json.loads(line)
    reason = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
    print(f"{name} is left out: {reason}", file=sys.stderr)
    return None


def ways_of(options):
    """Name of a way -> the command that runs one seed of it."""
    size = ["--neurons", str(options.neurons), "--degree", str(options.degree)]
    ours = [options.ours, "--backend", options.backend, *size]
    variants = {OURS: [], BITMASK: ["--no-repeats", "--schedule", "bitmask"],
                SPARSE: ["--no-repeats", "--schedule", "rows"]}
    ways = {}
    for name, flags in variants.items():
        ways[name] = lambda seed, flags=flags: [*ours, "--seed", str(seed), *flags]
    for name, python in (("Brian2", options.brian_python), ("NEST", options.nest_python)):
        ways[name] = lambda seed, python=python, name=name: [
            python, os.path.abspath(__file__), "--worker", name, *size, "--seeds", str(seed)]
    return ways


def ratios(slow, fast):
    """Median, least and largest ratio of two ways' times, seed by seed."""
    found = [a["cpu_s"] / b["cpu_s"] for a, b in zip(slow, fast)]
    return statistics.median(found), min(found), max(found)


def mean_rate(runs):
    return statistics.mean(run["rate_hz"] for run in runs)


def table(results):
    lines = ["| engine | rate, Hz | processor s | wall s | build s | peak MB | events/s | "
             "spikeloom is faster by |", "|---|---|---|---|---|---|---|---|"]
    for name, runs in results.items():
        cpu, build = (statistics.median(run[key] for run in runs) for key in ("cpu_s", "build_s"))
        walls = [run["wall_s"] for run in runs if run["wall_s"] is not None]
        wall = f"{statistics.median(walls):.3f}" if walls else ""
        middle, least, most = ratios(runs, results[OURS])
        spikes = mean_rate(runs) * runs[0]["neurons"] * RUN_MS * 1e-3
        lines.append(
            f"| {name if name in (OURS, BITMASK, SPARSE) else runs[0]['engine']} | "
            f"{mean_rate(runs):.2f} | {cpu:.3f} | {wall} | {build:.2f} | "
            f"{max(run['peak_mb'] for run in runs):.0f} | {spikes * runs[0]['degree'] / cpu:.3g} | "
            f"{middle:.2f} ({least:.2f} .. {most:.2f}) |")
    return "\n".join(lines)


def bars(results):
    found = []
    neurons = results[OURS][0]["neurons"]
    for fast, slow, least, at in BARS:
        if fast in results and slow in results and neurons in at:
            middle = ratios(results[slow], results[fast])[0]
            found.append((f"{fast}: {middle:.1f} times faster than {slow}, bar {least:g}",
                          middle >= least))
    for name, runs in results.items():
        if name in ("NEST", "Brian2"):
            apart = abs(mean_rate(results[OURS]) / mean_rate(runs) - 1.0)
            found.append((f"mean rate: {100 * apart:.1f} % from that of {name}, bar "
                          f"{100 * RATE_BAR:g} %", apart <= RATE_BAR))
    return found


def main():
    parser = argparse.ArgumentParser(prog="./dev bench peers brunel", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", default=str(ROOT / "build/release/bench/spikeloom_brunel"))
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--nest-python", default=sys.executable, help="a Python with NEST")
    parser.add_argument("--brian-python", default="/usr/bin/python3", help="a Python with Brian2")
    parser.add_argument("--neurons", type=int, default=12500)
    parser.add_argument("--degree", type=int, default=1250)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--json", metavar="FILE", help="write all runs there too")
    parser.add_argument("--check", action="store_true", help="exit 1 when a bar is missed")
    parser.add_argument("--worker", choices=["NEST", "Brian2"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker = {"NEST": run_nest, "Brian2": run_brian}[options.worker]
        worker(options.neurons, options.degree, options.seeds[0])
        return 0

    ways, results = ways_of(options), {}
    for seed in options.seeds:
        for name in list(ways):
            run = measure(name, ways[name](seed))
            if run is None:
                del ways[name]
                continue
            run.update(neurons=options.neurons, degree=options.degree)
            print(f"peers: seed {seed}: {name}, {run['rate_hz']:.2f} Hz, {run['cpu_s']:.3f} s",
                  file=sys.stderr)
            results.setdefault(name, []).append(run)
    if OURS not in results:
        return 1
    found = bars(results)
    if options.json:
        document = {"runs": results, "bars": [{"bar": text, "reached": ok} for text, ok in found]}
        Path(options.json).write_text(json.dumps(document, indent=1) + "\n")
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"brunel_dc, {options.neurons} neurons x {options.degree}, 1 s simulated, one thread, "
          f"seeds {options.seeds}; load average {load}\n")
    print(table(results) + "\n")
    for text, reached in found:
        print(f"{text}: {'reached' if reached else 'MISSED'}")
    return int(options.check and not all(reached for _, reached in found))


if __name__ == "__main__":
    sys.exit(main())

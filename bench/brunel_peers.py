#!/usr/bin/env python3
"""Times brunel_dc in spikeloom, NEST and Brian2 in one run, one thread each, and prints ratios.

    bench/brunel_peers.py --ours build/release/bench/spikeloom_brunel \\
        --nest-python build/peers/bin/python --brian-python /usr/bin/python3

NEST comes from PyPI (nest-simulator), Brian2 from Debian (python3-brian, C++ standalone); a rival
whose Python is not given or cannot import it is left out, and said so. The network is defined in
models/brunel/brunel_network.hpp. Every engine runs each seed once after an untimed warm-up of
100 ms, seed by seed, so that a machine that changes its speed does so for all. Times are processor
time of one thread (Brian2 measures nothing else; elsewhere wall time stands beside it, longer where
other programs were running); the table has the mean rate and the median time. Engines draw their
own random numbers, so rates agree, not spikes. No engine records spikes; all count them.
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

WARM_UP_MS, RUN_MS = 100.0, 1000.0


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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ours", help="path of spikeloom_brunel")
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--nest-python", help="a Python with nest-simulator")
    parser.add_argument("--brian-python", help="a Python with brian2")
    parser.add_argument("--neurons", type=int, default=12500)
    parser.add_argument("--degree", type=int, default=1250)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--json", help="also write all runs to this file")
    parser.add_argument("--worker", choices=["nest", "brian"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker = {"nest": run_nest, "brian": run_brian}[options.worker]
        worker(options.neurons, options.degree, options.seeds[0])
        return 0

    size = ["--neurons", str(options.neurons), "--degree", str(options.degree)]
    ways = []
    if options.ours:
        ours = [options.ours, "--backend", options.backend, *size]
        ways.append(("spikeloom", lambda seed: [*ours, "--seed", str(seed)]))
        ways.append(("spikeloom, no source twice",
                     lambda seed: [*ours, "--seed", str(seed), "--no-repeats"]))
    for name, python in (("brian", options.brian_python), ("nest", options.nest_python)):
        if python:
            ways.append((name, lambda seed, python=python, name=name: [
                python, os.path.abspath(__file__), "--worker", name, *size, "--seeds", str(seed)]))
    if not ways:
        parser.error("give --ours, --nest-python or --brian-python")

    collected = {}
    for seed in options.seeds:
        for name, command in list(ways):
            run = measure(name, command(seed))
            if run:
                print(f"seed {seed}: {run['engine']}, {run['rate_hz']:.2f} Hz, "
                      f"{run['cpu_s']:.3f} s", file=sys.stderr)
                label = run["engine"] if name != "spikeloom, no source twice" else name
                collected.setdefault(label, []).append(run)
            else:
                ways.remove((name, command))
    results = list(collected.items())
    if options.json:
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump({label: runs for label, runs in results}, out, indent=1)
    if not results:
        return 1
    first = statistics.median(run["cpu_s"] for run in results[0][1])
    print(f"brunel_dc, {options.neurons} neurons x {options.degree}, 1 s simulated, one thread, "
          f"seeds {options.seeds}")
    print(f"{'engine':28} {'Hz':>7} {'cpu s':>8} {'wall s':>8} {'build s':>8} {'MB':>6} "
          f"{'events/s':>9}  times {results[0][0]}")
    for label, runs in results:
        rate = statistics.mean(run["rate_hz"] for run in runs)
        cpu, build = (statistics.median(run[key] for run in runs) for key in ("cpu_s", "build_s"))
        walls = [run["wall_s"] for run in runs if run["wall_s"] is not None]
        wall = f"{statistics.median(walls):8.3f}" if walls else f"{'-':>8}"
        peak = max(run["peak_mb"] for run in runs)
        events = rate * options.neurons * options.degree * RUN_MS * 1e-3 / cpu
        print(f"{label:28} {rate:7.2f} {cpu:8.3f} {wall} {build:8.2f} {peak:6.0f} {events:9.3g}  "
              f"{cpu / first:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

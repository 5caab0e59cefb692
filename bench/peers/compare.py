"""`./dev bench peers network`: this runtime and PyPI's libraries on one network, in one run.

Batch 1, one thread, float32, binned input ready in memory for everybody. The recordings are taken
in chunks and every way runs a chunk before the next chunk begins, so that a machine that speeds up
or slows down does so for all of them. A way's first recording is run once untimed (it compiles,
allocates, warms caches). Everything is computation on one thread, so ratios are of processor time;
wall time stands beside it, and is longer where other programs were running.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")

import torch  # noqa: E402

import workload  # noqa: E402
from library_ways import library_ways  # noqa: E402
from torch_ways import torch_ways  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ["torch", "numpy", "spikingjelly", "sinabs", "norse", "snntorch"]
OFFLINE_BAR, STREAMING_BAR = 10.0, 50.0
STREAMING_RIVAL = "PyTorch step by step"
# Of the offline bar; Norse and snnTorch are run for the record.
OFFLINE_RIVALS = ("PyTorch", "SpikingJelly", "sinabs")
# The multi rule subtracts several spikes a step, and a sum that is rounded another way shifts some:
# a plain NumPy form of it differs by this much between float32 and float64.
MULTI_TOLERANCE = 5
LEAST_SECONDS = 0.2  # a chunk is repeated until this has passed


class Tally:
    """What one way took and got wrong, chunk by chunk."""

    def __init__(self, name, streams, rule):
        self.name, self.streams, self.rule = name, streams, rule
        self.wall, self.cpu, self.chunk_cpu = 0.0, 0.0, []
        self.recordings, self.steps, self.wrong = 0, 0, 0
        self.difference = 0  # largest, of one output count
        self.failure = None
        self.latency_us = None

    def add(self, recordings, steps, wall, cpu, wrong):
        self.wall += wall
        self.cpu += cpu
        self.chunk_cpu.append(cpu)
        self.recordings += recordings
        self.steps += steps
        self.wrong += wrong

    def is_right(self):
        """The counts that its rule demands, on every recording."""
        tolerance = MULTI_TOLERANCE if self.rule == "multi" else 0
        return self.wrong == 0 or 0 < self.difference <= tolerance

    def row(self):
        return {
            "way": self.name, "streams": self.streams, "rule": self.rule, "failure": self.failure,
            "recordings": self.recordings, "steps": self.steps, "wrong_recordings": self.wrong,
            "largest_count_difference": self.difference,
            "ms_per_recording": 1e3 * self.cpu / self.recordings if self.recordings else None,
            "wall_ms_per_recording": 1e3 * self.wall / self.recordings if self.recordings else None,
            "us_per_step": 1e6 * self.cpu / self.steps if self.steps else None,
            "chunk_s": self.chunk_cpu, "latency_us": self.latency_us,
        }


# --- our side ------------------------------------------------------------------------------------


class Ours:
    """build/release/bench/spikeloom_bench as a process per chunk; it times itself."""

    def __init__(self, binary, backend):
        self.binary, self.backend = binary, backend
        self.tallies = {
            kind: Tally(f"spikeloom {kind}, {backend}", kind == "streaming", "zero")
            for kind in ("offline", "streaming")
        }
        self.peak_mb = 0.0
        self.latency = []

    def run(self, first, count):
        environment = dict(os.environ, SPIKELOOM_BENCH_FIRST=str(first),
                           SPIKELOOM_BENCH_COUNT=str(count))
        done = subprocess.run(
            [self.binary, f"--benchmark_filter=^network/.*/{self.backend}(/|$)",
             "--benchmark_format=json", f"--benchmark_min_time={LEAST_SECONDS}"],
            env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
        try:
            rows = json.loads(done.stdout)["benchmarks"]
        except (json.JSONDecodeError, KeyError):
            raise SystemExit(f"peers: no backend '{self.backend}', or its benchmark failed:\n"
                             f"{done.stdout}{done.stderr}")
        for row in rows:
            if row.get("error_occurred"):
                raise SystemExit(f"peers: {row['name']}: {row['error_message']}")
            tally = self.tallies[row["name"].split("/")[1]]
            # real_time and cpu_time are milliseconds of one pass over the chunk.
            recordings = int(row["recordings"])
            steps = round(recordings * row["s_per_recording"] / row["s_per_step"])
            tally.add(recordings, steps, row["real_time"] / 1e3, row["cpu_time"] / 1e3,
                      int(row["wrong_recordings"]))
            self.peak_mb = max(self.peak_mb, row["peak_MB"])
            if tally.streams:
                self.latency.append((row["latency_median_us"], row["latency_p99_us"]))
                tally.latency_us = {
                    "median_of_chunks": statistics.median(m for m, _ in self.latency),
                    "p99_worst_chunk": max(p for _, p in self.latency),
                }


# --- their side ----------------------------------------------------------------------------------


class Rival:
    def __init__(self, name, make, example):
        self.tally = Tally(name, False, "zero")
        began = time.perf_counter()
        try:
            self.way = make()
            self.tally.streams, self.tally.rule = self.way.streams, self.way.rule
            self.way.counts(example)
        except Exception as error:  # whatever a library raises is a row of the table
            self.tally.failure = f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"
        print(f"peers: {name}: ready after {time.perf_counter() - began:.1f} s", file=sys.stderr)

    def run(self, chunk):
        if self.tally.failure:
            return
        passes, wrong = 0, 0
        wall, cpu = time.perf_counter(), time.process_time()
        while passes == 0 or time.perf_counter() - wall < LEAST_SECONDS:
            wrong = 0
            for recording, frames in chunk:
                counts = [int(count) for count in self.way.counts(frames)]
                expected = recording.counts[self.way.rule]
                wrong += counts != expected
                self.tally.difference = max(
                    [self.tally.difference] + [abs(a - b) for a, b in zip(counts, expected)])
            passes += 1
        wall = (time.perf_counter() - wall) / passes
        cpu = (time.process_time() - cpu) / passes
        self.tally.add(len(chunk), sum(len(frames) for _, frames in chunk), wall, cpu, wrong)


# --- report --------------------------------------------------------------------------------------


def processor():
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor()
    fields = dict(line.split(":", 1) for line in text.split("\n\n")[0].splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    flags = [f for f in ("avx2", "avx512f") if f in fields.get("flags", "").split()]
    return (f"{fields.get('model name', '?')}, family {fields.get('cpu family', '?')} model "
            f"{fields.get('model', '?')}, {' '.join(flags)}, {os.cpu_count()} CPUs")


def spread(numerator, denominator):
    """Least and largest ratio of a chunk."""
    ratios = [a / b for a, b in zip(numerator.chunk_cpu, denominator.chunk_cpu)]
    return min(ratios), max(ratios)


def table(ours, rivals):
    offline, streaming = ours.tallies["offline"], ours.tallies["streaming"]
    lines = ["| way | ms a recording | wall ms | us a step | counts | offline is faster by | "
             "streaming is faster by |", "|---|---|---|---|---|---|---|"]
    for tally in [offline, streaming] + [rival.tally for rival in rivals]:
        if tally.failure:
            lines.append(f"| {tally.name} | did not run: {tally.failure} | | | | | |")
            continue
        row = tally.row()
        right = "as expected" if tally.wrong == 0 else f"{tally.wrong} recordings DIFFER"
        if tally.wrong > 0 and tally.is_right():
            right = f"as expected, {tally.wrong} recordings within {tally.difference} spikes"
        if tally.rule != "zero":
            right += f" (rule {tally.rule})"
        ratios = ["", ""]
        if tally not in (offline, streaming):
            least, most = spread(tally, offline)
            ratios[0] = f"{tally.cpu / offline.cpu:.1f} ({least:.1f} .. {most:.1f})"
            if tally.streams:
                least, most = spread(tally, streaming)
                ratios[1] = f"{tally.cpu / streaming.cpu:.1f} ({least:.1f} .. {most:.1f})"
        lines.append(f"| {tally.name} | {row['ms_per_recording']:.2f} | "
                     f"{row['wall_ms_per_recording']:.2f} | {row['us_per_step']:.1f} | {right} | "
                     f"{ratios[0]} | {ratios[1]} |")
    return "\n".join(lines)


def bars(ours, rivals):
    ran = [rival.tally for rival in rivals if not rival.tally.failure]
    fastest = min((t for t in ran if t.name.startswith(OFFLINE_RIVALS)), key=lambda t: t.cpu,
                  default=None)
    loop = next((t for t in ran if t.name == STREAMING_RIVAL), None)
    found = []
    for kind, rival, least in (("offline", fastest, OFFLINE_BAR),
                               ("streaming", loop, STREAMING_BAR)):
        if rival is None:
            continue
        ratio = rival.cpu / ours.tallies[kind].cpu
        found.append({"kind": kind, "rival": rival.name, "ratio": ratio, "bar": least,
                      "reached": ratio >= least})
    return found


def main():
    parser = argparse.ArgumentParser(prog="./dev bench peers network", description=__doc__)
    parser.add_argument("--count", type=int, default=100, help="the first N recordings (100)")
    parser.add_argument("--chunk", type=int, default=10, help="recordings a turn (10)")
    parser.add_argument("--backend", default="auto",
                        help="of this runtime (auto: cpu where it is built in, else reference)")
    parser.add_argument("--only", default="", help="ways whose name contains this, only")
    parser.add_argument("--json", default="", metavar="FILE", help="write the numbers there too")
    parser.add_argument("--check", action="store_true",
                        help="exit 1 when a bar is missed or counts are wrong")
    parser.add_argument("--binary", default=str(ROOT / "build/release/bench/spikeloom_bench"))
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    folder = workload.data_folder(ROOT)
    if folder is None:
        print("peers: skipped: no acceptance/nir/02_cnn; set SPIKELOOM_SHARED to its folder")
        return 0
    recordings = workload.read_recordings(folder, arguments.count)
    frames = [torch.from_numpy(recording.frames) for recording in recordings]
    layers = workload.read_layers(folder / "cnn_sinabs.nir")
    backend = arguments.backend
    if backend == "auto":
        listed = subprocess.run([arguments.binary, "--benchmark_list_tests=true"], text=True,
                                capture_output=True, check=True).stdout.split()
        has_cpu = any(name.startswith("network/offline/cpu") for name in listed)
        backend = "cpu" if has_cpu else "reference"
    ours = Ours(arguments.binary, backend)

    with torch.inference_mode():
        makers = {**torch_ways(layers), **library_ways(layers)}
        rivals = [Rival(name, make, frames[0]) for name, make in makers.items()
                  if arguments.only.lower() in name.lower()]
        for first in range(0, len(recordings), arguments.chunk):
            chunk = list(zip(recordings, frames))[first : first + arguments.chunk]
            ours.run(first, len(chunk))
            for rival in rivals:
                rival.run(chunk)
            print(f"peers: {first + len(chunk)} of {len(recordings)} recordings", file=sys.stderr)

    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    found = bars(ours, rivals)
    print(f"\n{processor()}; Python {platform.python_version()}, "
          + ", ".join(f"{name} {version}" for name, version in versions.items()))
    print(f"{len(recordings)} recordings, {sum(map(len, frames))} steps, batch 1, one thread; "
          "in brackets the least and the largest ratio of a chunk\n")
    print(table(ours, rivals))
    latency = ours.tallies["streaming"].latency_us
    print(f"\nfrom the last event of a 1 ms bin to the decision: median "
          f"{latency['median_of_chunks']:.1f} us, 99th percentile {latency['p99_worst_chunk']:.1f} us"
          f" (worst chunk); peak memory of the benchmark process {ours.peak_mb:.1f} MB")
    for bar in found:
        print(f"{bar['kind']}: {bar['ratio']:.1f} times faster than {bar['rival']}, bar {bar['bar']:g}: "
              f"{'reached' if bar['reached'] else 'MISSED'}")
    if arguments.json:
        document = {
            "processor": processor(), "versions": versions, "backend": backend,
            "recordings": len(recordings), "bars": found, "peak_MB": ours.peak_mb,
            "ways": [t.row() for t in ours.tallies.values()] + [r.tally.row() for r in rivals],
        }
        Path(arguments.json).write_text(json.dumps(document, indent=2) + "\n")
    right = all(t.is_right() for t in [*ours.tallies.values(), *(r.tally for r in rivals)])
    return int(arguments.check and not (right and all(bar["reached"] for bar in found)))


if __name__ == "__main__":
    sys.exit(main())

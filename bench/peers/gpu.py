"""`./dev gpu run`: everything that wants a GPU, in one go, on a machine that need have nothing but
Python, PyTorch and a driver: parity and session tests, acceptance networks beside cpu, sanitizers,
throughput and latency beside PyTorch, sparse rows beside the copy bandwidth, joules by NVML.

Runs in the folder that `./dev gpu build` made. Every step writes its own log into --out as soon as
it is done, so that a run that is cut off leaves what it had. Without a device it says so, and runs
the same kernels on the processor where that is quick.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUNDLE = HERE.parent
BIN = BUNDLE / "bin"
SHARED = BUNDLE / "shared"
SUITES = ("parity_tests", "unit_tests", "validation_tests")
FIRST_GPU = int((os.environ.get("CUDA_VISIBLE_DEVICES") or "0").split(",")[0])


class Meter:
    """Watts of the first GPU by NVML: from its counter of joules, or from samples of its power,
    which is a mean over a second, where it does not count."""

    def __init__(self):
        self.samples, self.counter, self.stop = [], [], threading.Event()
        try:
            import pynvml

            pynvml.nvmlInit()
            self.handle, self.nvml = pynvml.nvmlDeviceGetHandleByIndex(FIRST_GPU), pynvml
            try:
                pynvml.nvmlDeviceGetTotalEnergyConsumption(self.handle)
                self.counts = True
            except pynvml.NVMLError:
                self.counts = False
            self.thread = threading.Thread(target=self.watch, daemon=True)
            self.thread.start()
        except Exception as error:  # no NVML is no reason to measure nothing
            self.nvml = None
            print(f"gpu: no joules: {error}", file=sys.stderr)

    def watch(self):
        while not self.stop.wait(0.05):
            milliwatts = self.nvml.nvmlDeviceGetPowerUsage(self.handle)
            self.samples.append((time.time(), milliwatts / 1e3))
            if self.counts:
                joules = self.nvml.nvmlDeviceGetTotalEnergyConsumption(self.handle) / 1e3
                self.counter.append((time.time(), joules))

    def watts(self, began, ended):
        """Mean power over a stretch of time; None where it is too short to say."""
        counted = [(at, j) for at, j in self.counter if began <= at <= ended]
        if len(counted) >= 10:
            (first, before), (last, after) = counted[0], counted[-1]
            return (after - before) / (last - first)
        inside = [w for at, w in self.samples if began + 0.3 <= at <= ended]
        return statistics.mean(inside) if len(inside) >= 5 else None


class Report:
    def __init__(self, out):
        self.out, self.began = Path(out), time.time()
        self.out.mkdir(parents=True, exist_ok=True)
        self.rows, self.steps = [], []

    def add(self, row):
        self.rows.append(row)
        with open(self.out / "rows.jsonl", "a") as file:
            file.write(json.dumps(row) + "\n")

    def step(self, name, work):
        start = time.time()
        try:
            said = work()
        except Exception:  # the other steps still run
            said = "FAILED: " + traceback.format_exc().strip().splitlines()[-1]
            (self.out / "errors.log").open("a").write(f"{name}\n{traceback.format_exc()}\n")
        line = f"{name}: {said} ({time.time() - start:.1f} s)"
        self.steps.append(line)
        print(f"gpu: {line}", flush=True)
        with open(self.out / "steps.log", "a") as file:
            file.write(line + "\n")
        self.table()

    def table(self):
        (self.out / "table.md").write_text(markdown(self.rows, self.steps))


def run(command, log, seconds):
    # cuBLAS and NCCL come with the toolkit or with PyTorch's packages; ours come last, so that the machine's
    # own driver and runtime are found first.
    found = ["/usr/local/cuda/lib64"] + [
        str(p.parent) for folder in sys.path if folder for name in ("libcublas.so*", "libnccl.so.2")
        for p in Path(folder).glob(f"nvidia/*/lib/{name}")]
    paths = [os.environ.get("LD_LIBRARY_PATH", ""), *dict.fromkeys(found), str(BUNDLE / "lib")]
    environment = dict(os.environ, LD_LIBRARY_PATH=":".join(p for p in paths if p),
                       SPIKELOOM_SHARED=str(SHARED))
    try:
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True,
                              timeout=seconds, env=environment, check=False)
        text, code = done.stdout + done.stderr, done.returncode
    except subprocess.TimeoutExpired as late:
        text = "".join(p.decode() if isinstance(p, bytes) else p or ""
                       for p in (late.stdout, late.stderr))
        text, code = text + "\nstopped: too slow\n", 124
    with open(log, "a") as file:
        file.write(f"$ {' '.join(map(str, command))}\n{text}\n[{code}]\n")
    return code, text


def json_rows(text):
    rows = []
    for line in text.splitlines():
        if line.startswith("{"):
            rows.append(json.loads(line))
    return rows


# --- our side ------------------------------------------------------------------------------------


def tests(report, name, backend):
    pattern = "*cuda*:*Cuda*-*cuda_host*" if backend == "cuda" else "*cuda_host*"
    code, text = run([BIN / name, f"--gtest_filter={pattern}"], report.out / "tests.log", 300)
    last = [line for line in text.splitlines() if "PASSED" in line or "FAILED" in line]
    report.add({"tests": name, "backend": backend, "code": code, "said": last[:20]})
    return "; ".join(last[:4]) or f"exit {code}"


def sanitizer(report, tool):
    path = shutil.which("compute-sanitizer")
    if path is None:
        return "no compute-sanitizer here"
    code, text = run([path, "--tool", tool, "--error-exitcode", "9", BIN / "parity_tests",
                      "--gtest_filter=*cuda_*-*cuda_host*"], report.out / "sanitizer.log", 150)
    last = [line for line in text.splitlines() if "ERROR SUMMARY" in line or "RACECHECK" in line]
    report.add({"sanitizer": tool, "code": code, "said": last[-1:]})
    return (last or [f"exit {code}"])[-1]


def ours(report, meter, arguments, seconds):
    code, text = run([BIN / "spikeloom_gpu", *arguments, "--shared", SHARED],
                     report.out / "networks.log", seconds)
    rows = json_rows(text)
    for row in rows:
        if "began" in row and meter.nvml:
            row["watts"] = meter.watts(row["began"], row["ended"])
        report.add(row)
    tail = text.strip().splitlines()[-1][:300] if text.strip() else ""
    return f"{len(rows)} rows" if code == 0 else f"exit {code}: {tail}"


def language_models():
    """Models that lie in the bundle, each with the words it is to read."""
    return [(model, model.parent / "words.txt")
            for model in sorted((BUNDLE / "language").glob("*/*.safetensors"))
            if (model.parent / "words.txt").exists()]


def language(report, meter, arguments, seconds, models=None):
    said = []
    for model, text in models or language_models():
        code, printed = run([BIN / "spikeloom_gpu_language", *arguments, "--model", model,
                             "--text", text], report.out / "language.log", seconds)
        for row in json_rows(printed):
            if "began" in row and meter.nvml:
                row["watts"] = meter.watts(row["began"], row["ended"])
            report.add(row)
            if "language_check" in row:
                said.append(f"{row['arithmetic']} reset {row['reset']}: first difference "
                            f"{row['first_difference']}, perplexity {row['perplexity']} and "
                            f"{row['perplexity_cpu']}")
            else:
                said.append(f"{row['arithmetic']} {row['batch']}x{row['window']}: "
                            f"{row['token_us']:.2f} us")
        if code != 0:
            said.append(f"exit {code}: {printed.strip()[-300:]}")
    return "; ".join(said) or "no models in the bundle's folder language"


def torch_language(report, meter, batch, seconds):
    import torch

    import gpu_language

    return "; ".join(gpu_language.measure(torch, meter, model, text, batch, 70, seconds, timed,
                                          report.add)
                     for model, text in language_models()[-1:]) or "no models"


def rows_benchmark(report):
    code, text = run([BIN / "spikeloom_gpu_rows"], report.out / "rows.log", 240)
    rows = json_rows(text)
    for row in rows:
        report.add(row)
    timed = [row for row in rows if "events_per_s" in row]
    if not timed:
        return f"exit {code}: {text.strip()[:200]}"
    best = max(timed, key=lambda row: row["events_per_s"])
    wrong = sum(not row["right"] for row in timed)
    return f"best {best['events_per_s']:.3g} events/s ({best}), {wrong} of {len(timed)} wrong"


def parts(report, *arguments):
    """Plans beside even blocks, bits beside rows, or one network over several GPUs."""
    code, text = run([BIN / "spikeloom_gpu_parts", *arguments], report.out / "parts.log", 280)
    rows = json_rows(text)
    for row in rows:
        report.add(row)
    said = ", ".join(f"{r['way']} {r['ms']} ms{'' if r['same'] else ' OTHER SPIKES'}" for r in rows)
    return said if code == 0 else f"exit {code}: {text.strip()[-200:]}"


def circuit(report, meter, backend, seconds):
    """The cortical microcircuit at full size, 500 ms and then 2 s of it."""
    threads = max(1, min(8, (os.cpu_count() or 1) // 2))
    code, text = run([BIN / "spikeloom_simulation", "--backend", backend, "--threads", threads,
                      "--digest", "--run", 2000], report.out / "circuit.log", seconds)
    rows = json_rows(text)
    for row in rows:
        row["circuit"] = row.pop("engine")
        if "began" in row and meter.nvml:
            row["watts"] = meter.watts(row["began"], row["ended"])
        report.add(row)
    tail = text.strip().splitlines()[-1][:300] if text.strip() else ""
    return f"rtf {rows[0]['rtf']}" if code == 0 and rows else f"exit {code}: {tail}"


# --- PyTorch -------------------------------------------------------------------------------------


def timed(torch, work, device, seconds):
    """Median and best of passes, after one that compiles; when it all happened; how many."""
    sync = torch.cuda.synchronize if device == "cuda" else (lambda: None)
    result = work()
    sync()
    passes, began = [], time.time()
    while len(passes) < 3 or time.time() - began < seconds:
        start = time.perf_counter()
        result = work()
        sync()
        passes.append(time.perf_counter() - start)
    return result, min(passes), statistics.median(passes), began, time.time(), len(passes)


def folded(torch, model, frames, chunk):
    model.reset()
    counts = 0
    for begin in range(0, frames.shape[0], chunk):
        counts = counts + model(frames[begin : begin + chunk].float()).sum(0)
    return counts


def rival(report, meter, name, way, batch, steps, expected, work, torch, device, seconds):
    counts, best, median, began, ended, passes = timed(torch, work, device, seconds)
    right = None
    if expected is not None:
        right = int((counts.cpu() == expected).flatten(1).all(1).sum())
    row = {"throughput": name, "backend": way, "batch": batch, "steps": steps, "best_s": best,
           "median_s": median, "right_counts": right, "recordings_per_s": batch / best,
           "began": began, "ended": ended, "passes": passes}
    if meter.nvml:
        row["watts"] = meter.watts(began, ended)
    report.add(row)
    return row


def digits_work(torch, device, batch):
    import workload

    folder = SHARED / "acceptance/nir/02_cnn"
    recordings = workload.read_recordings(folder, 100)
    steps = max(len(r.frames) for r in recordings)
    frames = torch.zeros(steps, batch, 2, 34, 34, dtype=torch.uint8, device=device)
    expected = torch.zeros(batch, 10)
    for e in range(batch):
        r = recordings[e % len(recordings)]
        frames[: len(r.frames), e] = torch.from_numpy(r.frames).to(device, torch.uint8)
        expected[e] = torch.tensor(r.counts["zero"])
    return frames, expected, workload.read_layers(folder / "cnn_sinabs.nir")


def gesture_work(torch, device, batch):
    import csv

    from gpu_ways import gesture_frames

    folder = SHARED / "acceptance/gesture"
    with open(folder / "expected_counts.csv", newline="") as file:
        table = list(csv.DictReader(file))
    clips = [torch.from_numpy(gesture_frames(folder / f"clips/{row['clip']}.bs2")) for row in table]
    frames = torch.zeros(len(clips[0]), batch, 2, 128, 128, dtype=torch.uint8, device=device)
    expected = torch.zeros(batch, 11)
    for e in range(batch):
        frames[:, e] = clips[e % len(clips)].to(device)
        expected[e] = torch.tensor([float(table[e % len(table)][f"out{k}"]) for k in range(11)])
    return frames, expected, folder / "network"


def torch_throughput(report, meter, name, device, batch, forms, seconds):
    import torch

    from gpu_ways import Folded, digits_layers, gesture_layers

    torch.backends.cudnn.benchmark = True
    make_work = digits_work if name == "digits float32" else gesture_work
    frames, expected, source = make_work(torch, device, batch)
    said = []
    with torch.inference_mode():
        for form in forms:
            try:
                layers = (digits_layers(source, form, device) if name == "digits float32"
                          else gesture_layers(source, form, device))
                # Chunks keep the activations of large planes within memory.
                chunk = 64 if name == "digits float32" else 32
                model = Folded(layers)
                row = rival(report, meter, name, f"PyTorch folded, {form} neurons", batch,
                            len(frames), expected, lambda: folded(torch, model, frames, chunk),
                            torch, device, seconds)
                said.append(f"{form} {1e3 * row['best_s']:.1f} ms, {row['right_counts']} right")
            except Exception as error:
                report.add({"throughput": name, "backend": f"PyTorch folded, {form} neurons",
                            "failure": str(error)[:300]})
                said.append(f"{form} failed: {str(error)[:100]}")
    return "; ".join(said)


def torch_latency(report, name, device):
    """One step of one recording as a CUDA graph: frame in, output out."""
    import torch

    from gpu_ways import Folded, digits_layers, gesture_layers

    make_work = digits_work if name == "digits float32" else gesture_work
    frames, _, source = make_work(torch, device, 1)
    with torch.inference_mode():
        layers = (digits_layers(source, "triton", device) if name == "digits float32"
                  else gesture_layers(source, "triton", device))
        model = Folded(layers)
        x = frames[:1].float().clone()
        host = frames.cpu().float().pin_memory()
        model.reset()
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            for _ in range(3):
                y = model(x)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            y = model(x)
        out = torch.empty(y.shape, pin_memory=True)
        steps = []
        for t in range(len(frames)):
            start = time.perf_counter()
            x.copy_(host[t : t + 1], non_blocking=True)
            graph.replay()
            out.copy_(y, non_blocking=True)
            torch.cuda.synchronize()
            steps.append(time.perf_counter() - start)
        steps.sort()
        row = {"latency": name, "backend": "PyTorch, CUDA graph of a step",
               "step_median_us": 1e6 * steps[len(steps) // 2],
               "step_p99_us": 1e6 * steps[len(steps) * 99 // 100],
               "recording_ms": 1e3 * sum(steps), "steps": len(frames)}
        report.add(row)
        return f"{row['step_median_us']:.1f} us a step"


def torch_linear(report, device, size, steps, batch, forms):
    """Linear + LIF over (steps, batch, size), dense."""
    import torch
    import torch.nn.functional as F

    from gpu_ways import Neurons

    said = []
    with torch.inference_mode():
        weight = (torch.rand(size, size, device=device) - 0.5) / 64
        x = (torch.rand(steps, batch, size, device=device) < 0.1).float()
        for tf32 in (False, True):
            torch.backends.cuda.matmul.allow_tf32 = tf32
            for form in forms:
                neurons = Neurons("lif", form)

                def work():
                    neurons.reset()
                    return neurons(F.linear(x.flatten(0, 1), weight).view(steps, batch, size))

                _, best, median, *_ = timed(torch, work, device, 0.5)
                way = f"PyTorch, {form} neurons" + (", TF32" if tf32 else "")
                report.add({"linear": size, "backend": way, "batch": batch, "steps": steps,
                            "asked": "dense", "activity": 1.0, "best_s": best, "median_s": median})
                said.append(f"{way} {1e3 * best:.1f} ms")
        torch.backends.cuda.matmul.allow_tf32 = False
    return "; ".join(said)


# --- table ---------------------------------------------------------------------------------------


def number(value, digits=3):
    return "" if value is None else f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def row(cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def table(titles, rows):
    """Lines of Markdown; the titles are separated by bars."""
    titles = titles.split(" | ")
    return [row(titles), "|" + "---|" * len(titles), *map(row, rows), ""]


def watts_above_idle(r, idle):
    """What work draws; None where nobody measured it."""
    return r["watts"] - idle if r.get("watts") and idle else None


def throughput_row(r, idle):
    if "failure" in r:
        return r["throughput"], r["backend"], "", r["failure"], "", "", ""
    watts = watts_above_idle(r, idle)
    # Power is a mean over all of it, what lies between the passes included.
    joules = watts and watts * (r["ended"] - r["began"]) / (r["passes"] * r["batch"])
    return (r["throughput"], r["backend"], r["batch"], f"{1e3 * r['best_s']:.2f}",
            f"{r['recordings_per_s']:.0f}", number(r.get("right_counts")), number(joules))


def linear_row(r):
    source = 1e3 * r["source_s"] if "source_s" in r else None
    return (f"n {r['linear']}, T {r['steps']}, batch {r['batch']}", r["backend"],
            number(r["activity"]), f"{1e3 * r['best_s']:.2f}", number(source))


def circuit_row(r, idle):
    watts = watts_above_idle(r, idle)
    joules = watts and watts * r["wall_s"] / r["events"]
    return (r["circuit"], r["rtf"], f"{r['events_per_s']:.3g}", r["spikes"], r["digest"],
            number(joules))


def language_row(r, idle):
    watts = watts_above_idle(r, idle)
    joules = watts and watts / r["tokens_per_s"]
    return (r["language"], f"{r['backend']}, {r['arithmetic']}", r["batch"], r["window"],
            f"{r['token_us']:.2f}", f"{r['tokens_per_s']:.0f}", number(joules),
            number(joules and 70 * joules))


def language_check_row(r):
    first = r["first_difference"]
    return (f"{r['language_check']}, {r['backend']}", r["arithmetic"], r["reset"], r["tokens"],
            "none" if first < 0 else first, r["worst_relative"], f"{r['perplexity']:.4f}",
            f"{r['perplexity_cpu']:.4f}")


def markdown(rows, steps):
    idle = next((r["idle_watts"] for r in rows if "idle_watts" in r), None)

    def having(*keys):
        return [r for r in rows if all(key in r for key in keys)]

    lines = table("network | way | batch | best ms | recordings/s | right | J a recording",
                  [throughput_row(r, idle) for r in having("throughput")])
    lines += table("network | way | step median us | step p99 us | recording ms",
                   [(r["latency"], r["backend"], f"{r['step_median_us']:.1f}",
                     f"{r['step_p99_us']:.1f}", f"{r['recording_ms']:.3f}")
                    for r in having("latency")])
    lines += table("Linear + LIF | way | activity | best ms | of it the source",
                   [linear_row(r) for r in having("linear")])
    lines += table("rows: block, threads, lanes | events/s | share of copy bandwidth | right",
                   [(f"{r['block']}, {r['threads']}, {r['lanes']}", f"{r['events_per_s']:.3g}",
                     f"{r['share_of_bandwidth']:.3f}", r["right"])
                    for r in sorted(having("block"), key=lambda r: -r["events_per_s"])])
    lines += table("who owns what | way | neurons, mean fan-in | ms | additions/s | same spikes",
                   [(r["parts"], r["way"], f"{r['neurons']}, {r['degree']}", r["ms"],
                     f"{r['additions_per_s']:.3g}", r["same"]) for r in having("parts")])
    lines += table("microcircuit | wall s / simulated s | events/s | spikes | digest | J an event",
                   [circuit_row(r, idle) for r in having("circuit")])
    lines += table("language model | way | batch | tokens at once | us a token | tokens/s | "
                   "J a token | J a window of 70",
                   [language_row(r, idle) for r in having("language", "passes")])
    lines += table("language model | arithmetic | reset | tokens | first difference from cpu | "
                   "largest, relative | perplexity | cpu's",
                   [language_check_row(r) for r in having("language_check")])
    lines += table("network | first difference from cpu | after a checkpoint of cpu | counts",
                   [(f"{r['check']}, {r['backend']}", r["first_difference"] or "none",
                     r["after_checkpoint"] or "none", r["expected_counts"])
                    for r in having("check")])
    return "\n".join(lines + [f"- {step}" for step in steps]) + "\n"


def has_device():
    code = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False) \
        if shutil.which("nvidia-smi") else None
    return code is not None and code.returncode == 0 and "GPU" in code.stdout


def main():
    parser = argparse.ArgumentParser(prog="./dev gpu run", description=__doc__)
    parser.add_argument("--out", default=os.environ.get("OUT", "gpu-results"))
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--forms", default="triton,spikingjelly,compile,eager",
                        help="neurons of PyTorch's networks")
    parser.add_argument("--only", default="", help="steps whose name contains this, or =NAME; several with commas")
    arguments = parser.parse_args()
    sys.path.insert(0, str(HERE))
    report = Report(arguments.out)
    device = has_device()
    backend = "cuda" if device else "cuda-host"
    meter = Meter() if device else type("NoMeter", (), {"nvml": None})()

    def step(name, work):
        if any(wanted[1:] == name if wanted.startswith("=") else wanted in name
               for wanted in arguments.only.split(",")):
            report.step(name, work)

    def idle():
        began = time.time()
        time.sleep(3)
        watts = meter.watts(began, time.time())
        report.add({"idle_watts": watts})
        return f"{watts} W"

    step("doctor", lambda: run([BIN / "spikeloom", "devices"], report.out / "doctor.log", 60)[1])
    if not device:
        print("gpu: no device answers: the kernels run on the processor, and nothing is timed")
        for suite in SUITES:
            step(suite, lambda suite=suite: tests(report, suite, backend))
        step("check gesture", lambda: ours(report, meter, ["check", "--backend", backend, "--only",
                                                           "gesture"], 600))
        step("language check", lambda: language(report, meter, ["check", "--backend", backend,
                                                                "--tokens", 70], 600))
        return 0
    for suite in SUITES:
        step(suite, lambda suite=suite: tests(report, suite, backend))
    ways = (("", []), (" nodes", ["--backend", "cuda-nodes"]))
    for title, way in ways:
        step(f"check{title}", lambda way=way: ours(report, meter, ["check", *way], 300))
    step("language check", lambda: language(report, meter, ["check", "--tokens", 500], 200))
    step("idle power", idle)
    step("rows", lambda: rows_benchmark(report))
    for title, way in ways:
        step(f"throughput{title}", lambda way=way: ours(report, meter, [
            "throughput", "--batch", arguments.batch, *way], 200))
    for title, way in ways:
        step(f"latency{title}", lambda way=way: ours(report, meter, ["latency", *way], 100))
    for batch in (16, 64, 128):
        for title, way in ways:
            step(f"batch {batch}{title}", lambda batch=batch, way=way: ours(report, meter, [
                "throughput", "--batch", batch, "--seconds", 0.2, *way], 60))
    forms = arguments.forms.split(",")
    for name in ("digits float32", "gesture integer"):
        # SpikingJelly has no neurons of Loihi.
        wanted = [f for f in forms if name == "digits float32" or f in ("triton", "compile")]
        step(f"PyTorch {name}", lambda: torch_throughput(report, meter, name, "cuda",
                                                        arguments.batch, wanted, 2.0))
        step(f"PyTorch latency {name}", lambda: torch_latency(report, name, "cuda"))
    step("language", lambda: language(report, meter, ["time", "--batch", arguments.batch,
                                                       "--seconds", 1.5], 200,
                                      language_models()[-1:]))
    step("PyTorch language", lambda: torch_language(report, meter, arguments.batch, 1.5))
    step("plan", lambda: parts(report, "plan"))
    step("bits", lambda: parts(report, "bits", "--degree", 3277))
    step("devices", lambda: parts(report, "devices", "--neurons", 262144, "--degree", 409))
    step("microcircuit", lambda: circuit(report, meter, "cuda", 300))
    step("microcircuit cpu", lambda: circuit(report, meter, "cpu", 300))
    step("linear", lambda: ours(report, meter, ["linear", "--batch", "16"], 300))
    step("PyTorch linear", lambda: torch_linear(report, "cuda", 16384, 500, 16, [f for f in forms if f != "eager"]))
    for tool in ("memcheck", "racecheck"):
        step(tool, lambda tool=tool: sanitizer(report, tool))
    print((report.out / "table.md").read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())

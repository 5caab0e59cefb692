"""`./dev bench language`: the event-based language model and PyTorch's LSTM and GRU of its sizes.

Batch 1, one thread. A token at a time, as text is written, for everybody but the rows that say 70
tokens at once: those need the text beforehand. The rivals have random weights, which cost the same
time. Ours and theirs take turns, chunk by chunk, and ratios are of processor time, so that a
machine that others use slows both; the least and largest ratio of a turn stand in brackets.
"""

import argparse
import json
import os
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
from torch import nn  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
WINDOW = 70


class Stack(nn.Module):
    """Three layers of one kind, and a decoder where asked for."""

    def __init__(self, kind, sizes, words):
        super().__init__()
        self.layers = nn.ModuleList(kind(a, b) for a, b in zip(sizes, sizes[1:]))
        self.decoder = nn.Linear(sizes[-1], words) if words else None

    def forward(self, x, states):
        after = []
        for layer, state in zip(self.layers, states):
            x, state = layer(x, state)
            after.append(state)
        return (self.decoder(x) if self.decoder is not None else x), after


class DenseEgru(nn.Module):
    """One EGRU layer as the released code has it: dense products, events or not."""

    def __init__(self, inputs, units):
        super().__init__()
        self.kernel = nn.Linear(inputs, 3 * units)
        self.recurrent = nn.Linear(units, 3 * units)
        self.threshold = nn.Parameter(torch.full((units,), 0.05))

    def forward(self, x, state):
        h, y = state
        found = []
        for w in self.kernel(x):
            wz, wr, wg = w.chunk(3, -1)
            rz, rr, rg = self.recurrent(y).chunk(3, -1)
            z, r = torch.sigmoid(wz + rz), torch.sigmoid(wr + rr)
            c = z * h + (1 - z) * torch.tanh(wg + r * rg)
            o = (c > self.threshold).to(c.dtype)
            h, y = c - o * self.threshold, o * c
            found.append(y)
        return torch.stack(found), (h, y)


class Rival:
    def __init__(self, name, make, length):
        self.name, self.length, self.turns, self.failure = name, length, [], None
        try:
            self.step, self.states, self.x = make()
            for _ in range(3):
                self.once()
        except Exception as error:  # a way that this build of torch lacks is a row of the table
            self.failure = f"{type(error).__name__}: {str(error).splitlines()[0][:120]}"
        print(f"language: {name}: {self.failure or 'ready'}", file=sys.stderr)

    def once(self):
        _, self.states = self.step(self.x, self.states)

    def turn(self, seconds):
        if self.failure:
            return
        calls, cpu = 0, time.process_time()
        while calls == 0 or time.process_time() - cpu < seconds:
            self.once()
            calls += 1
        self.turns.append((time.process_time() - cpu) / (calls * self.length))


def initial(kind, sizes, dtype):
    shape = (1,) if kind is DenseEgru else (1, 1)
    zeros = [torch.zeros(*shape, size, dtype=dtype) for size in sizes[1:]]
    return zeros if kind is nn.GRU else [(z, z.clone()) for z in zeros]


def ways(sizes, words, kind, quick):
    """name -> (maker, tokens a call); with the decoder where `words` is not 0."""
    name = kind.__name__ + (" + decoder" if words else "")

    def model(dtype=torch.float32):
        torch.manual_seed(1)
        return Stack(kind, sizes, words).eval().to(dtype)

    def eager(dtype=torch.float32, length=1):
        return (model(dtype), initial(kind, sizes, dtype),
                torch.randn(length, 1, sizes[0]).to(dtype))

    def int8():
        quantised = torch.ao.quantization.quantize_dynamic(model(), {kind, nn.Linear}, torch.qint8)
        return quantised, initial(kind, sizes, torch.float32), torch.randn(1, 1, sizes[0])

    def compiled():
        return (torch.compile(model()), initial(kind, sizes, torch.float32),
                torch.randn(1, 1, sizes[0]))

    found = {f"{name}, float32": (eager, 1),
             f"{name}, bfloat16": (lambda: eager(torch.bfloat16), 1),
             f"{name}, dynamic int8": (int8, 1),
             f"{name}, {WINDOW} tokens at once, float32": (lambda: eager(length=WINDOW), WINDOW)}
    if kind is DenseEgru:
        return {name: way for name, way in found.items() if "float32" in name or "int8" in name}
    if not quick:
        found[f"{name}, torch.compile"] = (compiled, 1)
    return found


def ours(binary, arguments):
    command = [binary, "--tokens", str(arguments.tokens), "--chunk", "20", "--stack",
               arguments.stack, "--sparsity", str(arguments.sparsity),
               "--active", *map(str, arguments.active)]
    if arguments.model:
        command += ["--model", arguments.model]
    if arguments.text:
        command += ["--text", arguments.text]
    if arguments.quick:
        command.append("--quick")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"language: {done.stderr}")
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(prog="./dev bench language", description=__doc__)
    parser.add_argument("--model", default="", help="language model; random weights without one")
    parser.add_argument("--text", default="", help="words for ours; random ones without it")
    parser.add_argument("--stack", default="int8", choices=["none", "int8", "ternary"])
    parser.add_argument("--sparsity", type=float, default=0.95)
    parser.add_argument("--active", type=float, nargs=3, default=[0.20, 0.27, 0.46])
    parser.add_argument("--tokens", type=int, default=200, help="of ours, a turn (200)")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.5, help="of a rival, a turn (0.5)")
    parser.add_argument("--sizes", type=int, nargs="+", default=[750, 1350, 1350, 750])
    parser.add_argument("--words", type=int, default=33278)
    parser.add_argument("--quick", action="store_true", help="without torch.compile")
    parser.add_argument("--json", default="", metavar="FILE")
    parser.add_argument("--binary", default=str(ROOT / "build/release/bench/spikeloom_language"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    with torch.inference_mode():
        rivals = []
        for words in (0, arguments.words):
            for kind in (nn.LSTM, nn.GRU) + ((DenseEgru,) if not words else ()):
                for name, (make, length) in ways(arguments.sizes, words, kind,
                                                 arguments.quick).items():
                    rivals.append(Rival(name, make, length))
        turns = []
        for turn in range(arguments.turns):
            turns.append(ours(arguments.binary, arguments))
            for rival in rivals:
                rival.turn(arguments.seconds)
            print(f"language: turn {turn + 1} of {arguments.turns}", file=sys.stderr)

    def times(key):
        return [t[key]["us"] * 1e-6 for t in turns if key in t]

    names = {"stack_table": "ours, stack, table per word", "stack": "ours, stack",
             "stack_integer": "ours, stack, integer",
             "stack_table_integer": "ours, stack, table, integer", "all": "ours, with decoder",
             "all_integer": "ours, with decoder, integer",
             "all_table_integer": "ours, with decoder, table, integer",
             "stack_every_weight": "ours, stack, every weight stored, float32",
             "our_lstm": "ours, dense LSTM, float32"}
    print(f"\n{turns[0]['model']}, {arguments.stack}, sparsity {arguments.sparsity}; active "
          f"{turns[0]['stack']['active']}; torch {torch.__version__}; batch 1, one thread\n")
    print("| way | us a token | | | |\n|---|---|---|---|---|")
    for key, name in names.items():
        if times(key):
            print(f"| {name} | {1e6 * statistics.median(times(key)):.1f} | | | |")
    for rival in rivals:
        if rival.failure:
            print(f"| {rival.name} | did not run: {rival.failure} | | | |")
            continue
        keys = (["all", "all_integer", "all_table_integer"] if "decoder" in rival.name else
                ["stack", "stack_table", "stack_integer"])
        cells = []
        for key in keys:
            ratios = [a / b for a, b in zip(rival.turns, times(key))]
            if ratios:
                cells.append(f"{key}: {statistics.median(ratios):.1f} x "
                             f"({min(ratios):.1f} .. {max(ratios):.1f})")
        print(f"| {rival.name} | {1e6 * statistics.median(rival.turns):.1f} | "
              + " | ".join(cells) + " |")
    ran = [rival for rival in rivals if not rival.failure]

    def fastest(decoder):
        return min((r for r in ran if ("decoder" in r.name) == decoder and "LSTM" in r.name),
                   key=lambda r: statistics.median(r.turns))

    bars = []
    for key, decoder, bar in (("stack_table", False, 10.0), ("stack_table_integer", False, 10.0),
                              ("stack", False, 6.0), ("stack_integer", False, 6.0),
                              ("all", True, 8.0), ("all_integer", True, 8.0),
                              ("all_table_integer", True, 8.0)):
        if times(key):
            rival = fastest(decoder)
            ratio = statistics.median(a / b for a, b in zip(rival.turns, times(key)))
            bars.append({"way": key, "rival": rival.name, "ratio": ratio, "bar": bar})
            print(f"{names[key]}: {ratio:.1f} times faster than {rival.name}, bar {bar:g}: "
                  f"{'reached' if ratio >= bar else 'MISSED'}")
    for key, loop in (("stack", "minimal_us"), ("stack_table", "minimal_table_us")):
        ratio = statistics.median(1e6 * s / t[loop] for s, t in zip(times(key), turns))
        bars.append({"way": key, "rival": loop, "ratio": ratio, "bar": 1.5})
        print(f"{names[key]}: {ratio:.2f} times the minimal loop over the same rows, bar 1.5: "
              f"{'reached' if ratio <= 1.5 else 'MISSED'}")
    line = turns[-1]["line"]
    print(f"time against executed operations: {line['ns_per_operation']:.3f} ns each + "
          f"{line['intercept_us']:.1f} us")
    print(f"table: {turns[-1]['table_bytes'] / 1e6:.0f} MB, {turns[-1]['table_s']:.1f} s to fill")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(
            {"turns": turns, "rivals": [{"name": r.name, "failure": r.failure,
                                         "s_per_token": r.turns} for r in rivals],
             "bars": bars}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

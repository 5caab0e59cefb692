#!/usr/bin/env python3
"""The tables of `./dev gpu run`, from rows with the names that its programs print.

    gpu_table.py FOLDER      where gpu.py is: bench/peers
"""
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import gpu

ROWS = [
    {"idle_watts": 80.0},
    {"throughput": "digits", "backend": "cuda", "batch": 256, "best_s": 0.01, "passes": 4,
     "recordings_per_s": 25600.0, "right_counts": 99, "began": 1.0, "ended": 5.0, "watts": 208.0},
    {"throughput": "digits", "backend": "eager", "failure": "no memory"},
    {"block": 64, "threads": 128, "lanes": 4, "events_per_s": 5e9, "share_of_bandwidth": 0.5,
     "right": True},
    {"circuit": "spikeloom cuda", "rtf": 0.125, "events_per_s": 4e9, "spikes": 5, "digest": "ab",
     "events": 1e9, "wall_s": 0.25, "watts": 480.0},
    {"language": "egru", "backend": "cuda", "arithmetic": "integer", "batch": 1, "window": 70,
     "token_us": 3.5, "tokens_per_s": 2e5, "passes": 9, "watts": 90.0},
]
EXPECTED = [
    # (208 - 80) W x 4 s over 4 x 256 recordings.
    "| digits | cuda | 256 | 10.00 | 25600 | 99 | 0.5 |",
    "| digits | eager |  | no memory |  |  |  |",
    "| 64, 128, 4 | 5e+09 | 0.500 | True |",
    # 400 W x 0.25 s over 1e9 events.
    "| spikeloom cuda | 0.125 | 4e+09 | 5 | ab | 1e-07 |",
    # 10 W over 2e5 tokens a second.
    "| egru | cuda, integer | 1 | 70 | 3.50 | 200000 | 5e-05 | 0.0035 |",
]

table = gpu.markdown(ROWS, ["a step"])
lines = [line for line in table.splitlines() if line.startswith("| ")]
titles = 9
assert len(lines) == titles + len(EXPECTED), table
for line in EXPECTED:
    assert lines.count(line) == 1, f"{line}\n{table}"
assert table.endswith("\n- a step\n"), table
print("tables right")

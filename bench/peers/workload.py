"""The workload every way runs: the network's weights and the recordings, as plain arrays.

The network is 02_cnn/cnn_sinabs.nir (five weight nodes, five IF nodes, two sum pools), the
recordings are its 100 N-MNIST test recordings in 1 ms bins, and the right output spike counts come
with them. Nothing here is timed.
"""

import csv
import os
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

BIN_US = 1000
SENSOR = 34


def data_folder(root):
    """The folder 02_cnn, found as the tests find it; None when there is none."""
    named = os.environ.get("SPIKELOOM_SHARED")
    shared = [Path(named)] if named else [root / "shared", root.parent / "shared"]
    for folder in shared:
        if (folder / "acceptance/nir/02_cnn/cnn_sinabs.nir").exists():
            return folder / "acceptance/nir/02_cnn"
    return None


@dataclass
class Recording:
    name: str
    frames: np.ndarray  # (steps, 2, 34, 34) float32, events per pixel and 1 ms bin
    counts: dict  # rule ("zero", "multi") -> ten output spike counts


def read_frames(path):
    """Five bytes an event, big endian: x, y, ON bit, 23 bits of microseconds. The bins begin at
    the first event; the last, incomplete one is dropped."""
    raw = np.frombuffer(path.read_bytes(), dtype=np.uint8).reshape(-1, 5).astype(np.int64)
    x, y, on = raw[:, 0], raw[:, 1], raw[:, 2] >> 7
    time = ((raw[:, 2] & 0x7F) << 16) | (raw[:, 3] << 8) | raw[:, 4]
    assert np.all(np.diff(time) >= 0), f"{path}: times run backwards"
    step = (time - time[0]) // BIN_US
    steps = int(step[-1])
    full = step < steps
    frames = np.zeros((steps, 2, SENSOR, SENSOR), dtype=np.float32)
    np.add.at(frames, (step[full], on[full], y[full], x[full]), 1.0)
    return frames


def read_counts(path):
    with open(path, newline="") as file:
        return {
            row["sample"]: [int(row[f"c{k}"]) for k in range(10)] for row in csv.DictReader(file)
        }


def read_recordings(folder, count):
    zero = read_counts(folder / "expected_test100_out_counts_zero.csv")
    multi = read_counts(folder / "expected_test100_out_counts_multi.csv")
    return [
        Recording(
            name,
            read_frames(folder / "nmnist_test100" / f"{name}.bs2"),
            {"zero": zero[name], "multi": multi[name]},
        )
        for name in list(zero)[:count]
    ]


def read_layers(path):
    """The chain of nodes from input to output: (kind, parameters) in order of execution."""
    with h5py.File(path, "r") as file:
        nodes, edges = file["node/nodes"], file["node/edges"][()]
        after = {source.decode(): target.decode() for source, target in edges}
        assert len(after) == len(edges), "the network is not a chain"
        layers = []
        name = after["input"]
        while name != "output":
            fields = {key: nodes[name][key][()] for key in nodes[name]}
            kind = fields.pop("type").decode()
            if kind == "IF":
                assert np.all(fields["r"] == 1) and np.all(fields["v_threshold"] == 1)
            layers.append((kind, fields))
            name = after[name]
        return layers

"""What the numbers of a model file decide about made-up pictures, which need no data set: tests hold
the C++ side against it.

    python -m spike_vision.made_up ../weights/cifar8/cifar8.sloom > ../weights/cifar8/made-up.txt
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from .export import Exported, decide

COUNT = 24


def pictures(rows: int, columns: int) -> np.ndarray:
    """Squares of 8 x 8 pixels in colours of a linear congruential generator, under a pattern."""
    made = np.empty((COUNT, rows, columns, 3), np.uint8)
    y, x = np.mgrid[:rows, :columns]
    for i in range(COUNT):
        state = i + 1
        squares = np.empty((rows // 8 * (columns // 8) * 3,), np.int64)
        for k in range(len(squares)):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            squares[k] = state >> 56
        squares = squares.reshape(rows // 8, columns // 8, 3)
        made[i] = 3 * squares[y // 8, x // 8] // 4 + ((x * y + 7 * i) % 64)[..., None]
    return made


def read(path: str | Path) -> Exported:
    """The numbers of a file that `export.write` wrote."""
    import h5py

    with h5py.File(path) as file:
        nodes = file["network/nodes"]
        chain = [nodes[str(i)] for i in range(len(nodes))]
        kinds = [node["kind"][()].decode() for node in chain]
        field = lambda i, name: chain[i][f"fields/{name}"][()]
        metadata = file["network/metadata"]
        spiking = "front_end" in metadata
        if spiking:
            front = metadata["front_end"]
            first = {name: front[name][()] for name in ("weight", "largest", "threshold")}
            first["pool"] = np.int64(front["pool"][()] == 2)
            size = (int(front["rows"][()]), int(front["columns"][()]), first["weight"].shape[1])
        else:
            channels, rows, columns = field(0, "shape")
            first, size = {}, (int(rows), int(columns), int(channels))
        layers = []
        for i, kind in enumerate(kinds):
            if kind != "Conv2d":
                continue
            layer = {"weight": field(i, "weight"), "pool": np.int64(kinds[i + 2] == "MaxPool2d")}
            if spiking:
                layer["threshold"] = field(i + 1, "threshold")[:, 0, 0]
            else:
                layer |= {"scale": field(i, "weight_scale"), "bias": field(i, "bias")}
            layers.append(layer)
        readout = {"weight": field(kinds.index("Linear"), "weight")}
    return Exported("spiking" if spiking else "dense", size, first, layers, readout)


def main() -> None:
    exported = read(sys.argv[1])
    decided = decide(exported, pictures(*exported.input[:2]))
    print("".join(str(k) for k in decided.scores.argmax(1)))


if __name__ == "__main__":
    main()

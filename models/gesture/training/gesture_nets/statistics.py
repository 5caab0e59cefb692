"""What recordings are like, side by side: medians over the .bs2 files of each folder.

    python -m gesture_nets.statistics CLIPS_OF_A_CAMERA SIMULATED_CLIPS

rate: events a second. on: share of ON. pixels: share of pixels that ever spoke. alone: share of
events without one in the 3 x 3 pixels around in the 10 ms before. gap: median time between events
of a pixel, ms. busiest, quietest: events of the fullest and emptiest 25 ms. cells: share of 4 x 4
pixels x 25 ms with more than 2 events.
"""

import sys
from pathlib import Path

import numpy as np

NAMES = ["rate", "on", "pixels", "alone", "gap", "busiest", "quietest", "cells"]


def read(path):
    """Times in us, x, y, polarity of a .bs2 file (128 x 128 pixels)."""
    b = np.fromfile(path, np.uint8).reshape(-1, 5).astype(np.int64)
    return ((b[:, 2] & 127) << 16) | (b[:, 3] << 8) | b[:, 4], b[:, 0], b[:, 1], b[:, 2] >> 7


def statistics(t, x, y, polarity):
    seconds = (t[-1] - t[0]) * 1e-6
    pixel = y * 128 + x
    last, near = np.full((130, 130), -10**9), 0
    for when, column, row in zip(t.tolist(), x.tolist(), y.tolist()):
        near += when - last[row : row + 3, column : column + 3].max() < 10000
        last[row + 1, column + 1] = when
    order = np.lexsort((t, pixel))
    same = pixel[order][1:] == pixel[order][:-1]
    bins = np.bincount(t // 25000, minlength=58)[:57]
    cells = np.zeros((58, 32, 32))
    np.add.at(cells, (np.minimum(t // 25000, 57), y // 4, x // 4), 1)
    return [len(t) / seconds, polarity.mean(), len(np.unique(pixel)) / 128**2, 1 - near / len(t),
            np.median(np.diff(t[order])[same]) / 1e3, bins.max(), bins.min(), (cells > 2).mean()]


def main():
    print(f"{'':24}" + "".join(f"{name:>22}" for name in NAMES))
    for folder in sys.argv[1:]:
        table = np.array([statistics(*read(p)) for p in sorted(Path(folder).glob("*.bs2"))])
        low, middle, high = np.percentile(table, [10, 50, 90], axis=0)
        cells = [f"{m:.3g} ({l:.3g} .. {h:.3g})" for l, m, h in zip(low, middle, high)]
        print(f"{Path(folder).name:24}" + "".join(f"{cell:>22}" for cell in cells))


if __name__ == "__main__":
    main()

"""Clips on disk and how they are varied.

A shard is an .npz that `spikeloom sensors gestures` writes: `counts` uint8 (clips, steps, 2, 32, 32)
and `labels`. New shards of the folder are taken up between epochs.
"""

from pathlib import Path

import numpy as np
import torch

# What the mirror image of a gesture shows.
MIRRORED = torch.tensor([0, 2, 1, 6, 5, 4, 3, 7, 8, 9, 10])


def load(path):
    with np.load(path) as shard:
        return torch.from_numpy(shard["counts"]), torch.from_numpy(shard["labels"].astype(np.int64))


class Clips:
    """The shards of a folder, on the device that trains."""

    def __init__(self, folder, device="cpu"):
        self.folder, self.device = Path(folder), device
        self.paths = []
        self.counts = torch.empty(0, dtype=torch.uint8, device=device)
        self.labels = torch.empty(0, dtype=torch.int64, device=device)
        self.refresh()

    def refresh(self):
        new = sorted(set(self.folder.glob("*.npz")) - set(self.paths))
        if new:
            parts = [[part.to(self.device) for part in load(path)] for path in new]
            old = [[self.counts, self.labels]] if self.paths else []
            self.counts, self.labels = (torch.cat(part) for part in zip(*old, *parts))
            self.paths += new
        return len(self.labels)


def batch_of(clips, index, steps, generator, strength=1.0):
    """A varied batch (steps, batch, 2, 32, 32) and labels: a stretch of each clip, mirrored, moved,
    with polarities exchanged, events lost and noise added at random. `strength` scales the last
    three but not the exchange."""
    device, size = clips.counts.device, len(index)
    frames, side = clips.counts.shape[1], clips.counts.shape[-1]
    reach = round(3 * strength)
    whole = torch.stack([index, torch.randint(0, frames - steps + 1, (size,), generator=generator),
                         *(torch.randint(0, 2, (size,), generator=generator) for _ in range(2)),
                         *torch.randint(-reach, reach + 1, (2, size), generator=generator)])
    index, start, mirror, swap, down, right = whole.to(device, non_blocking=True)
    lost, noise = torch.rand(2, size, generator=generator).to(device, non_blocking=True)
    each = lambda v, *axes: v.reshape(-1, *axes)
    place = torch.arange(side, device=device)
    row, column = place - each(down, 1), place - each(right, 1)
    inside = (each((row >= 0) & (row < side), side, 1)
              & each((column >= 0) & (column < side), 1, side))
    column = torch.where(each(mirror, 1) == 1, side - 1 - column, column)
    time = each(start, 1) + torch.arange(steps, device=device)
    polarity = torch.arange(2, device=device) ^ each(swap, 1)
    x = clips.counts[each(index, 1, 1, 1, 1), each(time, steps, 1, 1, 1), each(polarity, 1, 2, 1, 1),
                     each(row.clamp(0, side - 1), 1, 1, side, 1),
                     each(column.clamp(0, side - 1), 1, 1, 1, side)].float()
    x *= each(inside, 1, 1, side, side)
    # Fewer events, and of busy places more than of quiet ones, as another threshold makes them.
    x = (x * each(1 - 0.5 * strength * lost, 1, 1, 1, 1) + 0.5).floor_()
    rate = 0.03 * strength * noise.square()
    x += torch.rand(x.shape, device=device) < each(rate, 1, 1, 1, 1)
    labels = clips.labels[index]
    labels = torch.where(mirror == 1, MIRRORED.to(device)[labels], labels)
    return x.clamp_(max=16).transpose(0, 1).contiguous(), labels

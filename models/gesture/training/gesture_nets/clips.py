"""Clips on disk and how they are varied.

A shard is an .npz that `spikeloom sensors gestures` writes: `counts` uint8 (clips, steps, 2, 32, 32)
and `labels`. New shards of the folder are taken up between epochs.
"""

from pathlib import Path

import numpy as np
import torch

# What the mirror image of a gesture shows.
MIRRORED = torch.tensor([0, 2, 1, 6, 5, 4, 3, 7, 8, 9, 10])


def load(paths):
    counts, labels = [], []
    for path in paths:
        with np.load(path) as shard:
            counts.append(torch.from_numpy(shard["counts"]))
            labels.append(torch.from_numpy(shard["labels"].astype(np.int64)))
    return torch.cat(counts), torch.cat(labels)


class Clips:
    def __init__(self, folder):
        self.folder = Path(folder)
        self.paths = []
        self.counts = self.labels = None
        self.refresh()

    def refresh(self):
        paths = sorted(self.folder.glob("*.npz"))
        if paths != self.paths:
            self.paths = paths
            self.counts, self.labels = load(paths)
        return len(self.labels)


def batch_of(clips, index, steps, generator, device, strength=1.0):
    """A varied batch (steps, batch, 2, 32, 32) and labels: a stretch of each clip, mirrored,
    moved, with polarities exchanged, events lost and noise added at random. `strength` scales the
    last three but not the exchange."""
    x = clips.counts[index]
    labels = clips.labels[index].clone()
    start = torch.randint(0, x.shape[1] - steps + 1, (len(index),), generator=generator)
    x = torch.stack([x[k, s : s + steps] for k, s in enumerate(start.tolist())]).to(device).float()
    draw = lambda n=len(index): torch.rand(n, generator=generator)
    mirror = draw() < 0.5
    x[mirror] = x[mirror].flip(-1)
    labels[mirror] = MIRRORED[labels[mirror]]
    swap = draw() < 0.5
    x[swap] = x[swap].flip(2)
    reach = round(3 * strength)
    for k in range(len(index)):
        dy, dx = torch.randint(-reach, reach + 1, (2,), generator=generator).tolist()
        moved = x[k].roll((dy, dx), (-2, -1))
        if dy > 0: moved[..., :dy, :] = 0
        if dy < 0: moved[..., dy:, :] = 0
        if dx > 0: moved[..., :dx] = 0
        if dx < 0: moved[..., dx:] = 0
        x[k] = moved
    # Fewer events, and of busy places more than of quiet ones, as another threshold makes them.
    keep = 1 - 0.5 * strength * draw().to(device)
    x = (x * keep.reshape(-1, 1, 1, 1, 1) + 0.5).floor_()
    noise = 0.03 * strength * draw().to(device).square()
    x += (torch.rand(x.shape, device=device) < noise.reshape(-1, 1, 1, 1, 1)).float()
    return x.clamp_(max=16).transpose(0, 1).contiguous(), labels.to(device)

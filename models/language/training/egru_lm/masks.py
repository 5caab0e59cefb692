"""Locked dropout masks: drawn once a window, kept for all its steps (and for the backward pass).

Probabilities are numbers on the device, so they can change while a captured graph goes on. A mask
holds 0 or 1 / (1 - p).
"""

from __future__ import annotations

import torch
from torch import Tensor

from .config import Dropout
from .lanes import Lanes

NAMES = ("embedding", "words", "forward", "recurrent", "output")


class Masks:
    """One buffer per use; draw() refills all of them from the device's default generator."""

    def __init__(
        self,
        dropout: Dropout,
        words: int,
        rows: int,
        widths: tuple[int, ...],
        recurrent_sizes: list[tuple[int, int]],
        dtype: torch.dtype,
        device: torch.device,
        possible: Dropout,
    ) -> None:
        self.probability = {
            name: torch.tensor(getattr(dropout, name), dtype=dtype, device=device)
            for name in NAMES
        }

        def buffer(name: str, *sizes: int) -> Tensor | None:
            used = getattr(dropout, name) > 0 or getattr(possible, name) > 0
            return torch.ones(*sizes, dtype=dtype, device=device) if used else None

        self.embedding = buffer("embedding", rows, widths[0])
        self.words = buffer("words", words)
        self.forward = [buffer("forward", rows, width) for width in widths[1:-1]]
        self.output = buffer("output", rows, widths[-1])
        self.recurrent = [buffer("recurrent", *sizes) for sizes in recurrent_sizes]

    def set(self, dropout: Dropout) -> None:
        for name in NAMES:
            self.probability[name].fill_(getattr(dropout, name))

    def _fill(self, mask: Tensor | None, name: str) -> None:
        if mask is None:
            return
        p = self.probability[name]
        mask.uniform_()
        torch.ge(mask, p, out=mask)
        mask.div_(1 - p)

    def draw(self, lanes: Lanes) -> None:
        """Those of the recurrent kernels in the lane of their layer."""
        lanes.fork()
        self._fill(self.embedding, "embedding")
        self._fill(self.words, "words")
        for mask in self.forward:
            self._fill(mask, "forward")
        self._fill(self.output, "output")
        for i, mask in enumerate(self.recurrent):
            with lanes.on(i):
                self._fill(mask, "recurrent")


def interpolate(dense: Dropout, sparse: Dropout, fraction: float) -> Dropout:
    """Between the two settings; fraction 0 is dense."""
    values = {}
    for name in NAMES:
        a, b = getattr(dense, name), getattr(sparse, name)
        values[name] = a + (b - a) * fraction
    return Dropout(**values)

"""All trainable numbers in one flat buffer.

Why flat: clipping, the optimiser and the pruning mask are then one kernel each, whatever the
number of layers. Order: embedding | kernels (prunable) | biases, so the prunable part and the part
behind a frozen embedding are slices.

Why padded: 1350 and 750 are no multiples of 8, and tensor cores run at full rate only on aligned
rows. Padded weights are zero and stay zero: a padded unit has threshold PADDED_THRESHOLD, never
emits, and its pseudo-derivative is zero, so no gradient reaches it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .config import Model

GATES = {"egru": 3, "lstm": 4}
PADDED_THRESHOLD = 1e4


def _pad(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple


@dataclass(frozen=True)
class Entry:
    """One parameter: logical shape, padded shape, place in the flat buffer.

    Kernels are [gates, outputs, inputs], biases [gates, outputs], embedding [words, features].
    """

    name: str
    shape: tuple[int, ...]
    padded: tuple[int, ...]
    offset: int
    prunable: bool

    @property
    def size(self) -> int:
        return math.prod(self.padded)

    def view(self, flat: Tensor) -> Tensor:
        return flat[self.offset : self.offset + self.size].view(self.padded)

    def logical(self, flat: Tensor) -> Tensor:
        """The view without padding."""
        return self.view(flat)[tuple(slice(0, n) for n in self.shape)]


class Layout:
    """Where every parameter of a model lies; knows sizes only, holds no numbers."""

    def __init__(self, model: Model, words: int) -> None:
        self.model = model
        self.words = words
        self.padded_words = _pad(words, model.pad_vocabulary)
        self.gates = GATES[model.cell]
        self.widths = (model.embedding, *model.hidden)
        self.padded_widths = tuple(_pad(n, model.pad) for n in self.widths)
        self.entries: dict[str, Entry] = {}
        self._offset = 0
        logical, padded = self.widths, self.padded_widths
        layers = range(1, len(self.widths))
        self._add(
            "embedding", (words, logical[0]), (self.padded_words, padded[0]), prunable=False
        )
        self.prunable_begin = self._offset
        for i in layers:
            for name, source in (("kernel", i - 1), ("recurrent", i)):
                self._add(
                    f"layer{i}.{name}",
                    (self.gates, logical[i], logical[source]),
                    (self.gates, padded[i], padded[source]),
                    prunable=True,
                )
        self.prunable_end = self._offset
        for i in layers:
            for name in ("bias", "recurrent_bias"):
                self._add(
                    f"layer{i}.{name}",
                    (self.gates, logical[i]),
                    (self.gates, padded[i]),
                    prunable=False,
                )
        self._add("decoder.bias", (words,), (self.padded_words,), prunable=False)
        self.size = self._offset

    def _add(
        self, name: str, shape: tuple[int, ...], padded: tuple[int, ...], prunable: bool
    ) -> None:
        self.entries[name] = Entry(name, shape, padded, self._offset, prunable)
        self._offset += _pad(math.prod(padded), 8)

    @property
    def prunable(self) -> list[Entry]:
        return [entry for entry in self.entries.values() if entry.prunable]


def initialise(layout: Layout, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    """Initial flat buffer on the CPU.

    EGRU: Xavier normal per gate; LSTM: uniform within 1 / sqrt(hidden). Embedding uniform within
    0.1, biases zero.
    """
    flat = torch.zeros(layout.size, dtype=dtype)
    for entry in layout.entries.values():
        target = entry.logical(flat)
        draw = torch.empty(entry.shape, dtype=torch.float64)
        if entry.name == "embedding":
            draw.uniform_(-0.1, 0.1, generator=generator)
        elif entry.prunable and layout.model.cell == "egru":
            _, outputs, inputs = entry.shape
            deviation = layout.model.init_gain * math.sqrt(2.0 / (inputs + outputs))
            draw.normal_(0.0, deviation, generator=generator)
        elif entry.prunable or (layout.model.cell == "lstm" and entry.name != "decoder.bias"):
            bound = 1.0 / math.sqrt(entry.shape[1])
            draw.uniform_(-bound, bound, generator=generator)
        else:
            draw.zero_()
        target.copy_(draw.to(dtype))
    return flat


def thresholds(
    layout: Layout, generator: torch.Generator, dtype: torch.dtype
) -> list[Tensor]:
    """Per layer, padded: Beta(3 m / (1 - m), 3) with mean m, as the released code draws them.

    They are constants of the run: the published recipe trains them with rate zero. A Beta draw is
    X / (X + Y) of two Gamma draws; shape a < 1 uses Gamma(a) = Gamma(a + 1) * U^(1 / a).
    """
    mean = layout.model.threshold_mean
    alpha = 3.0 * mean / (1.0 - mean)
    result = []
    for width, padded in zip(layout.widths[1:], layout.padded_widths[1:], strict=True):
        boost = torch.full((width,), alpha + 1.0, dtype=torch.float64)
        x = torch._standard_gamma(boost, generator=generator)
        u = torch.rand(width, dtype=torch.float64, generator=generator)
        x = x * u.pow(1.0 / alpha)
        y = torch._standard_gamma(torch.full_like(boost, 3.0), generator=generator)
        theta = torch.full((padded,), PADDED_THRESHOLD, dtype=dtype)
        theta[:width] = (x / (x + y)).to(dtype)
        result.append(theta)
    return result

"""Rows and windows of a token stream.

A stream of N tokens is cut into `batch` rows of equal length; a window is `window` consecutive
positions of every row. Inputs are tokens [t, t + window), targets the same one later.
"""

from __future__ import annotations

import torch
from torch import Tensor


def rows(tokens: Tensor, batch: int, shift: int = 0) -> Tensor:
    """Time-major rows [length, batch]; up to batch - 1 tokens at the end are left out."""
    usable = (tokens.numel() - shift) // batch
    return tokens[shift : shift + usable * batch].view(batch, usable).t().contiguous()


def window_count(length: int, window: int) -> int:
    """Full windows in rows of this length; every input needs a target."""
    return (length - 1) // window


class Stream:
    """Endless training windows: epoch after epoch, each with its own random start shift.

    The position is three integers (epoch, shift, window), so a resumed run continues exactly.
    The shift is drawn from (seed, epoch) alone and needs no generator state.
    """

    def __init__(self, tokens: Tensor, batch: int, window: int, seed: int, shift: bool) -> None:
        self.tokens, self.batch, self.window = tokens, batch, window
        self.seed, self.random_shift = seed, shift
        self.epoch = 0
        self.next_window = 0
        self._cut()
        if self.windows < 1:
            raise ValueError(
                f"{tokens.numel()} tokens are too few for {batch} rows of {window} positions"
            )

    def _cut(self) -> None:
        shift = 0
        if self.random_shift:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
            shift = int(torch.randint(self.window, (1,), generator=generator))
        self.rows = rows(self.tokens, self.batch, shift)
        self.windows = window_count(self.rows.shape[0], self.window)

    def next(self) -> tuple[Tensor, Tensor, bool]:
        """Inputs, targets (views [window, batch]) and whether a new epoch begins with them."""
        if self.next_window == self.windows:
            self.epoch += 1
            self.next_window = 0
            self._cut()
        begin = self.next_window * self.window
        first = self.next_window == 0
        self.next_window += 1
        end = begin + self.window
        return self.rows[begin:end], self.rows[begin + 1 : end + 1], first

    def state(self) -> dict[str, int]:
        return {"epoch": self.epoch, "next_window": self.next_window}

    def restore(self, state: dict[str, int]) -> None:
        self.epoch = state["epoch"]
        self._cut()
        self.next_window = state["next_window"]

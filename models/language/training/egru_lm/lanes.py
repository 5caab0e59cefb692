"""Streams of one device for work that may overlap; on a CPU everything runs in program order.

Why: one step of one layer fills a third of a large GPU and lasts a few microseconds. Layer i can
work on one part of the window while layer i + 1 works on the part before, and the decoder on the
part before that. Recurrent lanes have priority over the lane of the large products.

Rule: a tensor that one lane writes and another reads is allocated once, before any lane runs.
What a lane allocates for itself stays in that lane.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

URGENT, RELAXED = -5, 0


class Lanes:
    """`count` urgent lanes, numbered from 0, and one relaxed lane, number `count`."""

    def __init__(self, count: int, device: torch.device) -> None:
        self.relaxed = count
        self.streams: list[torch.cuda.Stream] = []
        if device.type == "cuda":
            priorities = [URGENT] * count + [RELAXED]
            self.streams = [torch.cuda.Stream(device, priority=p) for p in priorities]

    def fork(self) -> None:
        """Every lane waits for what the current stream was given so far."""
        for stream in self.streams:
            stream.wait_stream(torch.cuda.current_stream())

    def join(self) -> None:
        """The current stream waits for every lane."""
        for stream in self.streams:
            torch.cuda.current_stream().wait_stream(stream)

    @contextlib.contextmanager
    def on(self, lane: int) -> Iterator[None]:
        if self.streams:
            with torch.cuda.stream(self.streams[lane]):
                yield
        else:
            yield

    def mark(self) -> torch.cuda.Event | None:
        """A point in the current lane that another can wait for."""
        return torch.cuda.current_stream().record_event() if self.streams else None

    def wait(self, mark: torch.cuda.Event | None) -> None:
        if mark is not None:
            torch.cuda.current_stream().wait_event(mark)

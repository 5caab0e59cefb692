"""What depends on how far a run has come. progress is in [0, 1]; all functions are pure."""

from __future__ import annotations

import math

from .config import Prune, Train


def rate(train: Train, update: int, progress: float) -> float:
    """Linear warm-up over updates, then constant, then a cosine to zero."""
    factor = min(1.0, (update + 1) / train.warmup) if train.warmup > 0 else 1.0
    if progress > train.constant:
        x = min(1.0, (progress - train.constant) / (1.0 - train.constant))
        factor *= 0.5 * (1.0 + math.cos(math.pi * x))
    return train.rate * factor


def sparsity(prune: Prune, progress: float) -> float:
    """Cubic ramp: fast while weights are plenty, slow near the end (Zhu and Gupta 2017)."""
    if progress < prune.begin:
        return prune.start_sparsity
    span = prune.end - prune.begin
    x = min(1.0, (progress - prune.begin) / span) if span > 0 else 1.0
    return prune.sparsity + (prune.start_sparsity - prune.sparsity) * (1.0 - x) ** 3

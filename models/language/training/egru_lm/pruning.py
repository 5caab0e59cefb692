"""Magnitude pruning of the recurrent stack.

The mask is one byte per weight, static, read by the optimiser's kernel; a cut only rewrites it, so
a captured update goes on unchanged. A weight that was cut stays zero: its magnitude is the
smallest at every later cut.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .parameters import Layout


def full_mask(layout: Layout, device: torch.device) -> Tensor:
    return torch.ones(layout.size, dtype=torch.uint8, device=device)


def _keep(sizes: list[Tensor], sparsity: float) -> list[Tensor]:
    everything = torch.cat([size.reshape(-1) for size in sizes])
    count = int(round(sparsity * everything.numel()))
    if count < 1:
        return [torch.ones_like(size, dtype=torch.bool) for size in sizes]
    cut = torch.sort(everything).values[count - 1]
    return [size > cut for size in sizes]


def cut(layout: Layout, flat: Tensor, mask: Tensor, sparsity: float, scope: str) -> None:
    """Masks the smallest weights and zeroes them: over all kernels, or in each alike."""
    entries = layout.prunable
    sizes = [entry.logical(flat).abs() for entry in entries]
    if scope == "global":
        kept = _keep(sizes, sparsity)
    else:
        kept = [_keep([size], sparsity)[0] for size in sizes]
    for entry, keep in zip(entries, kept, strict=True):
        entry.logical(mask).copy_(keep)
        entry.logical(flat).mul_(keep)


def mask_of_zeros(layout: Layout, flat: Tensor, mask: Tensor) -> None:
    """Takes over the sparsity that a loaded model already has."""
    for entry in layout.prunable:
        entry.logical(mask).copy_(entry.logical(flat) != 0)


def sparsity_of(layout: Layout, flat: Tensor) -> float:
    zeros = sum(int((entry.logical(flat) == 0).sum()) for entry in layout.prunable)
    return zeros / sum(entry.logical(flat).numel() for entry in layout.prunable)

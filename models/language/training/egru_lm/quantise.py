"""Rounding to int8 and to ternary, one scale per row, as the C++ runtime has to repeat it.

A row is one output of a kernel (one gate of one unit, all its inputs) or one word of the embedding.
All arithmetic is IEEE float32.

int8:     s = max |w| / 127;  q = w / s rounded to the nearest integer, ties to even (std::nearbyint
          in the default mode), |q| <= 127.  w is divided by s, not multiplied by 1 / s.
ternary:  over the non-zero weights of the row (pruned weights do not count):
          d = 0.7 mean |w|;  q = sign(w) where |w| > d (strictly), else 0;
          s = mean |w| over the weights with q != 0.  (Threshold 0.7 mean: Li et al. 2016, Ternary
          Weight Networks, arXiv 1605.04711.)
A row without a non-zero weight has s = 1 and q = 0. The weight used is q * s.

The means of ternary are float32 sums whose last bit depends on the order of summation; a quantised
model therefore stores q and s, and nobody has to compute them again.

In training the forward pass uses q * s and the gradient passes to w unchanged (straight through).
"""

from __future__ import annotations

import torch
from torch import Tensor

KINDS = ("none", "int8", "ternary")


def int8_rows(weights: Tensor) -> tuple[Tensor, Tensor]:
    """q (int8) and s (one per row) of a matrix [rows, columns]."""
    scale = weights.abs().amax(dim=1) / 127
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    q = torch.round(weights / scale.unsqueeze(1)).clamp_(-127, 127)
    return q.to(torch.int8), scale


def ternary_rows(weights: Tensor) -> tuple[Tensor, Tensor]:
    """q in {-1, 0, 1} (int8) and s (one per row) of a matrix [rows, columns]."""
    size = weights.abs()
    count = (size > 0).sum(dim=1).clamp_(min=1)
    cut = 0.7 * (size.sum(dim=1) / count)
    kept = size > cut.unsqueeze(1)
    kept_count = kept.sum(dim=1)
    total = torch.where(kept, size, torch.zeros_like(size)).sum(dim=1)
    scale = torch.where(
        kept_count > 0, total / kept_count.clamp(min=1), torch.ones_like(total)
    )
    return (torch.sign(weights) * kept).to(torch.int8), scale


def quantise_rows(weights: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    """q and s by name."""
    return {"int8": int8_rows, "ternary": ternary_rows}[kind](weights)


def rounded(weights: Tensor, kind: str) -> Tensor:
    """q * s in the type of the weights; the last dimension is the row's; "none" changes nothing."""
    if kind == "none":
        return weights
    q, scale = quantise_rows(weights.reshape(-1, weights.shape[-1]), kind)
    return (q.to(weights.dtype) * scale.unsqueeze(1)).view(weights.shape)

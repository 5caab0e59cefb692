"""Matrix products with narrow operands and a wide result.

Operands are bfloat16 on a GPU, sums and results float32. Newer torch can write the wide result
directly (torch.mm with out_dtype); where it cannot, the product is rounded to the operand type
once and then widened. `product_kind` says which, for the log.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor


@functools.cache
def _wide_out(device: str, narrow: torch.dtype, wide: torch.dtype) -> bool:
    a = torch.ones(16, 16, device=device, dtype=narrow)
    out = torch.empty(16, 16, device=device, dtype=wide)
    try:
        torch.mm(a, a, out_dtype=wide, out=out)
    except (RuntimeError, TypeError, NotImplementedError):
        return False
    return bool((out == 16).all())


def product_kind(device: torch.device, narrow: torch.dtype, wide: torch.dtype) -> str:
    """Probes once; call it before a graph is captured, because the probe synchronises."""
    if narrow == wide:
        return "same type"
    return "wide result" if _wide_out(device.type, narrow, wide) else "rounded, then widened"


def multiply(a: Tensor, b: Tensor, out: Tensor) -> None:
    """out = a @ b."""
    if a.dtype == out.dtype:
        torch.mm(a, b, out=out)
    elif _wide_out(a.device.type, a.dtype, out.dtype):
        torch.mm(a, b, out_dtype=out.dtype, out=out)
    else:
        out.copy_(torch.mm(a, b))

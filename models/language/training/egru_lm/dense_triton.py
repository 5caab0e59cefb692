"""The functions of dense_torch.py as fused Triton kernels.

The softmax reads its row twice and writes the gradient in place of the logits: the logits of one
update (8,960 x 33,280) are the largest tensor of the training, and a second copy or a third pass
would cost as much as the recurrent stack. The optimiser touches each number once.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from .dense_torch import AdamConstants

BLOCK = 1024
SOFTMAX_BLOCK = 4096


@triton.jit
def _softmax_loss(
    logits, bias, targets, loss, scale,
    WORDS: tl.constexpr, STRIDE: tl.constexpr, GRADIENT: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    base = logits + row * STRIDE
    # Read before the reductions: their barrier keeps it ahead of every write of the second loop.
    target = tl.load(targets + row)
    at_target = tl.load(base + target).to(tl.float32) + tl.load(bias + target)
    at = tl.arange(0, BLOCK)
    top = -1e30
    total = tl.zeros((BLOCK,), tl.float32)
    for begin in range(0, WORDS, BLOCK):
        column = begin + at
        ok = column < WORDS
        x = tl.load(base + column, ok, 0.0).to(tl.float32) + tl.load(bias + column, ok, 0.0)
        x = tl.where(ok, x, -1e30)
        bigger = tl.maximum(top, tl.max(x, 0))
        total = total * tl.exp(top - bigger) + tl.exp(x - bigger)
        top = bigger
    norm = top + tl.log(tl.sum(total, 0))
    tl.store(loss + row, norm - at_target)
    if GRADIENT:
        for begin in range(0, STRIDE, BLOCK):
            column = begin + at
            ok = column < WORDS
            x = tl.load(base + column, ok, 0.0).to(tl.float32) + tl.load(bias + column, ok, 0.0)
            p = tl.where(ok, tl.exp(x - norm), 0.0) - tl.where(column == target, 1.0, 0.0)
            tl.store(base + column, (p * scale).to(logits.dtype.element_ty), column < STRIDE)


@triton.jit
def _adamw(
    weight, gradient, first, second, mask, scalars, beta1, beta2, epsilon, decay, total,
    FIRST: tl.constexpr, MASK: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    ok = at < total
    rate = tl.load(scalars)
    correction1 = tl.load(scalars + 1)
    correction2 = tl.load(scalars + 2)
    factor = tl.load(scalars + 3)
    g = tl.load(gradient + at, ok, 0.0) * factor
    v = tl.load(second + at, ok, 0.0) * beta2 + g * g * (1.0 - beta2)
    tl.store(second + at, v, ok)
    step = g
    if FIRST:
        m = tl.load(first + at, ok, 0.0) * beta1 + g * (1.0 - beta1)
        tl.store(first + at, m, ok)
        step = m / correction1
    w = tl.load(weight + at, ok, 0.0) * (1.0 - rate * decay)
    w -= step / (tl.sqrt(v / correction2) + epsilon) * rate
    if MASK:
        w = w * tl.load(mask + at, ok, 0).to(tl.float32)
    tl.store(weight + at, w, ok)


def softmax_loss(
    logits: Tensor, bias: Tensor, targets: Tensor, words: int, scale: float, loss: Tensor
) -> None:
    """See dense_torch.softmax_loss."""
    rows, stride = logits.shape
    _softmax_loss[(rows,)](
        logits, bias, targets, loss, scale, WORDS=words, STRIDE=stride, GRADIENT=scale > 0,
        BLOCK=min(SOFTMAX_BLOCK, triton.next_power_of_2(stride)), num_warps=8,
    )  # fmt: skip


def adamw(
    weight: Tensor,
    gradient: Tensor,
    first: Tensor | None,
    second: Tensor,
    mask: Tensor | None,
    scalars: Tensor,
    constants: AdamConstants,
) -> None:
    """See dense_torch.adamw."""
    total = weight.numel()
    _adamw[(triton.cdiv(total, BLOCK),)](
        weight, gradient, first if first is not None else second, second,
        mask if mask is not None else second, scalars,
        constants.beta1, constants.beta2, constants.epsilon, constants.weight_decay, total,
        FIRST=first is not None, MASK=mask is not None, BLOCK=BLOCK,
    )  # fmt: skip

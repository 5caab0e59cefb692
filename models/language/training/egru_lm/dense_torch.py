"""Softmax with its gradient, and the optimiser, in plain torch: the readable reference."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


def softmax_loss(
    logits: Tensor, bias: Tensor, targets: Tensor, words: int, scale: float, loss: Tensor
) -> None:
    """loss[n] = -log softmax(logits[n] + bias)[targets[n]]; scale > 0 also replaces logits by
    scale times its gradient. Columns from `words` on are padding and get no probability.
    """
    log_p = torch.log_softmax(logits[:, :words].to(loss.dtype) + bias[:words], dim=1)
    index = targets.long().unsqueeze(1)
    loss.copy_(log_p.gather(1, index).squeeze(1).neg_())
    if scale > 0:
        gradient = log_p.exp_().mul_(scale)
        gradient.scatter_add_(1, index, gradient.new_full(index.shape, -scale))
        logits[:, :words] = gradient
        logits[:, words:] = 0


@dataclass(frozen=True)
class AdamConstants:
    beta1: float
    beta2: float
    epsilon: float
    weight_decay: float


def adamw(
    weight: Tensor,
    gradient: Tensor,
    first: Tensor | None,
    second: Tensor,
    mask: Tensor | None,
    scalars: Tensor,
    constants: AdamConstants,
) -> None:
    """Decoupled weight decay; scalars = (rate, 1 - beta1^t, 1 - beta2^t, gradient factor).

    first is None where beta1 is 0. A masked weight (0 in mask) is exactly zero afterwards.
    """
    rate, correction1, correction2, factor = scalars.unbind()
    g = gradient * factor
    second.mul_(constants.beta2).addcmul_(g, g, value=1 - constants.beta2)
    step = g
    if first is not None:
        first.mul_(constants.beta1).add_(g, alpha=1 - constants.beta1)
        step = first / correction1
    denominator = (second / correction2).sqrt_().add_(constants.epsilon)
    weight.mul_(1 - rate * constants.weight_decay).sub_(step / denominator * rate)
    if mask is not None:
        weight.mul_(mask)

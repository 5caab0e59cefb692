"""One number of a trained model, fitted to the validation text: p = softmax(scale E y + b).

A model that overfits is too sure of itself (temperature scaling: Guo et al. 2017, arXiv 1706.04599).
The loss is convex in scale, so Newton's method finds its one minimum. It goes into weights that are
there already: the embedding E is multiplied by scale and the kernel that reads it, layer 1's,
divided by it, so nothing else of the network changes and no reader has to know.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .evaluate import Calibration, perplexity, read_windows
from .kernels import Kernels
from .network import Computed, Network, Rounding, State

CHUNK = 1024


@dataclass(frozen=True)
class _Point:
    """Mean loss with its first and second derivative in scale."""

    loss: float
    slope: float
    curvature: float


class _Text:
    """The outputs of the last layer over a text: all that the number needs of it."""

    def __init__(self, state: State, weights: Computed, outputs: Tensor, targets: Tensor) -> None:
        words = state.layout.words
        self.embedding = weights.embedding[:words].to(outputs.dtype)
        self.bias = weights.decoder_bias[:words].to(outputs.dtype)
        self.outputs, self.targets = outputs, targets

    def at(self, scale: float) -> _Point:
        sums = torch.zeros(3, dtype=torch.float64, device=self.outputs.device)
        for begin in range(0, len(self.targets), CHUNK):
            target = self.targets[begin : begin + CHUNK].long().unsqueeze(1)
            z = self.outputs[begin : begin + CHUNK] @ self.embedding.t()
            log_p = torch.log_softmax(scale * z + self.bias, dim=1)
            loss = -log_p.gather(1, target).squeeze(1)
            pz = log_p.exp_() * z
            mean = pz.sum(1)
            slope = mean - z.gather(1, target).squeeze(1)
            curvature = pz.mul_(z).sum(1) - mean**2
            sums += torch.stack([loss, slope, curvature]).sum(1, dtype=torch.float64)
        return _Point(*(sums / len(self.targets)).tolist())


@torch.no_grad()
def fit(
    state: State,
    tokens: Tensor,
    kernels: Kernels,
    batch: int,
    window: int = 70,
    rounding: Rounding | None = None,
) -> Calibration:
    """The scale that suits a text best, state carried."""
    outputs, targets = [], []

    def keep(part: Network, _: Computed) -> None:
        outputs.append(part.output.reshape(-1, part.output.shape[-1]).clone())
        targets.append(part.targets.reshape(-1).clone())

    weights, _ = read_windows(
        state, tokens, kernels, batch, window, False, rounding or Rounding(), state.flat.dtype,
        keep,
    )  # fmt: skip
    text = _Text(state, weights, torch.cat(outputs), torch.cat(targets))
    scale, before = 1.0, text.at(1.0)
    here = before
    for _ in range(20):
        step = here.slope / here.curvature if here.curvature > 0 else 0.0
        while abs(step) > 1e-4:
            there = text.at(scale - step)
            if there.loss <= here.loss:
                break
            step /= 2
        else:
            break
        scale, here = scale - step, there
    return Calibration(scale, before.loss, here.loss)


def check(scale: float) -> None:
    if not scale > 0:
        raise ValueError(f"scale {scale}: this model's outputs say no more than its bias alone")


def fold(state: State, scale: float) -> None:
    """Puts the number into the weights of a state, in place."""
    check(scale)
    entries, flat = state.layout.entries, state.flat
    entries["embedding"].logical(flat).mul_(scale)
    entries["layer1.kernel"].logical(flat).div_(scale)


def describe(calibration: Calibration) -> str:
    """For cards."""
    return (
        f"logits times {calibration.scale:.4f}, fitted to the validation text "
        f"({perplexity(calibration.before):.2f} before, {perplexity(calibration.after):.2f} after)"
    )

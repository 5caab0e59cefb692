"""The last step of a run: weights become those of int8, and then statistics those of these weights.

Means and variances of the batch normalisations and Hoyer extrema are running means over the last
few batches. Here they become means over many, varied as in training, through the rounded weights.
(Over pictures as they are they would be worse: a network remembers those.)
"""

from __future__ import annotations

import itertools

import torch

from .config import Train
from .data import Batches, Pictures
from .export import LEVELS
from .network import VisionNetwork


def _round(weight: torch.Tensor, per_output: bool) -> None:
    rows = weight.reshape(len(weight), -1) if per_output else weight.reshape(1, -1)
    scale = rows.abs().amax(1, keepdim=True).clamp(min=1e-12) / LEVELS
    weight.copy_((torch.round(rows / scale) * scale).reshape(weight.shape))


@torch.no_grad()
def settle(network: VisionNetwork, pictures: Pictures, options: Train, count: int = 97) -> None:
    spiking = network.model.kind == "spiking"
    for i, block in enumerate(network.blocks):
        _round(block.convolution.weight, per_output=not (spiking and i == 0))
    _round(network.readout.weight, per_output=False)
    batches = Batches(pictures, options.batch, options.crop, options.flip, options.cutout,
                      torch.Generator().manual_seed(1))
    network.train()
    for k, (light, _) in enumerate(itertools.islice(batches.epoch(), count)):
        for block in network.blocks:
            block.norm.momentum = 1 / (k + 1)
            if spiking:
                block.activation.momentum = 1 / (k + 1)
        network(light)
    network.eval()

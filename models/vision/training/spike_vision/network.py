"""A chain of 3x3 convolutions, each [2x2 maximum ->] batch normalisation -> activation, and a
linear read-out without bias. Spiking: the first convolution lies in the pixels and every activation
is a Hoyer spike. Dense: ReLU, and the first convolution takes light as it is."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import Layer, Model
from .layers import HoyerSpike, PixelConvolution, PositiveBatchNorm


class Block(nn.Module):
    def __init__(self, convolution: nn.Module, layer: Layer, spiking: bool, dropout: float):
        super().__init__()
        self.convolution = convolution
        self.pool = nn.MaxPool2d(2) if layer.pool else nn.Identity()
        self.norm = PositiveBatchNorm(layer.channels)
        self.activation = HoyerSpike(layer.channels) if spiking else nn.ReLU()
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.activation(self.norm(self.pool(self.convolution(x)))))


class VisionNetwork(nn.Module):
    def __init__(self, model: Model, rows: int, columns: int, colours: int, dropout: float = 0.0):
        super().__init__()
        self.model, self.input = model, (rows, columns, colours)
        spiking = model.kind == "spiking"
        first = Layer(model.first, model.first_pool)
        if spiking:
            stem: nn.Module = PixelConvolution(first.channels)
        else:
            stem = nn.Conv2d(colours, first.channels, 3, padding=1, bias=False)
        blocks = [Block(stem, first, spiking, 0.0)]
        width = first.channels
        for layer in model.layers:
            convolution = nn.Conv2d(width, layer.channels, 3, padding=1, bias=False)
            blocks.append(Block(convolution, layer, spiking, dropout))
            width = layer.channels
        for layer in (first, *model.layers):
            if layer.pool:
                rows, columns = rows // 2, columns // 2
        self.blocks = nn.ModuleList(blocks)
        self.readout = nn.Linear(width * rows * columns, model.classes, bias=False)

    def forward(self, light: Tensor) -> Tensor:
        x = light
        for block in self.blocks:
            x = block(x)
        return self.readout(x.flatten(1))

    def regulariser(self) -> Tensor:
        parts = [b.activation.regulariser for b in self.blocks
                 if isinstance(b.activation, HoyerSpike)]
        return sum(parts) if parts else torch.zeros((), device=self.readout.weight.device)

    def activities(self) -> list[float]:
        """Spikes per neuron in the last batch, layer by layer."""
        return [float(b.activation.activity) for b in self.blocks
                if isinstance(b.activation, HoyerSpike)]


@torch.no_grad()
def accuracy(network: VisionNetwork, pictures, batch: int = 1000) -> float:
    network.eval()
    right = 0
    for start in range(0, len(pictures), batch):
        light = pictures.images[start : start + batch].permute(0, 3, 1, 2).float() / 255
        right += int((network(light).argmax(1) == pictures.labels[start : start + batch]).sum())
    network.train()
    return right / len(pictures)

"""The two networks. Input (steps, batch, 2, 32, 32): counts of 4 x 4 pixels in 25 ms, at most 16."""

import torch
from torch import nn
from torch.nn import functional as F

from .egru import Egru
from .spiking import Lif, Scaled

CLASSES = 11
INPUT_SCALE = 0.25  # of the counts; folds into the first kernel


class Convolutions(nn.Module):
    """Three convolutions of stride 2, no bias: 32 -> 16 -> 8 -> 4 pixels a side."""

    def __init__(self, channels, gain):
        super().__init__()
        sizes = [2, *channels]
        kernels = [5, 3, 3]
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, k, stride=2, padding=k // 2, bias=False)
            for a, b, k in zip(sizes, channels, kernels))
        self.scales = nn.ModuleList(Scaled(c, gain) for c in channels)

    def folded(self):
        """Kernels as they run: normalisation and input scale inside."""
        kernels = [layer.weight * scale.factor().reshape(-1, 1, 1, 1)
                   for layer, scale in zip(self.layers, self.scales)]
        kernels[0] = kernels[0] * INPUT_SCALE
        return [k.detach() for k in kernels]


def over_frames(function, x):
    """Applies a function of (batch, channels, ...) to every step at once."""
    steps, batch = x.shape[:2]
    y = function(x.flatten(0, 1))
    return y.reshape(steps, batch, *y.shape[1:])


class LifNetwork(nn.Module):
    """Convolutions and a layer of LIF neurons; a linear read-out adds up the last spikes."""

    kind = "lif"

    def __init__(self, channels=(8, 16, 32), hidden=64, dropout=0.2):
        super().__init__()
        self.features = Convolutions(channels, gain=0.8)
        self.hidden = nn.Linear(16 * channels[-1], hidden, bias=False)
        self.hidden_scale = Scaled(hidden, 0.8)
        self.out = nn.Linear(hidden, CLASSES, bias=False)
        self.decays = nn.ParameterList(
            nn.Parameter(torch.linspace(-1.0, 2.5, n)[torch.randperm(n)])
            for n in (*channels, hidden))
        self.dropout = dropout

    def decay(self, k):
        return torch.sigmoid(self.decays[k])

    def forward(self, x):
        x = x * INPUT_SCALE
        activity = []
        for k, (layer, scale) in enumerate(zip(self.features.layers, self.features.scales)):
            x = Lif.apply(over_frames(lambda f: scale(layer(f)), x), self.decay(k))
            activity.append(x.mean())
        x = x.flatten(2)
        if self.training and self.dropout > 0:  # one mask for all steps
            x = x * F.dropout(torch.ones_like(x[0]), self.dropout)
        x = Lif.apply(over_frames(lambda f: self.hidden_scale(self.hidden(f)), x), self.decay(3))
        activity.append(x.mean())
        return self.out(x), activity


class EgruNetwork(nn.Module):
    """Convolutions with ReLU frame by frame, then event-based units; a linear read-out."""

    kind = "egru"

    def __init__(self, channels=(8, 16, 16), hidden=64, dropout=0.2):
        super().__init__()
        self.features = Convolutions(channels, gain=1.0)
        self.egru = Egru(16 * channels[-1], hidden)
        self.out = nn.Linear(hidden, CLASSES, bias=False)
        self.dropout = dropout

    def forward(self, x):
        x = x * INPUT_SCALE
        for layer, scale in zip(self.features.layers, self.features.scales):
            x = over_frames(lambda f: F.relu(scale(layer(f))), x)
        x = x.flatten(2)
        if self.training and self.dropout > 0:
            x = x * F.dropout(torch.ones_like(x[0]), self.dropout)
        y, events = self.egru(x)
        return self.out(y), [events.mean()]


NETWORKS = {"lif": LifNetwork, "egru": EgruNetwork}

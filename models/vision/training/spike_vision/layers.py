"""In-pixel convolution and Hoyer spike, as sensors/pixel_convolution.hpp has them.

    I        light, 0 to 1
    g(I)     = -0.000287 + 0.266 I - 0.1097 I^2                 the pixel's transfer curve at w = 1
    u        = sum of w g(I) over k x k x 3 taps / (3 k k)      taps outside the array add nothing
    z        = BN(max over the pool of u) / |v_th|
    E        = sum z_c^2 / sum z_c, z_c = clamp(z, 0, 1)        per channel over the batch
    E_run   <- 0.1 E + 0.9 E_run                                evaluation uses E_run
    spike    = z >= E;   d spike / dz = 0.5 on 0 < z <= 2, none to E
    H        = (sum x)^2 / sum x^2, x = clamp(u, 0, |v_th|)     regulariser

Datta et al., ICASSP 2023 (arXiv 2212.10881), and Hoyer spike layers (arXiv 2212.10170), from their
code. The scale of the batch normalisation is held positive, so that a maximum before the threshold
is an OR of spikes behind it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

P01, P11, P21 = -0.000287, 0.266, -0.1097


def current(light: Tensor) -> Tensor:
    return P01 + light * (P11 + light * P21)


class PixelConvolution(nn.Module):
    """3x3 over three colours; a grey picture is one of three equal colours."""

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(0.8 * torch.randn(channels, 3, 3, 3))

    def forward(self, light: Tensor) -> Tensor:
        weight = self.weight
        if light.shape[1] == 1:
            weight = weight.sum(1, keepdim=True)
        with torch.autocast(light.device.type, enabled=False):
            return F.conv2d(current(light.float()), weight, padding=1) / 27


class PositiveBatchNorm(nn.BatchNorm2d):
    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.num_batches_tracked.add_(1)
        return F.batch_norm(x, self.running_mean, self.running_var, self.scale(), self.bias,
                            self.training, self.momentum, self.eps)

    def scale(self) -> Tensor:
        return self.weight.abs() + 1e-3


class _Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z: Tensor, extremum: Tensor) -> Tensor:
        ctx.save_for_backward((z > 0) & (z <= 2))
        return (z >= extremum).to(z.dtype)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        (near,) = ctx.saved_tensors
        return gradient * near * 0.5, None


class HoyerSpike(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.threshold = nn.Parameter(torch.tensor(1.0))
        self.momentum = 0.1  # of the extremum
        self.register_buffer("extremum", torch.ones(channels))
        self.regulariser: Tensor | None = None  # of the last batch
        self.activity: Tensor | None = None

    def forward(self, u: Tensor) -> Tensor:
        z = u / self.threshold.abs()
        if self.training:
            with torch.no_grad():
                clipped = z.float().clamp(0, 1)
                total = clipped.sum((0, 2, 3))
                extremum = torch.where(total > 0, clipped.square().sum((0, 2, 3)) / total, 1.0)
                self.extremum.lerp_(extremum, self.momentum)
            x = u.float().clamp(min=0).minimum(self.threshold.detach().abs())
            self.regulariser = x.sum().square() / x.square().sum().clamp(min=1e-9)
        else:
            extremum = self.extremum
        spikes = _Spike.apply(z, extremum.to(z.dtype)[:, None, None])
        self.activity = spikes.detach().float().mean()
        return spikes

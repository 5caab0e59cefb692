"""Leaky integrate-and-fire neurons over time, forward and backward written by hand.

    v(t) = a v'(t-1) + x(t)     s(t) = 1 if v(t) > 1, else 0     v'(t) = v(t) - s(t)

a is one decay per channel. Backward: ds/dv = max(0, 1 - |v - 1|); the reset is not differentiated.
"""

import torch


class Lif(torch.autograd.Function):
    """x is (steps, batch, channels, ...); decay is (channels,)."""

    @staticmethod
    def forward(ctx, x, decay):
        a = decay.reshape((1, -1) + (1,) * (x.dim() - 3))
        v = torch.empty_like(x)
        state = torch.zeros_like(x[0])
        for t in range(x.shape[0]):
            torch.addcmul(x[t], state, a, out=v[t])
            state = v[t] - (v[t] > 1).to(x.dtype)
        ctx.save_for_backward(v, decay)
        return (v > 1).to(x.dtype)

    @staticmethod
    def backward(ctx, grad):
        v, decay = ctx.saved_tensors
        a = decay.reshape((1, -1) + (1,) * (v.dim() - 3))
        slope = (1 - (v - 1).abs()).clamp_(min=0).mul_(grad)
        for t in range(v.shape[0] - 2, -1, -1):
            slope[t].addcmul_(slope[t + 1], a)
        left = v[:-1] - (v[:-1] > 1).to(v.dtype)
        axes = [k for k in range(v.dim()) if k != 2]
        return slope, (slope[1:] * left).sum(axes)


class Scaled(torch.nn.Module):
    """Divides every channel by its root mean square, as a batch normalisation without shift: zero
    stays zero, so that silence costs nothing. Folds into the weights before it."""

    def __init__(self, channels, gain):
        super().__init__()
        self.gain = torch.nn.Parameter(torch.full((channels,), float(gain)))
        self.register_buffer("square", torch.ones(channels))
        self.register_buffer("seen", torch.zeros(()))

    def factor(self):
        return self.gain / (self.square + 1e-5).sqrt()

    def forward(self, x):
        axes = [k for k in range(x.dim()) if k != 1]
        shape = (1, -1) + (1,) * (x.dim() - 2)
        if not self.training:
            return x * self.factor().reshape(shape)
        square = (x * x).mean(axes)
        with torch.no_grad():
            self.seen += 1
            self.square.lerp_(square, (1 / self.seen).clamp(min=0.05))
        return x * (self.gain / (square + 1e-5).sqrt()).reshape(shape)

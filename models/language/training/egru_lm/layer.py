"""A recurrent layer over one window, forward and backward, with static buffers.

Input products are batched over time into one matrix product, and so are the weight gradients; per
step there is one product with the recurrent kernel and one fused pointwise kernel. Nothing is
allocated that a captured graph would have to move, and nothing waits for the device.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .kernels import Kernels
from .linalg import multiply


@dataclass
class Weights:
    """What a layer computes with: kernels [G h, in] in the operand type, the rest wide."""

    kernel: Tensor
    recurrent: Tensor
    bias: Tensor
    recurrent_bias: Tensor
    theta: Tensor


class Layer:
    """cell "egru" or "lstm"; state is h or c, y the output; both have T + 1 rows, row 0 carried."""

    def __init__(
        self,
        cell: str,
        shape: tuple[int, int, int, int],
        operand: torch.dtype,
        wide: torch.dtype,
        device: torch.device,
        kernels: Kernels,
        training: bool,
        surrogate: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        self.steps, self.rows, self.inputs, self.units = shape
        steps, rows, units = self.steps, self.rows, self.units
        self.training = training
        self.gamma, self.beta = surrogate
        self.gates = 3 if cell == "egru" else 4
        self._forward = getattr(kernels.step, f"{cell}_forward")
        self._backward = getattr(kernels.step, f"{cell}_backward")
        width = self.gates * units

        def buffer(*sizes: int, dtype: torch.dtype = wide) -> Tensor:
            return torch.zeros(*sizes, dtype=dtype, device=device)

        self.wx = buffer(steps, rows, width)
        self.rh = buffer(rows, width)
        self.saved = buffer(steps if training else 1, 4, rows, units)
        self.state = buffer(steps + 1, rows, units)
        self.y = buffer(steps + 1, rows, units, dtype=operand)
        if training:
            self.d_wx = buffer(steps, rows, width, dtype=operand)
            separate = cell == "egru"
            self.d_rh = (
                buffer(steps, rows, width, dtype=operand) if separate else self.d_wx
            )
            self.d_state = buffer(rows, units)
            self.d_y = buffer(rows, units)
            self.d_x = buffer(steps * rows, self.inputs)

    def carry(self) -> None:
        """Moves the last state and output to row 0, for the next window."""
        self.state[0].copy_(self.state[-1])
        self.y[0].copy_(self.y[-1])

    def forward(self, x: Tensor, w: Weights) -> Tensor:
        """x [T B, in] in the operand type; returns y [T, B, h]."""
        multiply(x, w.kernel.t(), self.wx.view(self.steps * self.rows, -1))
        transposed = w.recurrent.t()
        for t in range(self.steps):
            multiply(self.y[t], transposed, self.rh)
            self._forward(
                self.wx[t],
                self.rh,
                w.bias,
                w.recurrent_bias,
                w.theta,
                self.state[t],
                self.saved[t if self.training else 0],
                self.state[t + 1],
                self.y[t + 1],
            )
        return self.y[1:]

    def backward(self, x: Tensor, dy: Tensor, pull: Tensor, w: Weights, grad: Weights) -> Tensor:
        """dy [T, B, h] wide; writes grad.kernel, .recurrent, .bias, .recurrent_bias; returns d_x.

        No gradient flows into the carried state: the window is where time is cut.
        """
        self.d_state.zero_()
        self.d_y.zero_()
        for t in reversed(range(self.steps)):
            self._backward(
                dy[t],
                self.d_y,
                self.d_state,
                self.saved[t],
                w.theta,
                self.state[t],
                pull,
                self.gamma,
                self.beta,
                self.d_wx[t],
                self.d_rh[t],
            )
            if t > 0:
                multiply(self.d_rh[t], w.recurrent, self.d_y)
        d_wx = self.d_wx.view(self.steps * self.rows, -1)
        d_rh = self.d_rh.view(self.steps * self.rows, -1)
        multiply(d_wx.t(), x, grad.kernel)
        multiply(d_rh.t(), self.y[:-1].reshape(self.steps * self.rows, -1), grad.recurrent)
        torch.sum(d_wx, dim=0, dtype=grad.bias.dtype, out=grad.bias)
        torch.sum(d_rh, dim=0, dtype=grad.bias.dtype, out=grad.recurrent_bias)
        multiply(d_wx, w.kernel, self.d_x)
        return self.d_x

"""A recurrent layer over one window, forward and backward, with static buffers.

A window is worked on in parts: per part the input products are batched over time into one matrix
product; per step there are the product with the recurrent kernel and one fused pointwise kernel.
Weight gradients are batched over the whole window. Nothing is allocated that a captured graph would
have to move, and nothing waits for the device.
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
    """cell "egru" or "lstm"; state is h or c, y the output; both have T + 1 rows, row 0 carried.

    x [T, B, in] is the input as the layer sees it, dropout included, d_x its gradient (wide). Where
    x is padded, its first padded column is 1 and the bias gradient a column of the weight gradient.
    """

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
        ones: int = -1,
    ) -> None:
        self.steps, self.rows, self.inputs, self.units = shape
        steps, rows, units = self.steps, self.rows, self.units
        self.training, self.ones = training, ones
        self.gamma, self.beta = surrogate
        self.gates = 3 if cell == "egru" else 4
        step = kernels.step
        self._forward = getattr(step, f"{cell}_step")
        self._backward = getattr(step, f"{cell}_backward")
        self._recurrent_gradient = step.recurrent_gradient
        width = self.gates * units

        def buffer(*sizes: int, dtype: torch.dtype = wide) -> Tensor:
            return torch.zeros(*sizes, dtype=dtype, device=device)

        self.x = buffer(steps, rows, self.inputs, dtype=operand)
        if ones >= 0:
            self.x[:, :, ones] = 1
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
            self.d_y = buffer(step.recurrent_parts(rows, width, operand), rows, units)
            self.d_x = buffer(steps, rows, self.inputs)

    def carry(self) -> None:
        """Moves the last state and output to row 0, for the next window."""
        self.state[0].copy_(self.state[-1])
        self.y[0].copy_(self.y[-1])

    def forward(
        self, begin: int, end: int, w: Weights, above: Tensor, mask: Tensor | None, ones: int
    ) -> None:
        """Steps begin to end - 1, from self.x to self.y[1:]; the steps before are done.

        above [T, B, h] receives y times mask, and 1 in column ones (-1: nowhere).
        """
        count = (end - begin) * self.rows
        multiply(
            self.x[begin:end].view(count, -1), w.kernel.t(), self.wx[begin:end].view(count, -1)
        )
        for t in range(begin, end):
            self._forward(
                self.y[t],
                w.recurrent,
                self.wx[t],
                self.rh,
                w.bias,
                w.recurrent_bias,
                w.theta,
                self.state[t],
                self.saved[t if self.training else 0],
                self.state[t + 1],
                self.y[t + 1],
                above[t],
                mask,
                ones,
            )

    def backward(
        self, begin: int, end: int, d_above: Tensor, mask: Tensor | None, pull: Tensor, w: Weights
    ) -> None:
        """Steps end - 1 down to begin; the steps after are done.

        d_above [T, B, h], wide, is the gradient of what forward wrote to above. Fills d_wx,
        d_rh and d_x of these steps. No gradient flows into the carried state: the window is where
        time is cut.
        """
        if end == self.steps:
            self.d_state.zero_()
            self.d_y.zero_()
        for t in reversed(range(begin, end)):
            self._backward(
                d_above[t],
                mask,
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
                self._recurrent_gradient(self.d_rh[t], w.recurrent, self.d_y)
        count = (end - begin) * self.rows
        multiply(
            self.d_wx[begin:end].view(count, -1), w.kernel, self.d_x[begin:end].view(count, -1)
        )

    def weight_gradients(self, grad: Weights) -> None:
        """Writes grad.kernel, .recurrent, .bias and .recurrent_bias, after the last backward."""
        count = self.steps * self.rows
        d_wx, d_rh = self.d_wx.view(count, -1), self.d_rh.view(count, -1)
        multiply(d_wx.t(), self.x.view(count, -1), grad.kernel)
        multiply(d_rh.t(), self.y[:-1].view(count, -1), grad.recurrent)
        if self.ones >= 0:
            grad.bias.copy_(grad.kernel[:, self.ones])
            grad.kernel[:, self.ones].zero_()
        else:
            torch.sum(d_wx, dim=0, dtype=grad.bias.dtype, out=grad.bias)
        # d_rh differs from d_wx in the last gate of the EGRU only.
        same = (self.gates - 1) * self.units if self.d_rh is not self.d_wx else d_rh.shape[1]
        grad.recurrent_bias[:same].copy_(grad.bias[:same])
        if same < d_rh.shape[1]:
            torch.sum(
                d_rh[:, same:], dim=0, dtype=grad.bias.dtype, out=grad.recurrent_bias[same:]
            )

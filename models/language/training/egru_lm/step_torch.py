"""One time step of a layer, forward and backward, in plain torch: the readable reference.

Shapes: B rows, h units. wx, rh [B, G h] gate-major; saved [4, B, h]; recurrent [G h, h];
dy_recurrent [parts, B, h], to be added up; everything else [B, h]. mask is the dropout behind the
layer (None: none): x is what the next layer or the decoder reads, mask y, and the gradient dy is
that of x. x has 1 in column `ones` (-1: nowhere), a padded one: it makes bias gradients columns of
weight gradients.

EGRU (G = 3, gates z r g), the released code's form:
    z = sigmoid(wx_z + b_z + rh_z + rb_z)        r = sigmoid(wx_r + b_r + rh_r + rb_r)
    q = rh_g + rb_g                              g = tanh(wx_g + b_g + r q)
    c = z h' + (1 - z) g                         o = 1 if c > theta else 0
    h = c - o theta                              y = o c
H is replaced in the backward pass by psi(s) = gamma max(0, 1 - beta |s|), s = c - theta.

LSTM (G = 4, gates i f g o): c = f c' + i g, y = o tanh(c); its state is c.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .linalg import multiply


def _pass_on(y: Tensor, x: Tensor, mask: Tensor | None, ones: int) -> None:
    x.copy_(y if mask is None else y * mask)
    if ones >= 0:
        x[:, ones] = 1


def egru_forward(
    wx: Tensor,
    rh: Tensor,
    bias: Tensor,
    recurrent_bias: Tensor,
    theta: Tensor,
    h_before: Tensor,
    saved: Tensor,
    h: Tensor,
    y: Tensor,
    x: Tensor,
    mask: Tensor | None,
    ones: int,
) -> None:
    """Writes z, r, g, q to saved, and h and y."""
    n = h.shape[1]
    inputs = wx + bias
    recurrent = rh + recurrent_bias
    z = torch.sigmoid(inputs[:, :n] + recurrent[:, :n])
    r = torch.sigmoid(inputs[:, n : 2 * n] + recurrent[:, n : 2 * n])
    q = recurrent[:, 2 * n :]
    g = torch.tanh(inputs[:, 2 * n :] + r * q)
    c = z * h_before + (1 - z) * g
    event = c > theta
    saved[0], saved[1], saved[2], saved[3] = z, r, g, q
    h.copy_(torch.where(event, c - theta, c))
    y.copy_(torch.where(event, c, torch.zeros_like(c)))
    _pass_on(y, x, mask, ones)


def egru_backward(
    dy: Tensor,
    mask: Tensor | None,
    dy_recurrent: Tensor,
    dh: Tensor,
    saved: Tensor,
    theta: Tensor,
    h_before: Tensor,
    pull: Tensor,
    gamma: float,
    beta: float,
    d_wx: Tensor,
    d_rh: Tensor,
) -> None:
    """Gradients of the pre-activations; dh is replaced by the gradient of h_before.

    dy comes from above, dy_recurrent through the recurrent kernel from the next step. pull is the
    gradient of the activity term with respect to every o (one number).
    """
    n = dh.shape[1]
    z, r, g, q = saved[0], saved[1], saved[2], saved[3]
    c = z * h_before + (1 - z) * g
    s = c - theta
    event = s > 0
    d_y = (dy if mask is None else dy * mask) + dy_recurrent.sum(0)
    d_o = c * d_y - theta * dh + pull
    psi = gamma * torch.clamp(1 - beta * s.abs(), min=0)
    d_c = torch.where(event, d_y, torch.zeros_like(d_y)) + psi * d_o + dh
    d_g = (1 - z) * d_c * (1 - g * g)
    d_r = d_g * q * r * (1 - r)
    d_z = (h_before - g) * d_c * z * (1 - z)
    dh.copy_(z * d_c)
    d_wx[:, :n], d_wx[:, n : 2 * n], d_wx[:, 2 * n :] = d_z, d_r, d_g
    d_rh[:, :n], d_rh[:, n : 2 * n], d_rh[:, 2 * n :] = d_z, d_r, d_g * r


def lstm_forward(
    wx: Tensor,
    rh: Tensor,
    bias: Tensor,
    recurrent_bias: Tensor,
    theta: Tensor,
    c_before: Tensor,
    saved: Tensor,
    c: Tensor,
    y: Tensor,
    x: Tensor,
    mask: Tensor | None,
    ones: int,
) -> None:
    """Writes i, f, g, o to saved, and c and y. theta is unused."""
    a = wx + rh + (bias + recurrent_bias)
    a_i, a_f, a_g, a_o = a.chunk(4, dim=1)
    i, f, g, o = torch.sigmoid(a_i), torch.sigmoid(a_f), torch.tanh(a_g), torch.sigmoid(a_o)
    saved[0], saved[1], saved[2], saved[3] = i, f, g, o
    c.copy_(f * c_before + i * g)
    y.copy_(o * torch.tanh(c))
    _pass_on(y, x, mask, ones)


def lstm_backward(
    dy: Tensor,
    mask: Tensor | None,
    dy_recurrent: Tensor,
    dc: Tensor,
    saved: Tensor,
    theta: Tensor,
    c_before: Tensor,
    pull: Tensor,
    gamma: float,
    beta: float,
    d_wx: Tensor,
    d_rh: Tensor,
) -> None:
    """Gradients of the pre-activations; dc is replaced by the gradient of c_before."""
    n = dc.shape[1]
    i, f, g, o = saved[0], saved[1], saved[2], saved[3]
    t = torch.tanh(f * c_before + i * g)
    d_y = (dy if mask is None else dy * mask) + dy_recurrent.sum(0)
    d_c = dc + d_y * o * (1 - t * t)
    parts = (
        d_c * g * i * (1 - i),
        d_c * c_before * f * (1 - f),
        d_c * i * (1 - g * g),
        d_y * t * o * (1 - o),
    )
    dc.copy_(d_c * f)
    for k, part in enumerate(parts):
        d_wx[:, k * n : (k + 1) * n] = part
    if d_rh.data_ptr() != d_wx.data_ptr():
        d_rh.copy_(d_wx)


def egru_step(
    y_before: Tensor,
    recurrent: Tensor,
    wx: Tensor,
    rh: Tensor,
    bias: Tensor,
    recurrent_bias: Tensor,
    theta: Tensor,
    h_before: Tensor,
    saved: Tensor,
    h: Tensor,
    y: Tensor,
    x: Tensor,
    mask: Tensor | None,
    ones: int,
) -> None:
    """The recurrent product and the step; rh is scratch."""
    multiply(y_before, recurrent.t(), rh)
    egru_forward(wx, rh, bias, recurrent_bias, theta, h_before, saved, h, y, x, mask, ones)


def lstm_step(
    y_before: Tensor,
    recurrent: Tensor,
    wx: Tensor,
    rh: Tensor,
    bias: Tensor,
    recurrent_bias: Tensor,
    theta: Tensor,
    c_before: Tensor,
    saved: Tensor,
    c: Tensor,
    y: Tensor,
    x: Tensor,
    mask: Tensor | None,
    ones: int,
) -> None:
    """As egru_step."""
    multiply(y_before, recurrent.t(), rh)
    lstm_forward(wx, rh, bias, recurrent_bias, theta, c_before, saved, c, y, x, mask, ones)


def recurrent_parts(rows: int, depth: int, operand: torch.dtype) -> int:
    """In how many parts recurrent_gradient leaves its result; depth is G h."""
    return 1


def recurrent_gradient(d_rh: Tensor, recurrent: Tensor, dy_recurrent: Tensor) -> None:
    """Gradient of the output of the step before."""
    multiply(d_rh, recurrent, dy_recurrent[0])

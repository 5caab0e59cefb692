"""The steps of step_torch.py as one fused Triton kernel each.

Why: at batch 128 a step is a few hundred thousand elements; separate pointwise operations would
cost more in launches and memory passes than the recurrent product itself. Arithmetic is float32
whatever the operand type. tanh is 1 - 2 / (exp(2x) + 1), exact to float32 rounding of the result's
absolute value, because the interpreter used by the tests has no device tanh.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from . import product_triton
from .linalg import multiply

BLOCK = 512
SPLIT_ROWS = 16  # below that cuBLAS does the recurrent gradient


@triton.jit
def _sigmoid(x):
    return 1.0 / (1.0 + tl.exp(-x))


@triton.jit
def _tanh(x):
    return 1.0 - 2.0 / (tl.exp(2.0 * x) + 1.0)


@triton.jit
def _pass_on(value, y, x, mask, at, unit, ones, ok, MASK: tl.constexpr):
    kind = y.dtype.element_ty
    tl.store(y + at, value.to(kind), ok)
    passed = value.to(kind).to(tl.float32)
    if MASK:
        passed *= tl.load(mask + at, ok, 0.0)
    tl.store(x + at, tl.where(unit == ones, 1.0, passed).to(kind), ok)


@triton.jit
def _egru_forward(
    wx, rh, bias, rbias, theta, h_before, saved, h, y, x, mask, total, n, ones,
    MASK: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    ok = at < total
    unit = at % n
    row = (at // n) * (3 * n) + unit
    az = tl.load(wx + row, ok, 0.0).to(tl.float32) + tl.load(bias + unit, ok, 0.0)
    ar = tl.load(wx + row + n, ok, 0.0).to(tl.float32) + tl.load(bias + unit + n, ok, 0.0)
    ag = tl.load(wx + row + 2 * n, ok, 0.0).to(tl.float32) + tl.load(bias + unit + 2 * n, ok, 0.0)
    rz = tl.load(rh + row, ok, 0.0).to(tl.float32) + tl.load(rbias + unit, ok, 0.0)
    rr = tl.load(rh + row + n, ok, 0.0).to(tl.float32) + tl.load(rbias + unit + n, ok, 0.0)
    q = tl.load(rh + row + 2 * n, ok, 0.0).to(tl.float32) + tl.load(rbias + unit + 2 * n, ok, 0.0)
    z = _sigmoid(az + rz)
    r = _sigmoid(ar + rr)
    g = _tanh(ag + r * q)
    t = tl.load(theta + unit, ok, 1.0)
    c = z * tl.load(h_before + at, ok, 0.0) + (1.0 - z) * g
    event = c > t
    tl.store(saved + at, z, ok)
    tl.store(saved + total + at, r, ok)
    tl.store(saved + 2 * total + at, g, ok)
    tl.store(saved + 3 * total + at, q, ok)
    tl.store(h + at, tl.where(event, c - t, c), ok)
    _pass_on(tl.where(event, c, 0.0), y, x, mask, at, unit, ones, ok, MASK)


@triton.jit
def _egru_backward(
    dy, mask, dy_rec, dh, saved, theta, h_before, pull, d_wx, d_rh, gamma, beta, total, n,
    PARTS: tl.constexpr, MASK: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    ok = at < total
    unit = at % n
    row = (at // n) * (3 * n) + unit
    z = tl.load(saved + at, ok, 0.0)
    r = tl.load(saved + total + at, ok, 0.0)
    g = tl.load(saved + 2 * total + at, ok, 0.0)
    q = tl.load(saved + 3 * total + at, ok, 0.0)
    before = tl.load(h_before + at, ok, 0.0)
    t = tl.load(theta + unit, ok, 1.0)
    dh_now = tl.load(dh + at, ok, 0.0)
    dy_now = tl.load(dy + at, ok, 0.0)
    if MASK:
        dy_now *= tl.load(mask + at, ok, 0.0)
    for part in tl.static_range(PARTS):
        dy_now += tl.load(dy_rec + part * total + at, ok, 0.0)
    c = z * before + (1.0 - z) * g
    s = c - t
    do = c * dy_now - t * dh_now + tl.load(pull)
    psi = gamma * tl.maximum(1.0 - beta * tl.abs(s), 0.0)
    dc = tl.where(c > t, dy_now, 0.0) + psi * do + dh_now
    dg = (1.0 - z) * dc * (1.0 - g * g)
    dr = dg * q * r * (1.0 - r)
    dz = (before - g) * dc * z * (1.0 - z)
    kind = d_wx.dtype.element_ty
    tl.store(dh + at, z * dc, ok)
    tl.store(d_wx + row, dz.to(kind), ok)
    tl.store(d_wx + row + n, dr.to(kind), ok)
    tl.store(d_wx + row + 2 * n, dg.to(kind), ok)
    tl.store(d_rh + row, dz.to(kind), ok)
    tl.store(d_rh + row + n, dr.to(kind), ok)
    tl.store(d_rh + row + 2 * n, (dg * r).to(kind), ok)


@triton.jit
def _lstm_forward(
    wx, rh, bias, rbias, c_before, saved, c, y, x, mask, total, n, ones,
    MASK: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    ok = at < total
    unit = at % n
    row = (at // n) * (4 * n) + unit
    ai = tl.load(wx + row, ok, 0.0).to(tl.float32) + tl.load(rh + row, ok, 0.0).to(tl.float32)
    af = tl.load(wx + row + n, ok, 0.0).to(tl.float32)
    af += tl.load(rh + row + n, ok, 0.0).to(tl.float32)
    ag = tl.load(wx + row + 2 * n, ok, 0.0).to(tl.float32)
    ag += tl.load(rh + row + 2 * n, ok, 0.0).to(tl.float32)
    ao = tl.load(wx + row + 3 * n, ok, 0.0).to(tl.float32)
    ao += tl.load(rh + row + 3 * n, ok, 0.0).to(tl.float32)
    ai += tl.load(bias + unit, ok, 0.0) + tl.load(rbias + unit, ok, 0.0)
    af += tl.load(bias + unit + n, ok, 0.0) + tl.load(rbias + unit + n, ok, 0.0)
    ag += tl.load(bias + unit + 2 * n, ok, 0.0) + tl.load(rbias + unit + 2 * n, ok, 0.0)
    ao += tl.load(bias + unit + 3 * n, ok, 0.0) + tl.load(rbias + unit + 3 * n, ok, 0.0)
    i = _sigmoid(ai)
    f = _sigmoid(af)
    g = _tanh(ag)
    o = _sigmoid(ao)
    state = f * tl.load(c_before + at, ok, 0.0) + i * g
    tl.store(saved + at, i, ok)
    tl.store(saved + total + at, f, ok)
    tl.store(saved + 2 * total + at, g, ok)
    tl.store(saved + 3 * total + at, o, ok)
    tl.store(c + at, state, ok)
    _pass_on(o * _tanh(state), y, x, mask, at, unit, ones, ok, MASK)


@triton.jit
def _lstm_backward(
    dy, mask, dy_rec, dc, saved, c_before, d_wx, total, n,
    PARTS: tl.constexpr, MASK: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    ok = at < total
    unit = at % n
    row = (at // n) * (4 * n) + unit
    i = tl.load(saved + at, ok, 0.0)
    f = tl.load(saved + total + at, ok, 0.0)
    g = tl.load(saved + 2 * total + at, ok, 0.0)
    o = tl.load(saved + 3 * total + at, ok, 0.0)
    before = tl.load(c_before + at, ok, 0.0)
    dy_now = tl.load(dy + at, ok, 0.0)
    if MASK:
        dy_now *= tl.load(mask + at, ok, 0.0)
    for part in tl.static_range(PARTS):
        dy_now += tl.load(dy_rec + part * total + at, ok, 0.0)
    t = _tanh(f * before + i * g)
    d_state = tl.load(dc + at, ok, 0.0) + dy_now * o * (1.0 - t * t)
    kind = d_wx.dtype.element_ty
    tl.store(dc + at, d_state * f, ok)
    tl.store(d_wx + row, (d_state * g * i * (1.0 - i)).to(kind), ok)
    tl.store(d_wx + row + n, (d_state * before * f * (1.0 - f)).to(kind), ok)
    tl.store(d_wx + row + 2 * n, (d_state * i * (1.0 - g * g)).to(kind), ok)
    tl.store(d_wx + row + 3 * n, (dy_now * t * o * (1.0 - o)).to(kind), ok)


def _grid(total: int) -> tuple[int]:
    return (triton.cdiv(total, BLOCK),)


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
    """See step_torch.egru_forward."""
    total, n = h.numel(), h.shape[1]
    _egru_forward[_grid(total)](
        wx, rh, bias, recurrent_bias, theta, h_before, saved, h, y,
        x, mask if mask is not None else h, total, n, ones, MASK=mask is not None, BLOCK=BLOCK,
    )  # fmt: skip


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
    """See step_torch.egru_backward."""
    total, n = dh.numel(), dh.shape[1]
    _egru_backward[_grid(total)](
        dy, mask if mask is not None else dy, dy_recurrent, dh, saved, theta, h_before, pull, d_wx, d_rh, gamma, beta, total, n,
        PARTS=dy_recurrent.shape[0], MASK=mask is not None, BLOCK=BLOCK,
    )  # fmt: skip


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
    """See step_torch.lstm_forward."""
    total, n = c.numel(), c.shape[1]
    _lstm_forward[_grid(total)](
        wx, rh, bias, recurrent_bias, c_before, saved, c, y,
        x, mask if mask is not None else c, total, n, ones, MASK=mask is not None, BLOCK=BLOCK,
    )  # fmt: skip


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
    """See step_torch.lstm_backward."""
    total, n = dc.numel(), dc.shape[1]
    _lstm_backward[_grid(total)](
        dy, mask if mask is not None else dy, dy_recurrent, dc, saved, c_before, d_wx, total, n,
        PARTS=dy_recurrent.shape[0], MASK=mask is not None, BLOCK=BLOCK,
    )  # fmt: skip
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
    """See step_torch.egru_step."""
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
    """See step_torch.lstm_step."""
    multiply(y_before, recurrent.t(), rh)
    lstm_forward(wx, rh, bias, recurrent_bias, theta, c_before, saved, c, y, x, mask, ones)


def recurrent_parts(rows: int, depth: int, operand: torch.dtype) -> int:
    """See step_torch.recurrent_parts."""
    split = operand == torch.bfloat16 and rows >= SPLIT_ROWS
    return product_triton.parts_of(depth) if split else 1


def recurrent_gradient(d_rh: Tensor, recurrent: Tensor, dy_recurrent: Tensor) -> None:
    """See step_torch.recurrent_gradient."""
    if dy_recurrent.shape[0] > 1:
        product_triton.split_product(d_rh, recurrent, dy_recurrent)
    else:
        multiply(d_rh, recurrent, dy_recurrent[0])

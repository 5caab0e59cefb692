"""Recurrent products of a step as Triton kernels: with the step behind them, or split for backward.

Why: at 128 rows a product of one step is bound by the second-level cache and by launches. Forward,
the step is computed where the sums of the gates already are. Backward, the sum over gates and units
is cut into parts, so that enough blocks run at once; the pointwise kernel adds them up.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from .pointwise_triton import sigmoid, tanh

STEP = {"ROWS": 64, "UNITS": 32, "DEPTH": 64, "num_warps": 4, "num_stages": 4}
PARTS = (6, 4, 8)
SPLIT = {"ROWS": 128, "UNITS": 64, "DEPTH": 64, "num_warps": 4, "num_stages": 4}


@triton.jit
def _load(pointer, rows_ok, columns_ok, EVEN: tl.constexpr):
    if EVEN:
        return tl.load(pointer)
    return tl.load(pointer, rows_ok[:, None] & columns_ok[None, :], 0.0)


@triton.jit
def _egru_step(
    y_before, recurrent, wx, bias, rbias, theta, h_before, saved, h, y, rows,
    n: tl.constexpr, ROWS: tl.constexpr, UNITS: tl.constexpr, DEPTH: tl.constexpr, EVEN: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    unit = tl.program_id(0) * UNITS + tl.arange(0, UNITS)
    row = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    unit_ok, row_ok = unit < n, row < rows
    k = tl.arange(0, DEPTH)
    a_at = y_before + row[:, None] * n + k[None, :]
    w_at = recurrent + unit[:, None] * n + k[None, :]
    rz = tl.zeros((ROWS, UNITS), tl.float32)
    rr = tl.zeros((ROWS, UNITS), tl.float32)
    rg = tl.zeros((ROWS, UNITS), tl.float32)
    for begin in range(0, n, DEPTH):
        k_ok = begin + k < n
        a = _load(a_at + begin, row_ok, k_ok, EVEN)
        wz = _load(w_at + begin, unit_ok, k_ok, EVEN)
        wr = _load(w_at + n * n + begin, unit_ok, k_ok, EVEN)
        wg = _load(w_at + 2 * n * n + begin, unit_ok, k_ok, EVEN)
        rz = tl.dot(a, tl.trans(wz), rz, input_precision=PRECISION)
        rr = tl.dot(a, tl.trans(wr), rr, input_precision=PRECISION)
        rg = tl.dot(a, tl.trans(wg), rg, input_precision=PRECISION)
    ok = row_ok[:, None] & unit_ok[None, :]
    at = row[:, None] * n + unit[None, :]
    gate = row[:, None] * (3 * n) + unit[None, :]
    total = rows * n
    bz = tl.load(bias + unit, unit_ok, 0.0) + tl.load(rbias + unit, unit_ok, 0.0)
    br = tl.load(bias + unit + n, unit_ok, 0.0) + tl.load(rbias + unit + n, unit_ok, 0.0)
    bg = tl.load(bias + unit + 2 * n, unit_ok, 0.0)
    q = rg + tl.load(rbias + unit + 2 * n, unit_ok, 0.0)[None, :]
    z = sigmoid(tl.load(wx + gate, ok, 0.0) + rz + bz[None, :])
    r = sigmoid(tl.load(wx + gate + n, ok, 0.0) + rr + br[None, :])
    g = tanh(tl.load(wx + gate + 2 * n, ok, 0.0) + bg[None, :] + r * q)
    t = tl.load(theta + unit, unit_ok, 1.0)[None, :]
    c = z * tl.load(h_before + at, ok, 0.0) + (1.0 - z) * g
    event = c > t
    tl.store(saved + at, z, ok)
    tl.store(saved + total + at, r, ok)
    tl.store(saved + 2 * total + at, g, ok)
    tl.store(saved + 3 * total + at, q, ok)
    tl.store(h + at, tl.where(event, c - t, c), ok)
    tl.store(y + at, tl.where(event, c, 0.0).to(y.dtype.element_ty), ok)


@triton.jit
def _lstm_step(
    y_before, recurrent, wx, bias, rbias, c_before, saved, c, y, rows,
    n: tl.constexpr, ROWS: tl.constexpr, UNITS: tl.constexpr, DEPTH: tl.constexpr, EVEN: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    unit = tl.program_id(0) * UNITS + tl.arange(0, UNITS)
    row = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    unit_ok, row_ok = unit < n, row < rows
    k = tl.arange(0, DEPTH)
    a_at = y_before + row[:, None] * n + k[None, :]
    w_at = recurrent + unit[:, None] * n + k[None, :]
    ai = tl.zeros((ROWS, UNITS), tl.float32)
    af = tl.zeros((ROWS, UNITS), tl.float32)
    ag = tl.zeros((ROWS, UNITS), tl.float32)
    ao = tl.zeros((ROWS, UNITS), tl.float32)
    for begin in range(0, n, DEPTH):
        k_ok = begin + k < n
        a = _load(a_at + begin, row_ok, k_ok, EVEN)
        wi = _load(w_at + begin, unit_ok, k_ok, EVEN)
        wf = _load(w_at + n * n + begin, unit_ok, k_ok, EVEN)
        wg = _load(w_at + 2 * n * n + begin, unit_ok, k_ok, EVEN)
        wo = _load(w_at + 3 * n * n + begin, unit_ok, k_ok, EVEN)
        ai = tl.dot(a, tl.trans(wi), ai, input_precision=PRECISION)
        af = tl.dot(a, tl.trans(wf), af, input_precision=PRECISION)
        ag = tl.dot(a, tl.trans(wg), ag, input_precision=PRECISION)
        ao = tl.dot(a, tl.trans(wo), ao, input_precision=PRECISION)
    ok = row_ok[:, None] & unit_ok[None, :]
    at = row[:, None] * n + unit[None, :]
    gate = row[:, None] * (4 * n) + unit[None, :]
    total = rows * n
    bi = tl.load(bias + unit, unit_ok, 0.0) + tl.load(rbias + unit, unit_ok, 0.0)
    bf = tl.load(bias + unit + n, unit_ok, 0.0) + tl.load(rbias + unit + n, unit_ok, 0.0)
    bg = tl.load(bias + unit + 2 * n, unit_ok, 0.0) + tl.load(rbias + unit + 2 * n, unit_ok, 0.0)
    bo = tl.load(bias + unit + 3 * n, unit_ok, 0.0) + tl.load(rbias + unit + 3 * n, unit_ok, 0.0)
    i = sigmoid(tl.load(wx + gate, ok, 0.0) + ai + bi[None, :])
    f = sigmoid(tl.load(wx + gate + n, ok, 0.0) + af + bf[None, :])
    g = tanh(tl.load(wx + gate + 2 * n, ok, 0.0) + ag + bg[None, :])
    o = sigmoid(tl.load(wx + gate + 3 * n, ok, 0.0) + ao + bo[None, :])
    state = f * tl.load(c_before + at, ok, 0.0) + i * g
    tl.store(saved + at, i, ok)
    tl.store(saved + total + at, f, ok)
    tl.store(saved + 2 * total + at, g, ok)
    tl.store(saved + 3 * total + at, o, ok)
    tl.store(c + at, state, ok)
    tl.store(y + at, (o * tanh(state)).to(y.dtype.element_ty), ok)


@triton.jit
def _split_product(
    a, w, out, rows, n: tl.constexpr, depth: tl.constexpr, part: tl.constexpr, ROWS: tl.constexpr,
    UNITS: tl.constexpr, DEPTH: tl.constexpr, EVEN: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """out[p] = a[:, part p of depth] w[part p of depth, :]."""
    unit = tl.program_id(0) * UNITS + tl.arange(0, UNITS)
    row = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    first = tl.program_id(2) * part
    last = tl.minimum(first + part, depth)
    unit_ok, row_ok = unit < n, row < rows
    k = tl.arange(0, DEPTH)
    total = tl.zeros((ROWS, UNITS), tl.float32)
    for begin in range(0, part, DEPTH):
        at = first + begin + k
        k_ok = at < last
        left = _load(a + row[:, None] * depth + at[None, :], row_ok, k_ok, EVEN)
        right = _load(w + at[:, None] * n + unit[None, :], k_ok, unit_ok, EVEN)
        total = tl.dot(left, right, total, input_precision=PRECISION)
    at = tl.program_id(2) * rows * n + row[:, None] * n + unit[None, :]
    tl.store(out + at, total, row_ok[:, None] & unit_ok[None, :])


def _precision(operand: torch.dtype) -> str:
    return "ieee" if operand == torch.float32 else "tf32"  # bfloat16 takes no notice


def _step(
    kernel: triton.JITFunction, y_before: Tensor, *arguments: Tensor, config: dict[str, int]
) -> None:
    rows, n = y_before.shape
    even = rows % config["ROWS"] == n % config["UNITS"] == n % config["DEPTH"] == 0
    grid = (triton.cdiv(n, config["UNITS"]), triton.cdiv(rows, config["ROWS"]))
    kernel[grid](
        y_before, *arguments, rows, n, EVEN=even, PRECISION=_precision(y_before.dtype), **config
    )


def egru_step(
    y_before: Tensor,
    recurrent: Tensor,
    wx: Tensor,
    bias: Tensor,
    recurrent_bias: Tensor,
    theta: Tensor,
    h_before: Tensor,
    saved: Tensor,
    h: Tensor,
    y: Tensor,
) -> None:
    """step_torch.egru_step without scratch."""
    _step(
        _egru_step, y_before, recurrent, wx, bias, recurrent_bias, theta, h_before, saved, h, y,
        config=STEP,
    )  # fmt: skip


def lstm_step(
    y_before: Tensor,
    recurrent: Tensor,
    wx: Tensor,
    bias: Tensor,
    recurrent_bias: Tensor,
    c_before: Tensor,
    saved: Tensor,
    c: Tensor,
    y: Tensor,
) -> None:
    """step_torch.lstm_step without scratch and threshold."""
    _step(
        _lstm_step, y_before, recurrent, wx, bias, recurrent_bias, c_before, saved, c, y,
        config=STEP,
    )  # fmt: skip


def parts_of(depth: int) -> int:
    """The first of PARTS that cuts the sum evenly; uneven parts cost a mask on every load."""
    steps = depth // SPLIT["DEPTH"]
    return next((parts for parts in PARTS if steps % parts == 0), PARTS[0])


def split_product(a: Tensor, w: Tensor, out: Tensor) -> None:
    """out [parts, B, h] adds up to a [B, k] w [k, h]."""
    (rows, depth), n, parts = a.shape, w.shape[1], out.shape[0]
    part = triton.cdiv(triton.cdiv(depth, SPLIT["DEPTH"]), parts) * SPLIT["DEPTH"]
    even = rows % SPLIT["ROWS"] == n % SPLIT["UNITS"] == depth % (SPLIT["DEPTH"] * parts) == 0
    grid = (triton.cdiv(n, SPLIT["UNITS"]), triton.cdiv(rows, SPLIT["ROWS"]), parts)
    _split_product[grid](
        a, w, out, rows, n, depth, part, EVEN=even, PRECISION=_precision(a.dtype), **SPLIT
    )

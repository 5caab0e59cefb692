"""The fused Triton kernels against the plain torch functions they stand in for.

On a GPU the compiled kernels are tested, elsewhere the same source in Triton's interpreter.
"""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("triton")

from egru_lm import dense_torch, dense_triton, product_triton, step_torch, step_triton  # noqa: E402
from egru_lm.dense_torch import AdamConstants  # noqa: E402

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
ROWS, UNITS = 5, 152  # 760 elements: more than one block, not a multiple of it


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed * 97 + sum(shape))
    return torch.randn(*shape, generator=generator).to(dtype).to(DEVICE)


def poisoned(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Outputs start as NaN, so that an element nobody writes fails the comparison."""
    return torch.full(shape, float("nan"), dtype=dtype, device=DEVICE)


@pytest.mark.parametrize("cell", ["egru", "lstm"])
@pytest.mark.parametrize("operand", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("masked,ones", [(True, 150), (False, -1)])
def test_steps(cell: str, operand: torch.dtype, masked: bool, ones: int) -> None:
    gates = 3 if cell == "egru" else 4
    wx, rh = draw(ROWS, gates * UNITS, seed=1), draw(ROWS, gates * UNITS, seed=2)
    bias, recurrent_bias = draw(gates * UNITS, seed=3), draw(gates * UNITS, seed=4)
    theta = draw(UNITS, seed=5).abs() * 0.2
    before, dy = draw(ROWS, UNITS, seed=6), draw(ROWS, UNITS, seed=7)
    dy_recurrent, d_state = draw(3, ROWS, UNITS, seed=8), draw(ROWS, UNITS, seed=9)
    pull = torch.tensor(0.03, device=DEVICE)
    mask = (draw(ROWS, UNITS, seed=10) > 0) / 0.6 if masked else None
    results = []
    for module in (step_torch, step_triton):
        saved, state = poisoned(4, ROWS, UNITS), poisoned(ROWS, UNITS)
        y = poisoned(ROWS, UNITS, dtype=operand)
        forward = getattr(module, f"{cell}_forward")
        x = poisoned(ROWS, UNITS, dtype=operand)
        forward(
            wx, rh, bias, recurrent_bias, theta, before, saved, state, y, x, mask, ones
        )
        d_wx = poisoned(ROWS, gates * UNITS, dtype=operand)
        d_rh = poisoned(ROWS, gates * UNITS, dtype=operand)
        d_carried = d_state.clone()
        backward = getattr(module, f"{cell}_backward")
        backward(
            dy, mask, dy_recurrent, d_carried, saved, theta, before, pull, 0.9, 1.3, d_wx, d_rh
        )
        results.append((saved, state, y, x, d_wx, d_rh, d_carried))
    if ones >= 0:
        assert (results[1][3][:, ones] == 1).all()
    if cell == "egru":
        share = (results[0][2] != 0).float().mean()
        assert 0.05 < share < 0.95  # both branches of the threshold are taken
    tolerance = {"rtol": 1e-5, "atol": 2e-6}
    if operand == torch.bfloat16:
        tolerance = {"rtol": 2e-2, "atol": 1e-5}  # two units in the last place of bfloat16
    for expected, got in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, **tolerance)


SMALL = {"ROWS": 16, "UNITS": 16, "DEPTH": 16, "num_warps": 1, "num_stages": 1}


@pytest.mark.parametrize("rows,units,depth", [(32, 48, 192), (21, 40, 120)])
def test_split_product(rows: int, units: int, depth: int, monkeypatch) -> None:
    monkeypatch.setattr(product_triton, "SPLIT", SMALL)
    a, w = draw(rows, depth, seed=1), draw(depth, units, seed=2)
    out = poisoned(4, rows, units)
    product_triton.split_product(a, w, out)
    torch.testing.assert_close(out.sum(0), a @ w, rtol=1e-5, atol=2e-5)
    assert (out[3].abs() > 0).any()  # the last part has its share


@pytest.mark.parametrize("words,padded", [(37, 40), (4500, 4608)])
@pytest.mark.parametrize("scale", [0.0, 0.25])
def test_softmax_loss(words: int, padded: int, scale: float) -> None:
    start, bias = 3 * draw(6, padded, seed=1), draw(padded, seed=2)
    targets = torch.tensor([0, 5, words - 1, 17, 30, 1], dtype=torch.int32, device=DEVICE)
    results = []
    for module in (dense_torch, dense_triton):
        logits, loss = start.clone(), poisoned(6)
        module.softmax_loss(logits, bias, targets, words, scale, loss)
        results.append((logits, loss))
    for expected, got in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, rtol=2e-5, atol=1e-6)
    if scale > 0:
        assert (results[1][0][:, words:] == 0).all()


@pytest.mark.parametrize("beta1", [0.0, 0.9])
@pytest.mark.parametrize("masked", [False, True])
def test_adamw(beta1: float, masked: bool) -> None:
    count = 1500
    constants = AdamConstants(beta1, 0.99, 1e-8, 0.1)
    mask = (draw(count, seed=4) > 0).to(torch.uint8) if masked else None
    scalars = torch.tensor([0.01, 1 - beta1**3, 1 - 0.99**3, 0.5], device=DEVICE)
    results = []
    for module in (dense_torch, dense_triton):
        weight, second = draw(count, seed=1), draw(count, seed=3).square()
        first = draw(count, seed=5) if beta1 else None
        module.adamw(weight, draw(count, seed=2), first, second, mask, scalars, constants)
        results.append([t for t in (weight, second, first) if t is not None])
    for expected, got in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)
    if masked:
        assert (results[1][0][mask == 0] == 0).all()


def test_adamw_against_torch() -> None:
    """The reference itself against torch.optim.AdamW, three steps."""
    weight = draw(50, seed=1).double()
    theirs = torch.nn.Parameter(weight.clone())
    optimiser = torch.optim.AdamW([theirs], lr=0.02, betas=(0.8, 0.95), eps=1e-8, weight_decay=0.1)
    first, second = torch.zeros_like(weight), torch.zeros_like(weight)
    for t in range(1, 4):
        gradient = draw(50, seed=10 + t).double()
        theirs.grad = gradient.clone()
        optimiser.step()
        scalars = torch.tensor(
            [0.02, 1 - 0.8**t, 1 - 0.95**t, 1.0], dtype=torch.float64, device=DEVICE
        )
        dense_torch.adamw(
            weight, gradient, first, second, None, scalars, AdamConstants(0.8, 0.95, 1e-8, 0.1)
        )
    torch.testing.assert_close(weight, theirs.detach(), rtol=1e-12, atol=1e-12)

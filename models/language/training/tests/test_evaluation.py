"""Both protocols against a slow evaluation written from their definition, and the counting."""

from __future__ import annotations

import math

import pytest
import torch

from egru_lm.evaluate import evaluate
from egru_lm.kernels import choose
from egru_lm.network import Rounding, State
from tests import support

KERNELS = choose(torch.device("cpu"))


def slow(state: State, tokens: list[int], window: int, reset: bool) -> tuple[float, list[float]]:
    """Batch 1, one token after the other; mean loss and active fraction per layer."""
    model, total = state.layout.model, 0.0
    h = [torch.zeros(n, dtype=torch.float64) for n in model.hidden]
    y = [torch.zeros(n, dtype=torch.float64) for n in model.hidden]
    active = [0.0] * len(h)
    embedding = state.logical("embedding")
    for t in range(len(tokens) - 1):
        if reset and t % window == 0:
            h = [torch.zeros_like(v) for v in h]
        x = embedding[tokens[t]]
        for i in range(len(h)):
            kernel = state.logical(f"layer{i + 1}.kernel")
            recurrent = state.logical(f"layer{i + 1}.recurrent")
            wx = kernel @ x + state.logical(f"layer{i + 1}.bias")
            rh = recurrent @ y[i] + state.logical(f"layer{i + 1}.recurrent_bias")
            if model.cell == "egru":
                theta = state.theta[i]
                z, r = torch.sigmoid(wx[0] + rh[0]), torch.sigmoid(wx[1] + rh[1])
                c = z * h[i] + (1 - z) * torch.tanh(wx[2] + r * rh[2])
                event = (c > theta).double()
                h[i], y[i] = c - event * theta, event * c
            else:
                a = wx + rh
                h[i] = torch.sigmoid(a[1]) * h[i] + torch.sigmoid(a[0]) * torch.tanh(a[2])
                y[i] = torch.sigmoid(a[3]) * torch.tanh(h[i])
            x = y[i]
            active[i] += float((x != 0).double().mean())
        log_p = torch.log_softmax(embedding @ x + state.logical("decoder.bias"), dim=0)
        total -= float(log_p[tokens[t + 1]])
    count = len(tokens) - 1
    return total / count, [a / count for a in active]


@pytest.mark.parametrize("cell", ["egru", "lstm"])
@pytest.mark.parametrize("reset", [False, True])
def test_batch_one_follows_the_definition(cell: str, reset: bool) -> None:
    state = support.state(support.run(cell))
    tokens = support.tokens(60)  # 59 predictions: 8 windows of 7 and a rest of 3
    score = evaluate(state, tokens, KERNELS, batch=1, window=7, reset=reset)
    loss, active = slow(state, tokens.tolist(), 7, reset)
    assert score.tokens == 59
    assert score.loss == pytest.approx(loss, rel=1e-12)
    assert score.active == pytest.approx(active, rel=1e-12)
    assert score.perplexity == pytest.approx(math.exp(loss))


def test_protocols_differ() -> None:
    state = support.state(support.run())
    tokens = support.tokens(60)
    carried = evaluate(state, tokens, KERNELS, window=7)
    reset = evaluate(state, tokens, KERNELS, window=7, reset=True)
    assert carried.loss != reset.loss
    longer = evaluate(state, tokens, KERNELS, window=20)
    assert longer.loss == pytest.approx(carried.loss, rel=1e-12)  # carried: windows do not matter


def test_rows_are_independent_texts() -> None:
    state = support.state(support.run())
    tokens = support.tokens(63)
    batched = evaluate(state, tokens, KERNELS, batch=3, window=5, reset=True)
    single = [evaluate(state, t, KERNELS, window=5, reset=True) for t in tokens.view(3, 21)]
    assert batched.tokens == 60
    assert batched.loss == pytest.approx(sum(s.loss for s in single) / 3, rel=1e-12)


def test_padding_does_not_change_the_score() -> None:
    plain = support.state(support.run())
    padded = support.state(support.run(model={"pad": 8, "pad_vocabulary": 8}))
    tokens = support.tokens(50)
    a, b = (evaluate(s, tokens, KERNELS, window=7, reset=True) for s in (plain, padded))
    assert a.loss == pytest.approx(b.loss, rel=1e-12)
    assert a.active == pytest.approx(b.active) and a.macs == pytest.approx(b.macs)


def test_macs_by_hand() -> None:
    """All units silent: only the embedding's product is left. One kernel halved: it is counted."""
    state = support.state(support.run())
    for theta in state.theta:
        theta.fill_(10.0)  # |c| < 1, so nobody emits
    score = evaluate(state, support.tokens(20), KERNELS)
    assert score.active == [0.0, 0.0, 0.0]
    assert score.macs == 3 * 7 * 5
    dense = 3 * (7 * 5 + 7 * 7 + 6 * 7 + 6 * 6 + 5 * 6 + 5 * 5)
    assert score.macs_dense == score.macs_all_active == dense
    state.logical("layer1.kernel")[:, :, :2] = 0
    score = evaluate(state, support.tokens(20), KERNELS)
    assert score.macs == 3 * 7 * 3
    assert score.macs_all_active == dense - 3 * 7 * 2
    assert evaluate(state, support.tokens(20), KERNELS, rounding=Rounding("int8")).macs <= 3 * 7 * 3

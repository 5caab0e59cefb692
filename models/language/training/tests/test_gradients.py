"""Hand-written gradients against autograd, in float64, with dropout and carried state.

The model below is written a second time, from the equations, with torch's own differentiation; it
shares the parameters and the drawn masks with the code under test and nothing else.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from egru_lm import network as network_module
from egru_lm.config import Activity
from egru_lm.kernels import choose
from egru_lm.network import Network, Rounding, State, activity_pulls
from egru_lm.quantise import rounded
from tests import support

CPU = torch.device("cpu")


class Heaviside(torch.autograd.Function):
    """Step function with the triangular pseudo-derivative."""

    @staticmethod
    def forward(ctx, s: Tensor, gamma: float, beta: float) -> Tensor:
        ctx.save_for_backward(s)
        ctx.constants = gamma, beta
        return (s > 0).to(s.dtype)

    @staticmethod
    def backward(ctx, grad: Tensor):
        (s,) = ctx.saved_tensors
        gamma, beta = ctx.constants
        return grad * gamma * torch.relu(1 - beta * s.abs()), None, None


def reference_loss(
    network: Network, p: dict[str, Tensor], activity: Activity | None, rounding: Rounding
) -> Tensor:
    """Mean loss of the window in network.tokens, from parameters p; time-step by time-step."""
    model, masks, theta = network.model, network.masks, network.state.theta

    def through(w: Tensor, kind: str) -> Tensor:
        return w + (rounded(w.detach(), kind) - w.detach())

    embedding = through(p["embedding"], rounding.embedding)
    x_all = embedding[network.tokens.long()]
    if masks.words is not None:
        x_all = x_all * masks.words[network.tokens.long()][..., None] * masks.embedding
    sequence = [x_all[t] for t in range(network.steps)]
    term = 0.0
    for i, layer in enumerate(network.layers):
        kernel = through(p[f"layer{i + 1}.kernel"], rounding.stack)
        recurrent = through(p[f"layer{i + 1}.recurrent"], rounding.stack)
        if masks.recurrent[i] is not None:
            recurrent = recurrent * masks.recurrent[i].view(recurrent.shape)
        b, rb = p[f"layer{i + 1}.bias"], p[f"layer{i + 1}.recurrent_bias"]
        state, y = layer.state[0].clone(), layer.y[0].clone()
        outputs, emitted = [], []
        for x in sequence:
            wx = [x @ kernel[k].T + b[k] for k in range(layer.gates)]
            rh = [y @ recurrent[k].T + rb[k] for k in range(layer.gates)]
            if model.cell == "egru":
                z, r = torch.sigmoid(wx[0] + rh[0]), torch.sigmoid(wx[1] + rh[1])
                g = torch.tanh(wx[2] + r * rh[2])
                c = z * state + (1 - z) * g
                o = Heaviside.apply(c - theta[i], model.gamma, model.beta)
                state, y = c - o * theta[i], o * c
                emitted.append(o)
            else:
                gi, gf, gg, go = (a + d for a, d in zip(wx, rh, strict=True))
                state = torch.sigmoid(gf) * state + torch.sigmoid(gi) * torch.tanh(gg)
                y = torch.sigmoid(go) * torch.tanh(state)
            outputs.append(y)
        if activity is not None:
            share = torch.stack(emitted).mean()
            excess = torch.relu(share - activity.target[i])
            term = term + activity.strength[i] * layer.units / 2 * excess**2
        last = i == len(network.layers) - 1
        mask = masks.output if last else masks.forward[i]
        sequence = [y * mask if mask is not None else y for y in outputs]
    logits = torch.stack(sequence) @ embedding.T + p["decoder.bias"]
    loss = torch.nn.functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]), network.targets.view(-1).long()
    )
    return loss + term


def check(run, rounding: Rounding | None = None, activity: Activity | None = None) -> float:
    """Largest relative deviation over all parameters; also asserts that the losses agree."""
    rounding = rounding or Rounding()
    state: State = support.state(run)
    layout = state.layout
    network = Network(
        state, run.train.window, run.train.batch, torch.float64, choose(CPU), True, run.dropout
    )
    stream = support.tokens(240).view(-1, run.train.batch)
    torch.manual_seed(1)
    network.tokens.copy_(stream[: run.train.window])
    network.forward(network.compute_weights(rounding))
    network.carry()  # so that state and output at the start of the checked window are not zero
    network.tokens.copy_(stream[7 : 7 + run.train.window])
    network.targets.copy_(stream[8 : 8 + run.train.window])
    network.masks.draw(network.lanes)

    p = {
        name: entry.logical(state.flat).clone().requires_grad_()
        for name, entry in layout.entries.items()
    }
    expected = reference_loss(network, p, activity, rounding)
    expected.backward()

    weights = network.compute_weights(rounding)
    network.forward(weights)
    positions = run.train.window * run.train.batch
    loss = network.score(weights, 1 / positions).mean()
    active = network.active_fraction()
    pulls = activity_pulls(active, activity or Activity(), positions, torch.ones_like(loss))
    network.backward(weights, pulls)
    if activity is None:
        assert float(loss) == pytest.approx(expected.item(), rel=1e-12)
    worst = 0.0
    for name, entry in layout.entries.items():
        ours, theirs = entry.logical(network.gradient), p[name].grad
        assert theirs.abs().max() > 0, name
        worst = max(worst, float((ours - theirs).norm() / theirs.norm()))
    return worst


@pytest.mark.parametrize("cell", ["egru", "lstm"])
@pytest.mark.parametrize("dropout", [{}, support.DROPOUT])
def test_gradients_match_autograd(cell: str, dropout: dict[str, float]) -> None:
    assert check(support.run(cell, dropout=dropout)) < 1e-12


@pytest.mark.parametrize("cell", ["egru", "lstm"])
def test_gradients_of_a_window_in_parts(cell: str, monkeypatch) -> None:
    """Layers and decoder go through the window part by part; the last part is shorter."""
    monkeypatch.setattr(network_module, "PART", 3)
    assert check(support.run(cell, dropout=support.DROPOUT, train={"window": 8})) < 1e-12


def test_activity_term_matches_autograd() -> None:
    activity = Activity(target=(0.05, 0.9, 0.1), strength=(0.7, 1.0, 2.0))
    assert check(support.run(dropout=support.DROPOUT), activity=activity) < 1e-12


@pytest.mark.parametrize("kind", ["int8", "ternary"])
def test_straight_through_gradients(kind: str) -> None:
    assert check(support.run(dropout=support.DROPOUT), Rounding(kind, "int8")) < 1e-12


def test_padding_changes_nothing() -> None:
    """A padded model gives the same loss and gradients, and its padding stays at zero."""
    plain = support.run()
    padded = support.run(model={"pad": 8, "pad_vocabulary": 8})
    results = []
    for run in (plain, padded):
        state = support.state(run)
        network = Network(state, 4, 3, torch.float64, choose(CPU), training=True)
        network.tokens.copy_(support.tokens(12).view(4, 3))
        network.targets.copy_(support.tokens(24)[12:].view(4, 3))
        weights = network.compute_weights(Rounding())
        network.forward(weights)
        loss = network.score(weights, 1.0).sum()
        pulls = [loss.new_tensor(0.01)] * 3
        network.backward(weights, pulls)
        gradient = {n: e.logical(network.gradient) for n, e in state.layout.entries.items()}
        total = float(network.gradient.abs().sum())
        assert total == pytest.approx(sum(float(g.abs().sum()) for g in gradient.values()))
        results.append((float(loss), gradient))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-12)
    for name, gradient in results[0][1].items():
        torch.testing.assert_close(gradient, results[1][1][name], rtol=1e-10, atol=1e-12)

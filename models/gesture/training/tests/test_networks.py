"""Gradients against autograd, a loop over single neurons against the fast path, export against the
network that was trained."""

import h5py
import numpy as np
import pytest
import torch

from gesture_nets.clips import MIRRORED
from gesture_nets.egru import Egru
from gesture_nets.export import chain, product, quantise, write
from gesture_nets.networks import NETWORKS
from gesture_nets.spiking import Lif


class Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx, v):
        ctx.save_for_backward(v)
        return (v > 1).to(v.dtype)

    @staticmethod
    def backward(ctx, grad):
        (v,) = ctx.saved_tensors
        return grad * (1 - (v - 1).abs()).clamp(min=0)


def slow_lif(x, decay):
    v, spikes = torch.zeros_like(x[0]), []
    a = decay.reshape(1, -1, 1)
    for step in x:
        v = a * v + step
        s = Spike.apply(v)
        v = v - s.detach()
        spikes.append(s)
    return torch.stack(spikes)


def test_lif_gradient_is_autograds():
    torch.manual_seed(0)
    x = (2 * torch.rand(12, 3, 4, 5, dtype=torch.float64)).requires_grad_()
    decay = torch.rand(4, dtype=torch.float64).requires_grad_()
    weight = torch.randn(12, 3, 4, 5, dtype=torch.float64)
    grads = []
    for run in (Lif.apply, slow_lif):
        spikes = run(x, decay)
        assert 0.1 < spikes.mean() < 0.9
        grads.append((spikes.detach(), *torch.autograd.grad((spikes * weight).sum(), (x, decay))))
    for fast, slow in zip(*grads):
        assert torch.allclose(fast, slow, rtol=1e-12, atol=1e-12)


def test_egru_is_its_equations():
    torch.manual_seed(0)
    layer = Egru(5, 7, theta=0.1).double()
    x = torch.randn(9, 2, 5, dtype=torch.float64)
    with torch.no_grad():
        outputs, _ = layer(x)
    assert 0 < (outputs != 0).double().mean() < 1
    kernel, recurrent = layer.kernel.detach().numpy(), layer.recurrent.detach().numpy()
    bias = layer.bias.detach().numpy()
    sigmoid = lambda v: 1 / (1 + np.exp(-v))
    for b in range(2):
        h, y = np.zeros(7), np.zeros(7)
        for t in range(9):
            w, r = kernel @ x[t, b].numpy() + bias, recurrent @ y
            z, reset = sigmoid(w[:7] + r[:7]), sigmoid(w[7:14] + r[7:14])
            g = np.tanh(w[14:] + reset * r[14:])
            c = z * h + (1 - z) * g
            o = (c > layer.theta.numpy()).astype(float)
            h, y = c - o * layer.theta.numpy(), o * c
            assert np.allclose(y, outputs[t, b].numpy(), atol=1e-12)


def test_mirror_is_its_own_inverse():
    assert torch.equal(MIRRORED[MIRRORED], torch.arange(11))


@pytest.mark.parametrize("kind", NETWORKS)
def test_export_holds_the_network_that_runs(kind, tmp_path):
    torch.manual_seed(0)
    network = NETWORKS[kind](channels=(3, 4, 5), hidden=6)
    x = torch.randint(0, 5, (4, 3, 2, 32, 32)).float()
    network(x)  # sets the scales
    network.eval()
    with torch.no_grad():
        stored = quantise(network)
        expected, _ = network(x)
    path = tmp_path / "model.sloom"
    write(path, chain(network, stored), "card")
    with h5py.File(path) as file:
        nodes = [file[f"network/nodes/{k}"] for k in range(len(file["network/nodes"]))]
        weights = {n["name"][()].decode(): n["fields"] for n in nodes}
        assert weights["conv1"]["weight"].dtype == np.int8
        q = torch.from_numpy(weights["out"]["weight"][()])
        scale = torch.from_numpy(weights["out"]["weight_scale"][()])
    assert torch.allclose(product(q, scale), network.out.weight)
    assert torch.isfinite(expected).all()

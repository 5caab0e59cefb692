"""Gradients against autograd, a loop over single neurons against the fast path, a batch varied clip
by clip against one varied at once, export against the network that was trained."""

import h5py
import numpy as np
import pytest
import torch

from gesture_nets import train
from gesture_nets.clips import MIRRORED, Clips, batch_of
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


@pytest.fixture
def clips(tmp_path):
    draw = np.random.default_rng(3)
    for k in range(2):
        np.savez(tmp_path / f"{k}.npz", counts=draw.poisson(1.0, (11, 9, 2, 32, 32)).astype(np.uint8),
                 labels=np.arange(11, dtype=np.uint8))
    return Clips(tmp_path)


def test_new_shards_are_taken_up(clips):
    assert clips.refresh() == 22
    np.savez(clips.folder / "2.npz", counts=np.zeros((1, 9, 2, 32, 32), np.uint8),
             labels=np.array([4], np.uint8))
    assert clips.refresh() == 23 and clips.counts.shape[0] == 23 and clips.labels[22] == 4


def test_a_batch_is_varied_as_clip_by_clip(clips):
    index = torch.randint(0, 22, (40,), generator=torch.Generator().manual_seed(3))
    torch.manual_seed(1)
    x, labels = batch_of(clips, index, 6, torch.Generator().manual_seed(5))
    torch.manual_seed(1)
    noise = torch.rand(40, 6, 2, 32, 32)
    draws = torch.Generator().manual_seed(5)
    start = torch.randint(0, 4, (40,), generator=draws)
    mirror, swap = (torch.randint(0, 2, (40,), generator=draws) for _ in range(2))
    moves = torch.randint(-3, 4, (2, 40), generator=draws)
    lost, rate = torch.rand(2, 40, generator=draws)
    for k in range(40):
        clip = clips.counts[index[k], start[k] : start[k] + 6].float()
        label = clips.labels[index[k]]
        if mirror[k]:
            clip, label = clip.flip(-1), MIRRORED[label]
        if swap[k]:
            clip = clip.flip(1)
        down, right = moves[:, k].tolist()
        padded = torch.nn.functional.pad(clip, (3, 3, 3, 3))
        clip = padded[..., 3 - down : 35 - down, 3 - right : 35 - right]
        clip = (clip * (1 - 0.5 * lost[k]) + 0.5).floor() + (noise[k] < 0.03 * rate[k] ** 2)
        assert torch.equal(clip.clamp(max=16), x[:, k])
        assert label == labels[k]


def test_a_resumed_run_ends_as_one_that_was_not_stopped(clips, tmp_path, monkeypatch):
    def go(out, updates):
        flags = ["train", "lif", "--train", str(clips.folder), "--valid", str(clips.folder),
                 "--out", str(tmp_path / out), "--updates", str(updates), "--every", "2",
                 "--batch", "4", "--steps", "6", "--channels", "3", "3", "3", "--hidden", "5"]
        monkeypatch.setattr("sys.argv", flags)
        train.main()
        return torch.load(tmp_path / out / "weights.pt", weights_only=True)["network"]

    whole = go("whole", 4)
    checkpoint = tmp_path / "parts/checkpoint.pt"
    checkpoint.parent.mkdir()
    monkeypatch.setattr(train, "save", stop_after_first(train.save))
    with pytest.raises(KeyboardInterrupt):
        go("parts", 4)
    monkeypatch.undo()
    assert torch.load(checkpoint, weights_only=True)["update"] == 2
    parts = go("parts", 4)
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def stop_after_first(save):
    def stopping(path, state):
        save(path, state)
        raise KeyboardInterrupt
    return stopping


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

from __future__ import annotations

import json
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from spike_vision import config, data, export, made_up, session
from spike_vision.config import Layer, Model, Run, Train
from spike_vision.layers import HoyerSpike, PixelConvolution, current
from spike_vision.network import VisionNetwork
from spike_vision.settle import settle
from spike_vision.train import load_final, train

RUNS = sorted(Path(__file__).parent.parent.glob("runs/*.toml"))


def small(kind: str, dataset: str = "fashion-mnist", **options) -> Run:
    model = Model(kind, 4, True, (Layer(8, False), Layer(8, True)), classes=4)
    options = {"epochs": 4, "batch": 50, "rate": 5e-3, "flip": False, "crop": 0, **options}
    return Run("small", "a test", dataset, 5, model, Train(**options))


@pytest.mark.parametrize("path", RUNS, ids=lambda p: p.stem)
def test_every_run_file_makes_a_network(path):
    run = config.read(path)
    side, colours = (28, 1) if run.data == "fashion-mnist" else (32, 3)
    network = VisionNetwork(run.model, side, side, colours)
    assert network(torch.rand(2, colours, side, side)).shape == (2, 10)
    assert sum(p.numel() for p in network.parameters()) < 3.3e6  # int8: five in 20 MB


def test_the_curve_has_its_published_values():
    light = torch.tensor([0.25, 0.5, 0.75, 1.0])
    expected = torch.tensor([0.0594, 0.1053, 0.1375, 0.1560])
    assert (current(light) - expected).abs().max() < 5e-5


def test_grey_light_is_three_equal_colours():
    pixels = PixelConvolution(3)
    grey = torch.rand(2, 1, 6, 6)
    assert torch.allclose(pixels(grey), pixels(grey.expand(-1, 3, -1, -1)), atol=1e-6)


def test_hoyer_extremum_regulariser_and_gradient():
    spike = HoyerSpike(1)
    u = torch.tensor([-3, 0.5, 1, 7.0]).reshape(1, 1, 2, 2).requires_grad_()
    spikes = spike(u)
    # Clamped: 0, 0.5, 1, 1: E = (0.25 + 2) / 2.5; H = 2.5^2 / 2.25.
    assert spikes.flatten().tolist() == [0, 0, 1, 1]
    assert spike.extremum.item() == pytest.approx(0.9 + 0.1 * 0.9)
    assert spike.regulariser.item() == pytest.approx(2.5**2 / 2.25)
    spikes.sum().backward()
    assert u.grad.flatten().tolist() == [0, 0.5, 0.5, 0]


@pytest.mark.parametrize("kind", ["spiking", "dense"])
@pytest.mark.parametrize("dataset", ["fashion-mnist", "cifar10-jpeg"])
def test_it_learns_and_the_export_decides_as_the_network(kind, dataset, pictures, tmp_path):
    # The running variance of the pixels' sums, about 1e-3, starts at 1: it takes some hundred steps.
    run = small(kind, dataset, epochs=14)
    assert train(run, pictures, tmp_path, "cpu")
    lines = [json.loads(line) for line in (tmp_path / "small/log.jsonl").read_text().splitlines()]
    assert lines[-1]["loss"] < 0.5 * lines[0]["loss"]
    network = load_final(tmp_path / "small/final.pt", "cpu")
    testing = data.load(pictures, dataset, "test")
    light = testing.images.permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        expected = network(light).argmax(1).numpy()
    decided = export.decide(export.collect(network), testing.images.numpy())
    assert (decided.scores.argmax(1) == expected).mean() > 0.97
    assert (decided.scores.argmax(1) == testing.labels.numpy()).mean() > 0.9


def test_thresholds_of_the_export_are_the_network_without_rounding(pictures, tmp_path):
    """The folded threshold splits the sums where batch normalisation and Hoyer spike do."""
    assert train(small("spiking"), pictures, tmp_path, "cpu")
    network = load_final(tmp_path / "small/final.pt", "cpu").double()
    block = network.blocks[1]
    u = torch.randn(4, 8, 6, 6, dtype=torch.double)
    spikes = block.activation(block.norm(u))
    theta = torch.from_numpy(export._threshold(block))[:, None, None]
    assert (spikes == (u >= theta).double()).all()


def test_an_interrupted_run_goes_on_as_if_it_had_not_stopped(pictures, tmp_path):
    run = small("spiking", flip=True, crop=1)
    assert train(run, pictures, tmp_path / "whole", "cpu")
    calls = 0
    while not train(run, pictures, tmp_path / "parts", "cpu", deadline=time.monotonic() - 1):
        calls += 1
    assert calls == run.train.epochs - 1
    whole = load_final(tmp_path / "whole/small/final.pt", "cpu").state_dict()
    parts = load_final(tmp_path / "parts/small/final.pt", "cpu").state_dict()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_distillation_initial_weights_and_bfloat16(pictures, tmp_path):
    assert train(replace(small("dense"), name="teacher"), pictures, tmp_path, "cpu")
    run = small("spiking", distil="teacher", init="teacher", dtype="bfloat16", epochs=1, cutout=4,
                mixup=0.5)
    assert train(run, pictures, tmp_path, "cpu")


@pytest.mark.parametrize("kind", ["spiking", "dense"])
def test_a_settled_network_is_the_one_that_ships(kind, pictures, tmp_path):
    run = small(kind, epochs=14)
    assert train(run, pictures, tmp_path, "cpu")
    network = load_final(tmp_path / "small/final.pt", "cpu")
    training = data.load(pictures, "fashion-mnist", "train")
    settle(network, training, run.train)
    exported = export.collect(network)
    readout = torch.from_numpy(exported.readout["weight"]) * float(exported.readout["scale"])
    assert torch.allclose(readout.float(), network.readout.weight, rtol=1e-6, atol=0)
    # Statistics of one batch of everything are what the mean over batches approaches.
    block = network.blocks[0]
    with torch.no_grad():
        u = block.pool(block.convolution(training.images.permute(0, 3, 1, 2).float() / 255))
    assert torch.allclose(block.norm.running_mean, u.mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(block.norm.running_var, u.var((0, 2, 3)), rtol=0.05)
    images = training.images.numpy()
    with torch.no_grad():
        expected = network(training.images.permute(0, 3, 1, 2).float() / 255).argmax(1).numpy()
    decided = export.decide(exported, images).scores.argmax(1)
    assert (decided == expected).mean() > 0.99
    assert (decided == training.labels.numpy()).mean() > 0.9


def test_a_schedule_over_seconds_ends(pictures, tmp_path):
    start = time.monotonic()
    assert train(small("dense", seconds=2.0, epochs=0), pictures, tmp_path, "cpu")
    assert time.monotonic() - start < 20


def test_the_file_has_the_documented_layout(pictures, tmp_path):
    h5py = pytest.importorskip("h5py")
    assert train(small("spiking", epochs=1), pictures, tmp_path, "cpu")
    exported = export.collect(load_final(tmp_path / "small/final.pt", "cpu"))
    export.write(exported, tmp_path / "a.sloom", list("abcd"))
    with h5py.File(tmp_path / "a.sloom") as file:
        nodes = file["network/nodes"]
        kinds = [nodes[str(i)]["kind"][()].decode() for i in range(len(nodes))]
        assert kinds == ["Input", "Conv2d", "Threshold", "Conv2d", "Threshold", "MaxPool2d",
                         "Flatten", "Linear", "Output"]
        assert nodes["2/fields/threshold"].shape == (8, 6, 6)
        front = file["network/metadata/front_end"]
        assert front["weight"].shape == (4, 3, 3, 3) and front["weight"].dtype == np.int8


@pytest.mark.parametrize("kind", ["spiking", "dense"])
def test_a_file_is_read_as_it_was_written(kind, pictures, tmp_path):
    pytest.importorskip("h5py")
    assert train(small(kind, "cifar10-jpeg", epochs=1), pictures, tmp_path, "cpu")
    exported = export.collect(load_final(tmp_path / "small/final.pt", "cpu"))
    export.write(exported, tmp_path / "a.sloom", list("abcd"))
    some = data.load(pictures, "cifar10-jpeg", "test").images[:50].numpy()
    ways = [export.decide(e, some) for e in (exported, made_up.read(tmp_path / "a.sloom"))]
    assert np.array_equal(ways[0].scores, ways[1].scores)


@pytest.mark.parametrize("name", ["cifar8", "cifar-dense"])
def test_what_shipped_decides_about_made_up_pictures(name):
    pytest.importorskip("h5py")
    folder = Path(__file__).parents[2] / "weights" / name
    exported = made_up.read(folder / f"{name}.sloom")
    decided = export.decide(exported, made_up.pictures(*exported.input[:2]))
    said = "".join(str(k) for k in decided.scores.argmax(1))
    assert said == (folder / "made-up.txt").read_text().strip()


def test_what_ships_comes_home(tmp_path):
    (tmp_path / "ship/a").mkdir(parents=True)
    (tmp_path / "ship/a/x").write_bytes(b"content")
    session.collect(tmp_path / "ship/a", tmp_path / "out")
    with tarfile.open(tmp_path / "out/a.tar") as archive:
        assert archive.extractfile("a/x").read() == b"content"
    assert len(list((tmp_path / "out").iterdir())) == 1

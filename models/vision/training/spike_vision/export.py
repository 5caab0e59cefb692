"""From a trained network to numbers that ship, and what those numbers decide.

Spiking. Batch normalisation, |v_th| and the running Hoyer extremum E of a block fold into one
threshold a channel: spike where u >= theta, theta = mu + sqrt(var + eps) / gamma (|v_th| E - beta).
Weights become int8 with a scale of their own for every output (the pixels: one scale for all, as
sensors/pixel_convolution.hpp rounds to 7 bits and a sign; the read-out: one for all), which divides
the threshold: sums of int8 weights are integers, so the network behind the pixels is compared with
t = ceil(theta / scale) - 1 as x > t and has no rounding anywhere.

Dense. Batch normalisation folds into weights and bias; weights become int8 with a scale for every
output, everything else is float32.

The file is spikeloom's model file (docs/formats.md), written with h5py; the pixels stand in the
network's metadata as `front_end`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from .layers import P01, P11, P21
from .network import VisionNetwork

LEVELS = 127
PIXEL_BITS = 7


@dataclass
class Exported:
    kind: str
    input: tuple[int, int, int]  # rows, columns, colours
    first: dict[str, np.ndarray]  # spiking: weight, largest, threshold
    layers: list[dict[str, np.ndarray]]  # weight, pool; spiking: threshold, dense: scale, bias
    readout: dict[str, np.ndarray]  # weight, scale


def _rows_to_int8(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int8 with a scale for every output."""
    largest = np.abs(weight).reshape(len(weight), -1).max(1)
    scale = np.where(largest > 0, largest / LEVELS, 1.0)
    rounded = np.rint(weight / scale.reshape(-1, *[1] * (weight.ndim - 1)))
    return rounded.astype(np.int8), scale


def _double(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().double().cpu().numpy()


def _normalisation(block) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    norm = block.norm
    width = np.sqrt(_double(norm.running_var) + norm.eps)
    return _double(norm.running_mean), width, _double(norm.scale()), _double(norm.bias)


def _threshold(block) -> np.ndarray:
    mean, width, gamma, beta = _normalisation(block)
    activation = block.activation
    needed = abs(activation.threshold.item()) * _double(activation.extremum) - beta
    return mean + width / gamma * needed


def collect(network: VisionNetwork) -> Exported:
    model = network.model
    blocks = list(network.blocks)
    pools = [model.first_pool, *[layer.pool for layer in model.layers]]
    first: dict[str, np.ndarray] = {}
    layers = []
    for i, block in enumerate(blocks):
        weight = _double(block.convolution.weight)
        layer = {"pool": np.int64(pools[i])}
        if model.kind == "dense":
            mean, width, gamma, beta = _normalisation(block)
            factor = gamma / width
            layer["weight"], layer["scale"] = _rows_to_int8(weight * factor[:, None, None, None])
            layer["scale"] = layer["scale"].astype(np.float32)
            layer["bias"] = (beta - mean * factor).astype(np.float32)
            layers.append(layer)
        elif i == 0:
            largest = np.abs(weight).max()
            first = {"weight": np.rint(weight / largest * LEVELS).astype(np.int8),
                     "largest": np.float64(largest), "threshold": _threshold(block),
                     "pool": np.int64(pools[0])}
        else:
            layer["weight"], scale = _rows_to_int8(weight)
            layer["threshold"] = (np.ceil(_threshold(block) / scale) - 1).astype(np.int32)
            layers.append(layer)
    weight = _double(network.readout.weight)
    scale = np.abs(weight).max() / LEVELS
    readout = {"weight": np.rint(weight / scale).astype(np.int8), "scale": np.float32(scale)}
    return Exported(model.kind, network.input, first, layers, readout)


def pixel_sums(exported: Exported, images: np.ndarray) -> torch.Tensor:
    """The sums of sensors/pixel_convolution.cpp, rounded where it rounds: (N, C, rows, columns)."""
    light = (images.astype(np.float32) / np.float32(255)).astype(np.float64)
    current = torch.from_numpy((P01 + light * (P11 + light * P21)).astype(np.float32)).double()
    current = current.permute(0, 3, 1, 2).expand(-1, 3, -1, -1)
    first = exported.first
    weight = (first["weight"].astype(np.float64) * first["largest"] / LEVELS).astype(np.float32)
    sums = F.conv2d(current, torch.from_numpy(weight).double(), padding=1) / 27
    return F.max_pool2d(sums, 2) if first["pool"] else sums


@dataclass
class Decided:
    scores: np.ndarray  # (N, classes); spiking: integers
    activity: list[float]  # events per element that enter each weight layer after the first


@torch.no_grad()
def decide(exported: Exported, images: np.ndarray, batch: int = 500) -> Decided:
    """What the exported numbers say about pictures (N, rows, columns, colours)."""
    scores, active, elements = [], None, None
    for start in range(0, len(images), batch):
        some = images[start : start + batch]
        events = []
        if exported.kind == "spiking":
            threshold = torch.from_numpy(exported.first["threshold"])[:, None, None]
            sums = pixel_sums(exported, some).float().double()
            x = (sums >= threshold).float()
            events.append(x)
        else:
            x = torch.from_numpy(some).permute(0, 3, 1, 2).float() / 255
        for layer in exported.layers:
            weight = torch.from_numpy(layer["weight"]).float()
            u = F.conv2d(x, weight, padding=weight.shape[-1] // 2)
            if exported.kind == "spiking":
                x = (u > torch.from_numpy(layer["threshold"])[:, None, None]).float()
            else:
                scale = torch.from_numpy(layer["scale"])[:, None, None]
                x = F.relu(u * scale + torch.from_numpy(layer["bias"])[:, None, None])
            if layer["pool"]:
                x = F.max_pool2d(x, 2)
            events.append(x)
        weight = torch.from_numpy(exported.readout["weight"]).float()
        scores.append((x.flatten(1) @ weight.T).numpy())
        counts = np.array([float((e != 0).sum()) for e in events])
        active = counts if active is None else active + counts
        sizes = np.array([e.numel() for e in events], dtype=np.float64)
        elements = sizes if elements is None else elements + sizes
    return Decided(np.concatenate(scores), (active / elements).tolist())


def _shape_after(side: int, pooled: bool) -> int:
    return side // 2 if pooled else side


def write(exported: Exported, path: Path, classes: list[str], card: str = "") -> None:
    import h5py

    text = h5py.string_dtype()
    rows, columns, colours = exported.input
    settings = {"discretisation": {"dt": 1e-3}, "read_out": "last",
                "input_coding": {"coding": "current", "origin": "zero"}}
    if exported.kind == "spiking":
        settings["discretisation"]["fixed-point"] = "floor"
        settings["input_coding"] = {"coding": "binary", "origin": "zero"}
    nodes: list[tuple[str, str, dict]] = []
    pair = np.array([1, 1])
    if exported.kind == "spiking":
        pooled = bool(exported.first["pool"])
        rows, columns = _shape_after(rows, pooled), _shape_after(columns, pooled)
        channels = len(exported.first["weight"])
    else:
        channels = colours
    nodes.append(("input", "Input", {"shape": np.array([channels, rows, columns])}))
    for i, layer in enumerate(exported.layers):
        number = i + (2 if exported.kind == "spiking" else 1)
        fields = {"weight": layer["weight"], "input_shape": np.array([rows, columns]),
                  "stride": pair, "padding": pair, "dilation": pair, "groups": np.int64(1)}
        channels = len(layer["weight"])
        if exported.kind == "spiking":
            nodes.append((f"weights{number}", "Conv2d", fields))
            thresholds = np.broadcast_to(layer["threshold"][:, None, None],
                                         (channels, rows, columns))
            nodes.append((f"spikes{number}", "Threshold", {"threshold": thresholds}))
        else:
            fields |= {"bias": layer["bias"], "weight_scale": layer["scale"]}
            nodes.append((f"weights{number}", "Conv2d", fields))
            nodes.append((f"units{number}", "ReLU", {}))
        if layer["pool"]:
            pooled = {"kernel_size": 2 * pair, "stride": 2 * pair, "padding": 0 * pair}
            nodes.append((f"pool{number}", "MaxPool2d", pooled))
            rows, columns = rows // 2, columns // 2
    nodes.append(("flat", "Flatten", {"start_dim": np.int64(0), "end_dim": np.int64(-1)}))
    nodes.append(("readout", "Linear", {"weight": exported.readout["weight"]}))
    nodes.append(("output", "Output", {"shape": np.array([len(exported.readout["weight"])])}))

    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", libver="latest") as file:
        def put(group, name: str, value) -> None:
            if isinstance(value, str):
                group.create_dataset(name, data=value, dtype=text)
            elif np.size(value) > 64:
                group.create_dataset(name, data=value, compression="gzip", compression_opts=9)
            else:
                group.create_dataset(name, data=value)

        put(file, "format", "spikeloom-model")
        put(file, "format_version", np.int64(1))
        put(file, "producer", "spike_vision")
        put(file, "run_settings", json.dumps(settings))
        if card:
            put(file, "model_card", card)
        network = file.create_group("network")
        put(network, "edges", np.array([[i, i + 1] for i in range(len(nodes) - 1)]))
        for i, (name, kind, fields) in enumerate(nodes):
            node = network.create_group(f"nodes/{i}")
            put(node, "name", name)
            put(node, "kind", kind)
            node.create_group("fields")
            for key, value in fields.items():
                put(node, f"fields/{key}", value)
        network.create_dataset("metadata/classes", data=classes, dtype=text)
        if exported.kind == "spiking":
            front = network.create_group("metadata/front_end")
            put(front, "curve", "in-sensor")
            put(front, "rows", np.int64(exported.input[0]))
            put(front, "columns", np.int64(exported.input[1]))
            put(front, "pool", np.int64(2 if exported.first["pool"] else 1))
            put(front, "weight", exported.first["weight"])
            put(front, "largest", exported.first["largest"])
            put(front, "threshold", exported.first["threshold"])

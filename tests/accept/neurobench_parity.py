#!/usr/bin/env python3
"""NeuroBench's harness and `spikeloom energy --neurobench` on the same networks and inputs.

Three snnTorch networks (feed-forward, convolutional, recurrent) with weights from a formula, written
as NIR, plus the static metrics of the harness's two example networks. Every number has to be equal.

    neurobench_parity.py --binary BUILD/cli/spikeloom     compares
    neurobench_parity.py --freeze FILE                    writes the harness's numbers, which
                                                          tests/validation/neurobench_test.cpp reads
Needs neurobench, snntorch, torch and nir (`./dev neurobench` brings them in an environment).
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import nir
import numpy as np
import snntorch as snn
import torch
from neurobench.benchmarks import Benchmark
from neurobench.metrics.static import ConnectionSparsity, Footprint, ParameterCount
from neurobench.metrics.workload import (ActivationSparsity, MembraneUpdates, NeuronOperations,
                                         SynapticOperations)
from neurobench.models import SNNTorchModel
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

DT = 1e-4
SAMPLES, STEPS = 4, 9
STATIC = ("footprint_bytes", "parameters", "connection_sparsity")


def hashed(seed, count):
    k = np.arange(count, dtype=np.uint64) + np.uint64(1000003 * seed)
    return (((k * np.uint64(2654435761) + np.uint64(374761393)) % np.uint64(2**32)) >> np.uint64(16))


def weights(seed, shape):
    """Multiples of 1/8 from -1/2 to 1/2, a ninth of them 0: sums are exact in float32."""
    values = (hashed(seed, int(np.prod(shape))) % np.uint64(9)).astype(np.float32) - 4.0
    return torch.tensor(values.reshape(shape) / 8.0)


def inputs(seed, shape, graded):
    h = hashed(seed, int(np.prod(shape)))
    values = (h % np.uint64(3) == 0).astype(np.float32)
    if graded:
        values += (h % np.uint64(29) == 0)
    return values.reshape(shape)


def leaky(beta, **more):
    return snn.Leaky(beta=beta, threshold=0.5, reset_mechanism="subtract", reset_delay=False,
                     init_hidden=True, **more)


def set_weights(net):
    seed = 1
    for parameter in net.parameters():
        if parameter.requires_grad:
            parameter.data = weights(seed, tuple(parameter.shape))
            seed += 1


def networks():
    torch.manual_seed(0)
    return {
        "feed_forward": (nn.Sequential(
            nn.Linear(12, 10), leaky(0.5), nn.Linear(10, 6, bias=False),
            leaky(0.75, output=True)), (12,), False),
        "convolutional": (nn.Sequential(
            nn.Conv2d(2, 3, 3, padding=1), leaky(0.5), nn.AvgPool2d(2),
            nn.Conv2d(3, 4, 2, bias=False), leaky(0.5), nn.Flatten(), nn.Linear(16, 5),
            leaky(0.5, output=True)), (2, 6, 6), True),
        "recurrent": (nn.Sequential(
            nn.Linear(8, 7), snn.RLeaky(beta=0.5, threshold=0.5, linear_features=7,
                                        reset_mechanism="subtract", reset_delay=False,
                                        init_hidden=True),
            nn.Linear(7, 4), leaky(0.5, output=True)), (8,), False),
    }


def examples():
    """The networks of the harness's examples: DVS Gesture and Google Speech Commands."""
    conv = nn.Sequential(
        nn.Conv2d(2, 16, 5, padding="same"), leaky(0.9), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 5, padding="same"), leaky(0.9), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding="same"), leaky(0.9), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(1024, 11), leaky(0.9, output=True))
    gsc = nn.Sequential(
        nn.Linear(20, 256), leaky(0.9), nn.Linear(256, 256), leaky(0.9), nn.Linear(256, 256),
        leaky(0.9), nn.Linear(256, 35), leaky(0.9, output=True))
    return {"dvs_gesture": (conv, (2, 32, 32), 150), "gsc": (gsc, (20,), 200)}


def harness(net, data, batch):
    labels = torch.zeros(len(data), dtype=torch.long)
    loader = DataLoader(TensorDataset(torch.tensor(data), labels), batch_size=batch)
    metrics = [[Footprint, ParameterCount, ConnectionSparsity],
               [ActivationSparsity, SynapticOperations, MembraneUpdates, NeuronOperations]]
    found = Benchmark(SNNTorchModel(net), loader, [], [], metrics).run(quiet=True)
    operations = found["SynapticOperations"]
    neuron = found["NeuronOperations"]
    if not isinstance(neuron, dict):  # the harness reports its own failure as 0.0
        neuron = {"Effective Neuron Ops": 0.0, "Neuron Dense Ops": 0.0}
    return {
        "footprint_bytes": found["Footprint"], "parameters": found["ParameterCount"],
        "connection_sparsity": found["ConnectionSparsity"],
        "activation_sparsity": found["ActivationSparsity"],
        "effective_macs": operations["Effective_MACs"],
        "effective_acs": operations["Effective_ACs"], "dense": operations["Dense"],
        "membrane_updates": found["MembraneUpdates"],
        "neuron_operations": neuron["Effective Neuron Ops"],
        "neuron_operations_dense": neuron["Neuron Dense Ops"],
    }


def to_nir(net, shape, path):
    nodes, edges, last = {"input": nir.Input({"input": np.array(shape)})}, [], "input"
    here = torch.zeros((1, *shape))

    def add(name, node):
        nonlocal last
        nodes[name] = node
        edges.append((last, name))
        last = name

    def affine(layer):
        weight = layer.weight.detach().numpy()
        if layer.bias is None:
            return nir.Linear(weight)
        return nir.Affine(weight, layer.bias.detach().numpy())

    for number, layer in enumerate(net):
        name = f"n{number}"
        if isinstance(layer, nn.Linear):
            add(name, affine(layer))
        elif isinstance(layer, nn.Conv2d):
            bias = np.zeros(layer.out_channels, np.float32) if layer.bias is None \
                else layer.bias.detach().numpy()
            add(name, nir.Conv2d(tuple(here.shape[2:]), layer.weight.detach().numpy(), layer.stride,
                                 layer.padding, layer.dilation, layer.groups, bias))
        elif isinstance(layer, nn.AvgPool2d):
            pair = np.array([layer.kernel_size] * 2)
            add(name, nir.AvgPool2d(kernel_size=pair, stride=pair, padding=np.array([0, 0])))
        elif isinstance(layer, nn.Flatten):
            add(name, nir.Flatten({"input": np.array(here.shape[1:])}, start_dim=0))
        elif isinstance(layer, (snn.Leaky, snn.RLeaky)):
            size = tuple(here.shape[1:])
            tau = np.full(size, DT / (1.0 - float(layer.beta)))
            add(name, nir.LIF(tau=tau, r=tau / DT, v_leak=np.zeros(size),
                              v_threshold=np.full(size, float(layer.threshold))))
            if isinstance(layer, snn.RLeaky):
                nodes[name + "r"] = affine(layer.recurrent)
                edges.extend([(name, name + "r"), (name + "r", name)])
            continue
        with torch.no_grad():
            here = layer(here)
    nodes["output"] = nir.Output({"output": np.array(here.shape[1:])})
    edges.append((last, "output"))
    nir.write(path, nir.NIRGraph(nodes, edges))


def flattened(document):
    operations = document.pop("synaptic_operations")
    return {**document, **operations}


def ours(binary, folder, name, net, shape, data):
    to_nir(net, shape, folder / f"{name}.nir")
    np.save(folder / f"{name}.npy", data)
    command = [binary, "energy", folder / f"{name}.nir", "--input", folder / f"{name}.npy",
               "--samples", "--preset", "snntorch", "--dt", str(DT), "--reset", "once",
               "--neurobench", "--json"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return flattened(json.loads(done.stdout)["neurobench"])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary")
    parser.add_argument("--freeze", type=pathlib.Path)
    options = parser.parse_args()
    expected, different = {}, 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        for name, (net, shape, graded) in networks().items():
            set_weights(net)
            data = inputs(77, (SAMPLES, STEPS, *shape), graded)
            expected[name] = {"batch_1": harness(net, data, 1)}
            # A network that has run keeps its states in buffers, which footprint counts, so the
            # second run leaves out what does not depend on the batch.
            second = harness(net, data, 2)
            expected[name]["batch_2"] = {key: value for key, value in second.items()
                                         if key not in STATIC}
            if not options.binary:
                continue
            got = ours(options.binary, folder, name, net, shape, data)
            if name == "convolutional":
                # NIR convolutions always have a bias; the network's second one has none.
                got["parameters"] -= 4
                got["footprint_bytes"] -= 16
            for key, value in expected[name]["batch_1"].items():
                same = abs(got[key] - value) <= 1e-12 * max(1.0, abs(value))
                different += not same
                print(f"{name:14} {key:24} {value:>14.6f} {got[key]:>14.6f} "
                      f"{'equal' if same else 'DIFFERENT'}")
        for name, (net, shape, steps) in examples().items():
            data = np.zeros((1, steps, *shape), np.float32)
            found = harness(net, data, 1)
            expected[name] = {key: found[key] for key in ("footprint_bytes", "parameters", "dense")}
            print(f"{name:14} {expected[name]}")
    if options.freeze:
        note = "written by tests/accept/neurobench_parity.py --freeze with neurobench 2.3.0"
        options.freeze.write_text(json.dumps({"note": note, **expected}, indent=1) + "\n")
    print("all equal" if different == 0 else f"{different} differ")
    return different != 0


if __name__ == "__main__":
    sys.exit(main())

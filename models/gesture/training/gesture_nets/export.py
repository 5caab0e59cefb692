"""Writes a trained network as a model file (docs/formats.md) with its card, and scores what it wrote:

    python -m gesture_nets.export WORK/lif/weights.pt --test DATA/test --out ../weights/gesture-lif.sloom

Weights are int8 with a scale per output: s = max|w| / 127, q = w / s rounded to nearest, ties to
even. The scores are those of the network with q s in the place of w, which is what runs.
"""

import argparse
import json
from pathlib import Path

import h5py
import numpy as np
import torch

from .clips import Clips
from .networks import CLASSES, INPUT_SCALE, NETWORKS
from .session import SEEDS
from .train import scores

STEP = 0.025
NAMES = ["hand clap", "right hand wave", "left hand wave", "right arm clockwise",
         "right arm counter", "left arm clockwise", "left arm counter", "arm roll", "air drums",
         "air guitar", "other"]


def rounded(weight):
    """(int8, scale per row); the product is the weight that runs."""
    rows = weight.detach().double().reshape(len(weight), -1)
    scale = rows.abs().amax(1) / 127
    scale[scale == 0] = 1
    scale = scale.float()
    q = (rows / scale.double().unsqueeze(1)).round().clamp(-127, 127)
    return q.reshape(weight.shape).to(torch.int8), scale


def product(q, scale):
    return q.float() * scale.reshape(-1, *[1] * (q.dim() - 1))


def quantise(network):
    """Rounds the weights of a network in place, folding its scales in; returns them by name."""
    stored = {}
    features = network.features
    for k, kernel in enumerate(features.folded()):
        q, scale = rounded(kernel)
        stored[f"conv{k + 1}"] = (q, scale)
        # The layer still multiplies by its own factor, and the first by the input's scale.
        factor = features.scales[k].factor().reshape(-1, 1, 1, 1)
        if k == 0:
            factor = factor * INPUT_SCALE
        features.layers[k].weight.data = product(q, scale) / factor
    if network.kind == "lif":
        factor = network.hidden_scale.factor().unsqueeze(1)
        q, scale = rounded(network.hidden.weight * factor)
        stored["hidden"] = (q, scale)
        network.hidden.weight.data = product(q, scale) / factor
    else:
        for name in ("kernel", "recurrent"):
            q, scale = rounded(getattr(network.egru, name))
            stored[name] = (q, scale)
            getattr(network.egru, name).data = product(q, scale)
    q, scale = rounded(network.out.weight)
    stored["out"] = (q, scale)
    network.out.weight.data = product(q, scale)
    return stored


def lif_fields(decay):
    """A decay a per channel as tau = dt / (1 - a); the integrator raw-euler makes 1 - dt / tau of it."""
    tau = STEP / (1 - decay.detach().double().numpy())
    one = np.ones(1)
    return {"tau": tau, "r": one, "v_leak": np.zeros(1), "v_threshold": one}


def per_neuron(fields, shape):
    """One decay a neuron, as the format wants it; the rest is equal for all."""
    tau = fields["tau"].reshape(-1, *[1] * (len(shape) - 1))
    return {**fields, "tau": np.broadcast_to(tau, shape).copy()}


def chain(network, stored):
    """The nodes of the network's one path: (name, kind, fields)."""
    sums = {"kernel_size": np.array([4, 4]), "stride": np.array([4, 4]), "padding": np.array([0, 0])}
    nodes = [("input", "Input", {"shape": np.array([2, 128, 128])}), ("sums", "SumPool2d", sums)]
    side = 32
    for k, layer in enumerate(network.features.layers):
        q, scale = stored[f"conv{k + 1}"]
        nodes.append((f"conv{k + 1}", "Conv2d", {
            "weight": q.numpy(), "weight_scale": scale.numpy(),
            "input_shape": np.array([side, side]), "stride": np.array([2, 2]),
            "padding": np.array(layer.padding), "dilation": np.array([1, 1]),
            "groups": np.array(1)}))
        side //= 2
        if network.kind == "lif":
            shape = (layer.out_channels, side, side)
            nodes.append((f"lif{k + 1}", "LIF", per_neuron(lif_fields(network.decay(k)), shape)))
        else:
            nodes.append((f"relu{k + 1}", "ReLU", {}))
    nodes.append(("flat", "Flatten", {"start_dim": np.array(0), "end_dim": np.array(-1)}))
    if network.kind == "lif":
        q, scale = stored["hidden"]
        nodes.append(("hidden", "Linear", {"weight": q.numpy(), "weight_scale": scale.numpy()}))
        nodes.append(("neurons", "LIF", per_neuron(lif_fields(network.decay(3)), (len(q),))))
    else:
        egru = network.egru
        nodes.append(("neurons", "EGRU", {
            "kernel": stored["kernel"][0].numpy(), "kernel_scale": stored["kernel"][1].numpy(),
            "recurrent": stored["recurrent"][0].numpy(),
            "recurrent_scale": stored["recurrent"][1].numpy(),
            "bias": egru.bias.detach().numpy(), "threshold": egru.theta.numpy(),
            "recurrent_bias": egru.recurrent_bias.detach().numpy()}))
    q, scale = stored["out"]
    nodes.append(("out", "Linear", {"weight": q.numpy(), "weight_scale": scale.numpy()}))
    nodes.append(("classes", "Output", {"shape": np.array([CLASSES])}))
    return nodes


def write(path, nodes, card):
    text = h5py.string_dtype()
    settings = {
        "discretisation": {"dt": STEP, "integrator": "raw-euler", "reset": "subtract"},
        "input_coding": {"coding": "binary", "origin": "zero", "steps": 58},
        "read_out": "mean"}
    with h5py.File(path, "w", libver=("v108", "v108")) as file:
        file.create_dataset("format", data="spikeloom-model", dtype=text)
        file["format_version"] = 1
        file.create_dataset("run_settings", dtype=text, data=json.dumps(settings))
        file.create_dataset("model_card", dtype=text, data=card)
        file["network/edges"] = np.array([[k, k + 1] for k in range(len(nodes) - 1)])
        for k, (name, kind, fields) in enumerate(nodes):
            node = file.create_group(f"network/nodes/{k}")
            node.create_dataset("name", data=name, dtype=text)
            node.create_dataset("kind", data=kind, dtype=text)
            node.create_group("fields")
            for key, value in fields.items():
                repeats = key == "tau"  # one value for all neurons of a channel
                node.create_dataset(f"fields/{key}", data=value,
                                    **({"compression": 9} if repeats else {}))


def card_of(name, network, state, result):
    flags = state["flags"]
    recipe = "".join(f"\n  - from update {phase['from']}: " + ", ".join(
        f"{k} {v}" for k, v in phase["recipe"].items()) for phase in state["phases"])
    kinds = {"lif": "three convolutions and one dense layer of leaky integrate-and-fire neurons",
             "egru": "three convolutions with ReLU, then event-based gated recurrent units (EGRU)"}
    parameters = sum(p.numel() for p in network.parameters())
    activity = " / ".join(f"{a:.3f}" for a in result["activity"])
    rows = "".join(f"| {n} | {right} of {count} |\n"
                   for n, right, count in zip(NAMES, result["right"], result["count"]))
    return f"""# {name}

{kinds[network.kind]}; a linear read-out whose mean over the clip decides. Sees events of a
128 x 128 camera in frames of 25 ms, each pixel and polarity at most once, added up over 4 x 4 pixels.

- data: {state['clips']} simulated clips of 1.45 s (`spikeloom sensors gestures`, seeds from {SEEDS["train"]}),
  varied as `clips.py` says; no real recording
- recipe, `gesture_nets.train {network.kind}`:{recipe}
- seed: {flags['seed']}
- training: {state['update']} updates, {state['seconds']:.0f} s on {state['machine']}
- parameters: {parameters}; weights int8 with a scale per output
- accuracy on {result['clips']} simulated clips held out (seeds {result['seeds']}): {result['accuracy']:.4f};
  before rounding to int8: {result['accuracy_float']:.4f}
- activity per layer and step: {activity}

| gesture | right |
|---|---|
{rows}"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights")
    parser.add_argument("--test", required=True, help="folder of held-out shards")
    parser.add_argument("--seeds", default="from 560000", help="of these clips, for the card")
    parser.add_argument("--out", required=True)
    flags = parser.parse_args()
    state = torch.load(flags.weights, map_location="cpu", weights_only=True)
    torch.set_num_threads(1)
    network = NETWORKS[state["kind"]](**state["shape"])
    network.load_state_dict(state["network"])
    test = Clips(flags.test)
    before, _ = scores(network, test, "cpu")
    with torch.no_grad():
        stored = quantise(network)
    logits, activity = scores(network, test, "cpu")
    said = logits.argmax(1)
    right = said == test.labels
    result = {
        "clips": len(test.labels), "seeds": flags.seeds,
        "accuracy": float(right.float().mean()),
        "accuracy_float": float((before.argmax(1) == test.labels).float().mean()),
        "activity": activity,
        "right": [int(right[test.labels == k].sum()) for k in range(CLASSES)],
        "count": [int((test.labels == k).sum()) for k in range(CLASSES)]}
    out = Path(flags.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    card = card_of(out.stem, network, state, result)
    write(out, chain(network, stored), card)
    out.with_suffix(".md").write_text(card)
    out.with_suffix(".predictions.txt").write_text("\n".join(str(int(k)) for k in said) + "\n")
    print(json.dumps({**result, "bytes": out.stat().st_size}))


if __name__ == "__main__":
    main()

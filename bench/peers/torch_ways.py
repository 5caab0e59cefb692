"""The network in plain PyTorch: step by step, and layer by layer with time folded into the batch.

IF rule of the file, taken literally: v += x; a spike where v > 1; there v = 0.
"""

import numpy as np
import torch
import torch.nn.functional as F

UNROLLED_STEPS = 16  # of the compiled IF loop; 300 steps at once take minutes to compile


def build_torch_layers(layers):
    """(function of a batch of frames, is_neuron) per node; a bias of zeros is left out."""
    built = []
    for kind, p in layers:
        if kind in ("Conv2d", "Affine", "Linear"):
            weight = torch.from_numpy(np.ascontiguousarray(p["weight"]))
            bias = torch.from_numpy(p["bias"]) if np.any(p.get("bias", 0) != 0) else None
        if kind == "Conv2d":
            stride, padding = tuple(int(s) for s in p["stride"]), tuple(int(s) for s in p["padding"])
            dilation, groups = tuple(int(s) for s in p["dilation"]), int(p["groups"])
            built.append(
                (lambda x, w=weight, b=bias, s=stride, q=padding, d=dilation, g=groups:
                 F.conv2d(x, w, b, s, q, d, g), False))
        elif kind in ("Affine", "Linear"):
            built.append((lambda x, w=weight, b=bias: F.linear(x, w, b), False))
        elif kind == "SumPool2d":
            size = tuple(int(s) for s in p["kernel_size"])
            stride = tuple(int(s) for s in p["stride"])
            built.append(
                (lambda x, k=size, s=stride: F.avg_pool2d(x, k, s, divisor_override=1), False))
        elif kind == "Flatten":
            built.append((lambda x: x.flatten(1), False))
        elif kind == "IF":
            built.append((None, True))
        else:
            raise ValueError(f"no PyTorch form of {kind}")
    return built


# --- step by step --------------------------------------------------------------------------------


class StepLoop:
    """One step at a time through all layers: what a stream of events allows."""

    streams = True
    rule = "zero"

    def __init__(self, layers):
        self.layers = build_torch_layers(layers)
        shape = torch.zeros(1, 2, 34, 34)
        self.initial = []
        for function, is_neuron in self.layers:
            if is_neuron:
                self.initial.append(torch.zeros_like(shape))
            else:
                shape = function(shape)

    def step(self, x, states):
        neuron = 0
        for function, is_neuron in self.layers:
            if is_neuron:
                v = states[neuron].add_(x)
                spikes = v > 1.0
                v.masked_fill_(spikes, 0.0)
                x = spikes.float()
                neuron += 1
            else:
                x = function(x)
        return x

    def counts(self, frames):
        states = [v.clone() for v in self.initial]
        counts = torch.zeros(1, 10)
        for t in range(frames.shape[0]):
            counts += self.step(frames[t : t + 1], states)
        return counts[0]


class CompiledStepLoop(StepLoop):
    """The same with the step as one compiled graph."""

    def __init__(self, layers):
        super().__init__(layers)
        self.compiled = torch.compile(self.pure_step)

    def pure_step(self, x, states):
        after = []
        for function, is_neuron in self.layers:
            if is_neuron:
                v = states[len(after)] + x
                spikes = v > 1.0
                after.append(torch.where(spikes, 0.0, v))
                x = spikes.float()
            else:
                x = function(x)
        return x, after

    def counts(self, frames):
        states = [v.clone() for v in self.initial]
        counts = torch.zeros(1, 10)
        for t in range(frames.shape[0]):
            x, states = self.compiled(frames[t : t + 1], states)
            counts += x
        return counts[0]


# --- layer by layer ------------------------------------------------------------------------------


def eager_if(x):
    spikes = torch.empty_like(x)
    v = torch.zeros_like(x[0])
    for t in range(x.shape[0]):
        v.add_(x[t])
        fired = v > 1.0
        v.masked_fill_(fired, 0.0)
        spikes[t] = fired
    return spikes


@torch.jit.script
def script_if(x: torch.Tensor):
    spikes = torch.empty_like(x)
    v = torch.zeros_like(x[0])
    for t in range(x.size(0)):
        v.add_(x[t])
        fired = v > 1.0
        v.masked_fill_(fired, 0.0)
        spikes[t] = fired
    return spikes


def numpy_if(x):
    x = x.numpy()
    fired = np.empty(x.shape, dtype=bool)
    v = np.zeros_like(x[0])
    for t in range(x.shape[0]):
        np.add(v, x[t], out=v)
        np.greater(v, 1.0, out=fired[t])
        np.copyto(v, 0.0, where=fired[t])
    return torch.from_numpy(fired.astype(np.float32))


def if_block(v, x):
    spikes = []
    for t in range(UNROLLED_STEPS):
        v = v + x[t]
        fired = v > 1.0
        v = torch.where(fired, 0.0, v)
        spikes.append(fired.float())
    return v, torch.stack(spikes)


class CompiledIf:
    """torch.compile of a block of unrolled steps; empty steps fill up the last block."""

    def __init__(self):
        self.block = torch.compile(if_block, dynamic=False)

    def __call__(self, x):
        steps = x.shape[0]
        short = -steps % UNROLLED_STEPS
        flat = x.reshape(steps, -1)
        if short:
            flat = F.pad(flat, (0, 0, 0, short))
        v = torch.zeros(flat.shape[1])
        blocks = []
        for begin in range(0, flat.shape[0], UNROLLED_STEPS):
            v, spikes = self.block(v, flat[begin : begin + UNROLLED_STEPS])
            blocks.append(spikes)
        return torch.cat(blocks)[:steps].reshape(x.shape)


class Folded:
    """All steps through one layer, then through the next: needs the whole recording first."""

    streams = False
    rule = "zero"

    def __init__(self, layers, neurons):
        self.layers = build_torch_layers(layers)
        self.neurons = neurons

    def counts(self, frames):
        x = frames
        for function, is_neuron in self.layers:
            x = self.neurons(x) if is_neuron else function(x)
        return x.sum(0)


def torch_ways(layers):
    """name -> maker, so that a way that cannot be made costs nothing but its row."""
    return {
        "PyTorch step by step": lambda: StepLoop(layers),
        "PyTorch step by step, torch.compile": lambda: CompiledStepLoop(layers),
        "PyTorch folded, eager IF loop": lambda: Folded(layers, eager_if),
        "PyTorch folded, NumPy IF loop": lambda: Folded(layers, numpy_if),
        "PyTorch folded, TorchScript IF loop": lambda: Folded(layers, script_if),
        "PyTorch folded, torch.compile IF loop": lambda: Folded(layers, CompiledIf()),
    }

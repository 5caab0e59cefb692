"""The networks of `./dev gpu run` in PyTorch on one GPU: dense, with time folded into the batch.

Every way takes the same frames and gives the same output counts as the runtime. The neurons of a
layer go through all steps of a chunk in one kernel (Triton: what SpikingJelly's multi-step neurons
do with CuPy or Triton), or in blocks of unrolled steps (torch.compile). TF32 stays off: it rounds
what spikes depend on.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

try:
    import triton
    import triton.language as tl
except ImportError:  # a machine without a GPU
    triton = None

torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
UNROLLED = 16  # steps of a compiled block

if triton is not None:

    @triton.jit
    def if_kernel(x, v, spikes, size, steps, BLOCK: tl.constexpr):
        """v += x; a spike where v > 1; there v = 0."""
        at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        here = at < size
        state = tl.load(v + at, mask=here)
        for t in range(steps):
            place = at.to(tl.int64) + t * size.to(tl.int64)
            state = state + tl.load(x + place, mask=here)
            fired = state > 1.0
            state = tl.where(fired, 0.0, state)
            tl.store(spikes + place, fired.to(tl.float32), mask=here)
        tl.store(v + at, state, mask=here)

    @triton.jit
    def lif_kernel(x, v, spikes, size, steps, BLOCK: tl.constexpr):
        """v = v / 2 + x / 2; a spike where v >= 1; there v -= 1."""
        at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        here = at < size
        state = tl.load(v + at, mask=here)
        for t in range(steps):
            place = at.to(tl.int64) + t * size.to(tl.int64)
            state = 0.5 * state + 0.5 * tl.load(x + place, mask=here)
            fired = state >= 1.0
            state = tl.where(fired, state - 1.0, state)
            tl.store(spikes + place, fired.to(tl.float32), mask=here)
        tl.store(v + at, state, mask=here)

    @triton.jit
    def loihi_kernel(x, u, v, late, spikes, size, steps, BLOCK: tl.constexpr):
        """SLAYER's integer neuron; what crosses in a step leaves in the next."""
        at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        here = at < size
        current = tl.load(u + at, mask=here, other=0)
        membrane = tl.load(v + at, mask=here, other=0)
        due = tl.load(late + at, mask=here, other=0)
        for t in range(steps):
            place = at.to(tl.int64) + t * size.to(tl.int64)
            tl.store(spikes + place, due.to(tl.float32), mask=here)
            drive = tl.load(x + place, mask=here, other=0.0).to(tl.int32)
            kept = (tl.abs(current).to(tl.int64) * 3072 >> 12).to(tl.int32)
            current = tl.where(current < 0, -kept, kept) + 64 * drive
            kept = (tl.abs(membrane).to(tl.int64) * 3968 >> 12).to(tl.int32)
            membrane = tl.where(membrane < 0, -kept, kept) + current
            due = (membrane > 5120).to(tl.int32)
            membrane = tl.where(due != 0, 0, membrane)
        tl.store(u + at, current, mask=here)
        tl.store(v + at, membrane, mask=here)
        tl.store(late + at, due, mask=here)


def launch(kernel, x, *state):
    """Runs x (steps, ...) through a neuron kernel; `state` is changed in place."""
    x = x.contiguous()
    spikes = torch.empty_like(x)
    size = x[0].numel()
    kernel[(triton.cdiv(size, 256),)](x, *state, spikes, size, x.shape[0], BLOCK=256)
    return spikes


def if_block(v, x):
    spikes = []
    for t in range(x.shape[0]):
        v = v + x[t]
        fired = v > 1.0
        v = torch.where(fired, 0.0, v)
        spikes.append(fired.float())
    return v, torch.stack(spikes)


def lif_block(v, x):
    spikes = []
    for t in range(x.shape[0]):
        v = 0.5 * v + 0.5 * x[t]
        fired = v >= 1.0
        v = torch.where(fired, v - 1.0, v)
        spikes.append(fired.float())
    return v, torch.stack(spikes)


def decayed(value, kept):
    part = (value.abs().long() * kept >> 12).int()
    return torch.where(value < 0, -part, part)


def loihi_block(u, v, late, x):
    spikes = []
    for t in range(x.shape[0]):
        spikes.append(late.float())
        u = decayed(u, 3072) + 64 * x[t].int()
        v = decayed(v, 3968) + u
        late = (v > 5120).int()
        v = torch.where(late != 0, 0, v)
    return u, v, late, torch.stack(spikes)


def spikingjelly_neuron(kind):
    """Multi-step; the library takes its own kernels (Triton, CuPy) for CUDA tensors. It fires where
    v reaches the threshold; it has no neuron of Loihi's integers."""
    from spikingjelly.activation_based import neuron

    if kind == "if":
        return neuron.IFNode(v_threshold=1.0, v_reset=0.0, step_mode="m").eval()
    if kind == "lif":
        return neuron.LIFNode(tau=2.0, v_threshold=1.0, v_reset=None, step_mode="m").eval()
    raise ValueError(f"SpikingJelly has no {kind} neuron")


class Neurons:
    """One layer's neurons over chunks of steps."""

    STATES = {"if": (torch.float32,), "lif": (torch.float32,), "loihi": (torch.int32,) * 3}

    def __init__(self, kind, form):
        self.kind, self.form, self.state, self.library = kind, form, None, None
        if form == "spikingjelly":
            self.library = spikingjelly_neuron(kind)
        block = {"if": if_block, "lif": lif_block, "loihi": loihi_block}[kind]
        self.block = torch.compile(block, dynamic=False) if form == "compile" else block

    def reset(self):
        self.state = None
        if self.library is not None:
            self.library.reset()

    def __call__(self, x):
        if self.library is not None:
            return self.library(x)
        if self.state is None:
            self.state = [torch.zeros(x.shape[1:], dtype=d, device=x.device)
                          for d in self.STATES[self.kind]]
        if self.form == "triton":
            kernel = {"if": if_kernel, "lif": lif_kernel, "loihi": loihi_kernel}[self.kind]
            return launch(kernel, x, *self.state)
        parts = []
        for begin in range(0, x.shape[0], UNROLLED):
            block = x[begin : begin + UNROLLED]
            short = UNROLLED - block.shape[0]
            if short and self.form == "compile" and begin + UNROLLED > x.shape[0]:
                *_, spikes = self.eager_tail(block)
            else:
                *self.state, spikes = self.block(*self.state, block)
            parts.append(spikes)
        return torch.cat(parts)

    def eager_tail(self, block):
        eager = {"if": if_block, "lif": lif_block, "loihi": loihi_block}[self.kind]
        *self.state, spikes = eager(*self.state, block)
        return self.state, spikes


class Folded:
    """layers: functions of (rows, ...) or Neurons. Frames are (steps, batch, ...)."""

    def __init__(self, layers):
        self.layers = layers

    def reset(self):
        for layer in self.layers:
            if isinstance(layer, Neurons):
                layer.reset()

    def __call__(self, x):
        for layer in self.layers:
            if isinstance(layer, Neurons):
                x = layer(x)
            else:
                y = layer(x.flatten(0, 1))
                x = y.unflatten(0, x.shape[:2])
        return x


def digits_layers(layers, form, device):
    """Of workload.read_layers()."""
    from torch_ways import build_torch_layers

    moved = []
    for kind, fields in layers:
        moved.append((kind, fields))
    built = []
    with torch.device(device):
        for function, is_neuron in build_torch_layers(moved):
            built.append(Neurons("if", form) if is_neuron else to_device(function, device))
    return built


def to_device(function, device):
    """The weights of a layer are default arguments of its function."""
    values = tuple(v.to(device) if isinstance(v, torch.Tensor) else v
                   for v in function.__defaults__ or ())
    function.__defaults__ = values or None
    return function


def gesture_layers(folder, form, device):
    """SLAYER's network: pooling sums with weight 28, convolutions without bias, Loihi's neurons."""

    def weights(name, *shape):
        values = np.loadtxt(Path(folder) / f"{name}.txt", dtype=np.float32)
        return torch.from_numpy(values.reshape(shape)).to(device)

    conv1, conv2 = weights("conv1", 16, 2, 5, 5), weights("conv2", 32, 16, 3, 3)
    fc1, fc2 = weights("fc1", 512, 2048), weights("fc2", 11, 512)

    def pool(size):
        return lambda x: F.avg_pool2d(x, size, divisor_override=1) * 28.0

    return [
        pool(4), Neurons("loihi", form),
        lambda x: F.conv2d(x, conv1, padding=2), Neurons("loihi", form),
        pool(2), Neurons("loihi", form),
        lambda x: F.conv2d(x, conv2, padding=1), Neurons("loihi", form),
        pool(2), Neurons("loihi", form),
        lambda x: F.linear(x.flatten(1), fc1), Neurons("loihi", form),
        lambda x: F.linear(x, fc2), Neurons("loihi", form),
    ]


def gesture_frames(path, steps=1450):
    """(steps, 2, 128, 128) uint8: bins of 1 ms to the nearest, ties to even, 1 where an event is;
    the first bin is never used."""
    raw = np.frombuffer(Path(path).read_bytes(), dtype=np.uint8).reshape(-1, 5).astype(np.int64)
    time = ((raw[:, 2] & 0x7F) << 16) | (raw[:, 3] << 8) | raw[:, 4]
    step = np.round(time / 1000).astype(np.int64)
    keep = (step < steps) & (step > 0)
    frames = np.zeros((steps, 2, 128, 128), dtype=np.uint8)
    frames[step[keep], raw[keep, 2] >> 7, raw[keep, 1], raw[keep, 0]] = 1
    return frames

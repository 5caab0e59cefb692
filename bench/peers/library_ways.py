"""The network in the spiking libraries, each with its own neuron and its own way over time."""

import torch
from torch_ways import build_torch_layers


class SpikingJelly:
    """Multi-step mode: weights over folded time, IFNode over (T, N, ...). Fires at v >= 1."""

    streams = False
    rule = "zero"

    def __init__(self, layers):
        from spikingjelly.activation_based import functional, neuron

        self.reset = functional.reset_net
        self.layers = [
            (neuron.IFNode(v_threshold=1.0, v_reset=0.0, step_mode="m").eval(), True)
            if is_neuron else (function, False)
            for function, is_neuron in build_torch_layers(layers)
        ]

    def counts(self, frames):
        x = frames
        for layer, is_neuron in self.layers:
            if is_neuron:
                self.reset(layer)
                x = layer(x.unsqueeze(1)).squeeze(1)
            else:
                x = layer(x)
        return x.sum(0)


class Sinabs:
    """IAFSqueeze as the library defines it: several spikes a step, subtracted, v not below -1."""

    streams = False
    rule = "multi"

    def __init__(self, layers):
        import sinabs.layers as sl

        self.layers = [
            (sl.IAFSqueeze(batch_size=1, min_v_mem=-1.0).eval(), True)
            if is_neuron else (function, False)
            for function, is_neuron in build_torch_layers(layers)
        ]

    def counts(self, frames):
        x = frames
        for layer, is_neuron in self.layers:
            if is_neuron:
                layer.reset_states()
            x = layer(x)
        return x.sum(0)


class Norse:
    """IAFCell, one step at a time through all layers."""

    streams = True
    rule = "zero"

    def __init__(self, layers):
        import norse.torch as norse

        self.layers = [
            (norse.IAFCell(), True) if is_neuron else (function, False)
            for function, is_neuron in build_torch_layers(layers)
        ]

    def counts(self, frames):
        states = [None] * len(self.layers)
        counts = torch.zeros(1, 10)
        for t in range(frames.shape[0]):
            x = frames[t : t + 1]
            for number, (layer, is_neuron) in enumerate(self.layers):
                if is_neuron:
                    x, states[number] = layer(x, states[number])
                else:
                    x = layer(x)
            counts += x
        return counts[0]


class SnnTorch:
    """Leaky with beta 1, reset to zero at once, one step at a time through all layers."""

    streams = True
    rule = "zero"

    def __init__(self, layers):
        import snntorch

        self.layers = [
            (snntorch.Leaky(beta=1.0, threshold=1.0, reset_mechanism="zero", reset_delay=False), True)
            if is_neuron else (function, False)
            for function, is_neuron in build_torch_layers(layers)
        ]

    def counts(self, frames):
        states = [
            layer.reset_mem() if is_neuron else None for layer, is_neuron in self.layers
        ]
        counts = torch.zeros(1, 10)
        for t in range(frames.shape[0]):
            x = frames[t : t + 1]
            for number, (layer, is_neuron) in enumerate(self.layers):
                if is_neuron:
                    x, states[number] = layer(x, states[number])
                else:
                    x = layer(x)
            counts += x
        return counts[0]


def library_ways(layers):
    return {
        "SpikingJelly multi-step": lambda: SpikingJelly(layers),
        "sinabs IAFSqueeze": lambda: Sinabs(layers),
        "Norse IAFCell": lambda: Norse(layers),
        "snnTorch Leaky": lambda: SnnTorch(layers),
    }

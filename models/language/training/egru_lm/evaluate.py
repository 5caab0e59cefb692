"""Perplexity, activity and effective multiply-accumulates, in both protocols.

carried: h and y go on from window to window.
reset:   h (LSTM: c) restarts from zero every `window` tokens, y is carried: the published protocol.
Perplexity is exp of the mean loss over all predicted tokens. Batch 1 scores every token but the
first; batch B cuts the text into B rows and leaves up to B - 1 tokens at its end out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .batching import rows as make_rows
from .kernels import Kernels
from .network import Computed, Network, Rounding, State


@dataclass(frozen=True)
class Calibration:
    """p = softmax(scale E y + b), see calibrate.py. before, after: the loss of the fitted text."""

    scale: float
    before: float
    after: float


def perplexity(loss: float) -> float:
    return math.exp(loss) if loss < 50 else math.inf


@dataclass(frozen=True)
class Score:
    """loss: mean negative log-likelihood per token (nats); active: per layer, share of events.

    loss_calibrated: of the same outputs, their logits scaled by calibration, where one was given.
    """

    loss: float
    tokens: int
    active: list[float]
    macs: float
    macs_dense: float
    macs_all_active: float
    loss_calibrated: float | None = None

    @property
    def perplexity(self) -> float:
        return perplexity(self.loss)


def _nonzero_per_source(matrix: Tensor, gates_by_outputs_by_inputs: tuple[int, ...]) -> Tensor:
    _, _, inputs = gates_by_outputs_by_inputs
    return (matrix != 0).sum(dim=0)[:inputs].double()


def effective_macs(
    state: State, weights: Computed, activity: list[Tensor]
) -> tuple[float, float, float]:
    """Per token: counted with the measured activity of each source; with every weight and unit;
    with the stored weights but every unit active. Layer 1's input is dense by nature.
    """
    effective = dense = all_active = 0.0
    entries = state.layout.entries
    for i, layer in enumerate(weights.layers):
        for name, matrix, source in (
            ("kernel", layer.kernel, i - 1),
            ("recurrent", layer.recurrent, i),
        ):
            shape = entries[f"layer{i + 1}.{name}"].shape
            stored = _nonzero_per_source(matrix, shape)
            share = activity[source][: shape[2]] if source >= 0 else torch.ones_like(stored)
            effective += float((stored * share).sum())
            all_active += float(stored.sum())
            dense += math.prod(shape)
    return effective, dense, all_active


class _Runner:
    """Feeds windows; replays a CUDA graph where one can be captured, else runs eagerly."""

    def __init__(self, network: Network, weights: Computed) -> None:
        self.network, self.weights = network, weights
        self.graph: torch.cuda.CUDAGraph | None = None
        if network.state.flat.is_cuda:
            try:
                self._capture()
            except RuntimeError as error:
                print(f"evaluation runs without a graph: {error}")
                self.graph = None

    def _window(self) -> None:
        self.network.forward(self.weights)
        self.network.score(self.weights)

    def _capture(self) -> None:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self._window()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._window()
        self.graph = graph

    def __call__(self, inputs: Tensor, targets: Tensor) -> Tensor:
        self.network.tokens.copy_(inputs)
        self.network.targets.copy_(targets)
        if self.graph is not None:
            self.graph.replay()
        else:
            self._window()
        return self.network.loss


@torch.no_grad()
def read_windows(
    state: State,
    tokens: Tensor,
    kernels: Kernels,
    batch: int,
    window: int,
    reset: bool,
    rounding: Rounding,
    operand: torch.dtype,
    visit: Callable[[Network, Computed], None],
) -> tuple[Computed, int]:
    """Scores a text window by window and shows each to visit; returns weights and positions."""
    table = make_rows(tokens, batch)
    count = table.shape[0] - 1
    window = min(window, count)
    network = Network(state, window, batch, operand, kernels)
    weights = network.compute_weights(rounding)
    run = _Runner(network, weights)
    network.restart()
    full = count // window
    for begin in range(0, full * window, window):
        network.carry(reset=reset)
        end = begin + window
        run(table[begin:end], table[begin + 1 : end + 1])
        visit(network, weights)
    rest = count - full * window
    if rest:
        network.carry(reset=reset)
        tail = Network(state, rest, batch, operand, kernels)
        for a, b in zip(tail.layers, network.layers, strict=True):
            a.state[0].copy_(b.state[0])
            a.y[0].copy_(b.y[0])
        tail.tokens.copy_(table[full * window : count])
        tail.targets.copy_(table[full * window + 1 :])
        tail.forward(weights)
        tail.score(weights)
        visit(tail, weights)
    return weights, count * batch


@torch.no_grad()
def evaluate(
    state: State,
    tokens: Tensor,
    kernels: Kernels,
    batch: int = 1,
    window: int = 70,
    reset: bool = False,
    rounding: Rounding | None = None,
    operand: torch.dtype | None = None,
    calibration: float | None = None,
) -> Score:
    """Scores a token stream that lies on the device of the state."""
    layout = state.layout
    total = torch.zeros((), dtype=torch.float64, device=tokens.device)
    calibrated = torch.zeros_like(total)
    events = [
        torch.zeros(n, dtype=torch.float64, device=tokens.device) for n in layout.padded_widths[1:]
    ]

    def add(part: Network, weights: Computed) -> None:
        total.add_(part.loss.sum(dtype=torch.float64))
        for sum_, layer in zip(events, part.layers, strict=True):
            sum_.add_((layer.y[1:] != 0).sum(dim=(0, 1)))
        if calibration is not None:
            part.logits.mul_(calibration)
            bias, targets = weights.decoder_bias, part.targets.view(-1)
            kernels.dense.softmax_loss(part.logits, bias, targets, layout.words, 0.0, part.loss)
            calibrated.add_(part.loss.sum(dtype=torch.float64))

    weights, positions = read_windows(
        state, tokens, kernels, batch, window, reset, rounding or Rounding(),
        operand or state.flat.dtype, add,
    )  # fmt: skip
    shares = [sum_.cpu() / positions for sum_ in events]
    macs, dense, all_active = effective_macs(state, weights, [s.to(tokens.device) for s in shares])
    active = [
        float(share[:width].mean()) for share, width in zip(shares, layout.widths[1:], strict=True)
    ]
    loss_calibrated = None if calibration is None else float(calibrated) / positions
    return Score(
        float(total) / positions, positions, active, macs, dense, all_active, loss_calibrated
    )

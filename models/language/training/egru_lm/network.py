"""The language model: embedding, recurrent layers, tied decoder, with hand-written gradients.

    x_t = embedding[token_t]      layers 1..L      logits = embedding y_L + decoder.bias

One object holds the static buffers for one (steps, rows) shape. The numbers live in the flat
buffers of `State`; the same State serves a training network and any number of evaluating ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from .config import Activity, Dropout, Model
from .kernels import Kernels
from .lanes import Lanes
from .layer import Layer, Weights
from .linalg import multiply
from .masks import Masks
from .parameters import Layout
from .quantise import rounded


@dataclass
class State:
    """The numbers of a model: flat weights (wide type) and the constant thresholds per layer."""

    layout: Layout
    flat: Tensor
    theta: list[Tensor]

    def view(self, name: str) -> Tensor:
        return self.layout.entries[name].view(self.flat)

    def logical(self, name: str) -> Tensor:
        return self.layout.entries[name].logical(self.flat)


@dataclass(frozen=True)
class Rounding:
    """Kinds of quantise.py used in the forward pass."""

    stack: str = "none"
    embedding: str = "none"


@dataclass
class Computed:
    """Weights in operand form, made once per window."""

    embedding: Tensor
    decoder_bias: Tensor
    layers: list[Weights] = field(default_factory=list)


PART = 10  # steps that a layer works on before the next layer may have them


def _matrix(weights: Tensor) -> Tensor:
    return weights.view(-1, weights.shape[-1])


class Network:
    """Forward, and for training backward, over windows of one shape."""

    def __init__(
        self,
        state: State,
        steps: int,
        rows: int,
        operand: torch.dtype,
        kernels: Kernels,
        training: bool = False,
        dropout: Dropout | None = None,
        dropout_sparse: Dropout | None = None,
    ) -> None:
        layout = state.layout
        device, wide = state.flat.device, state.flat.dtype
        self.state, self.layout = state, layout
        self.steps, self.rows, self.operand, self.kernels = steps, rows, operand, kernels
        self.training = training
        self.model: Model = layout.model
        widths = layout.padded_widths
        self.tokens = torch.zeros(steps, rows, dtype=torch.int32, device=device)
        self.targets = torch.zeros(steps, rows, dtype=torch.int32, device=device)
        # Per width, the first padded column: it is held at 1, see layer.py.
        self.ones = [a if b > a else -1 for a, b in zip(layout.widths, widths, strict=True)]
        surrogate = (self.model.gamma, self.model.beta)
        self.layers = [
            Layer(
                self.model.cell,
                (steps, rows, widths[i], widths[i + 1]),
                operand,
                wide,
                device,
                kernels,
                training,
                surrogate,
                self.ones[i],
            )
            for i in range(len(widths) - 1)
        ]
        self.parts = [(t, min(t + PART, steps)) for t in range(0, steps, PART)]
        self.lanes = Lanes(len(self.layers), device)
        self.output = torch.zeros(steps, rows, widths[-1], dtype=operand, device=device)
        self.logits = torch.zeros(steps * rows, layout.padded_words, dtype=operand, device=device)
        self.loss = torch.zeros(steps * rows, dtype=wide, device=device)
        self.masks: Masks | None = None
        if training:
            self.gradient = torch.zeros_like(state.flat)
            self.d_output = torch.zeros(steps, rows, widths[-1], dtype=wide, device=device)
            sizes = [(layout.gates * n, n) for n in widths[1:]]
            dropout = dropout or Dropout()
            self.masks = Masks(
                dropout, layout.padded_words, rows, widths, sizes, wide, device,
                dropout_sparse or dropout,
            )  # fmt: skip

    def restart(self) -> None:
        """State and output of every layer back to zero: the start of a text."""
        for layer in self.layers:
            layer.state.zero_()
            layer.y.zero_()

    def carry(self, keep_rows: Tensor | None = None, reset: bool = False) -> None:
        """Last step becomes the first; h is zeroed everywhere (reset) or where keep_rows is 0."""
        for layer in self.layers:
            layer.carry()
            if reset:
                layer.state[0].zero_()
            elif keep_rows is not None:
                layer.state[0].mul_(keep_rows)

    def compute_weights(self, rounding: Rounding, join: bool = True) -> Computed:
        """Rounds, drops connections and casts; without any of them these are views.

        Each layer's in its lane; without join they may still be at work, as forward() allows.
        """
        self.lanes.fork()
        state = self.state
        embedding = rounded(state.view("embedding"), rounding.embedding).to(self.operand)
        result = Computed(embedding, state.view("decoder.bias"))
        for i in range(len(self.layers)):
            with self.lanes.on(i):
                result.layers.append(self._layer_weights(i, rounding.stack))
        if join:
            self.lanes.join()
        return result

    def _layer_weights(self, i: int, rounding: str) -> Weights:
        state = self.state
        kernel = rounded(_matrix(state.view(f"layer{i + 1}.kernel")), rounding)
        recurrent = rounded(_matrix(state.view(f"layer{i + 1}.recurrent")), rounding)
        connected = self.masks.recurrent[i] if self.masks is not None else None
        if connected is not None:
            recurrent = recurrent * connected
        return Weights(
            kernel.to(self.operand),
            recurrent.to(self.operand),
            state.view(f"layer{i + 1}.bias").view(-1),
            state.view(f"layer{i + 1}.recurrent_bias").view(-1),
            state.theta[i],
        )

    def _embed(self, weights: Computed) -> None:
        x = weights.embedding[self.tokens]
        masks = self.masks
        if masks is not None and masks.words is not None:
            x = x * masks.words[self.tokens].unsqueeze(-1)
        if masks is not None and masks.embedding is not None:
            x = x * masks.embedding
        width = self.layout.widths[0]
        self.layers[0].x[:, :, :width].copy_(x[:, :, :width])

    def _mask_after(self, i: int) -> Tensor | None:
        if self.masks is None:
            return None
        return self.masks.output if i == len(self.layers) - 1 else self.masks.forward[i]

    def forward(self, weights: Computed, join: bool = True) -> None:
        """Fills the layers from self.tokens; keeps what backward needs.

        Without join the layers may still be at work; score() follows them part by part.
        """
        self._embed(weights)
        self.lanes.fork()
        self.done: dict[int, torch.cuda.Event | None] = {}
        for i, layer in enumerate(self.layers):
            last = i == len(self.layers) - 1
            above = self.output if last else self.layers[i + 1].x
            with self.lanes.on(i):
                for begin, end in self.parts:
                    if i > 0:
                        self.lanes.wait(self.done[begin])
                    layer.forward(
                        begin, end, weights.layers[i], above, self._mask_after(i), self.ones[i + 1]
                    )
                    self.done[begin] = self.lanes.mark()
        if join:
            self.lanes.join()

    def score(self, weights: Computed, scale: float = 0.0) -> Tensor:
        """Loss per position; with scale > 0 the logits become scale times their gradient."""
        with self.lanes.on(self.lanes.relaxed):
            for begin, end in self.parts:
                self.lanes.wait(self.done[begin])
                rows = slice(begin * self.rows, end * self.rows)
                output = self.output.view(self.steps * self.rows, -1)[rows]
                torch.mm(output, weights.embedding.t(), out=self.logits[rows])
                self.kernels.dense.softmax_loss(
                    self.logits[rows],
                    weights.decoder_bias,
                    self.targets.view(-1)[rows],
                    self.layout.words,
                    scale,
                    self.loss[rows],
                )
        self.lanes.join()
        return self.loss

    def active_fraction(self) -> Tensor:
        """Per layer, the share of units that emit, over the window; padding does not count."""
        return torch.stack(
            [
                (layer.y[1:] != 0).sum(dtype=self.loss.dtype) / (self.steps * self.rows * width)
                for layer, width in zip(self.layers, self.layout.widths[1:], strict=True)
            ]
        )

    def backward(
        self, weights: Computed, pulls: list[Tensor], skip_embedding: bool = False
    ) -> None:
        """Fills self.gradient from the logits' gradient left by score()."""
        entries, flat, lanes = self.layout.entries, self.gradient, self.lanes
        multiply(self.logits, weights.embedding, self.d_output.view(self.logits.shape[0], -1))
        lanes.fork()
        with lanes.on(lanes.relaxed):
            self._decoder_gradient(skip_embedding)
        done: dict[int, torch.cuda.Event | None] = {}
        for i in reversed(range(len(self.layers))):
            layer, last = self.layers[i], i == len(self.layers) - 1
            d_above = self.d_output if last else self.layers[i + 1].d_x
            with lanes.on(i):
                for begin, end in reversed(self.parts):
                    if not last:
                        lanes.wait(done[begin])
                    layer.backward(
                        begin, end, d_above, self._mask_after(i), pulls[i], weights.layers[i]
                    )
                    done[begin] = lanes.mark()
            with lanes.on(lanes.relaxed):
                lanes.wait(done[0])
                self._layer_gradient(i)
        if not skip_embedding:
            with lanes.on(0):
                d = self._input_gradient()
        lanes.join()
        if not skip_embedding:
            d_embedding = entries["embedding"].view(flat)
            d_embedding.index_add_(0, self.tokens.view(-1), d.view(self.steps * self.rows, -1))

    def _decoder_gradient(self, skip_embedding: bool) -> None:
        entries, flat = self.layout.entries, self.gradient
        d_embedding, d_bias = entries["embedding"].view(flat), entries["decoder.bias"].view(flat)
        if skip_embedding:
            d_embedding.zero_()
        else:
            multiply(self.logits.t(), self.output.view(self.logits.shape[0], -1), d_embedding)
        ones = self.ones[-1]
        if ones >= 0 and not skip_embedding:
            d_bias.copy_(d_embedding[:, ones])
            d_embedding[:, ones].zero_()
        else:
            torch.sum(self.logits, dim=0, dtype=d_bias.dtype, out=d_bias)

    def _layer_gradient(self, i: int) -> None:
        entries, flat = self.layout.entries, self.gradient
        grad = Weights(
            _matrix(entries[f"layer{i + 1}.kernel"].view(flat)),
            _matrix(entries[f"layer{i + 1}.recurrent"].view(flat)),
            entries[f"layer{i + 1}.bias"].view(flat).view(-1),
            entries[f"layer{i + 1}.recurrent_bias"].view(flat).view(-1),
            self.state.theta[i],
        )
        self.layers[i].weight_gradients(grad)
        connected = self.masks.recurrent[i] if self.masks is not None else None
        if connected is not None:
            grad.recurrent.mul_(connected)

    def _input_gradient(self) -> Tensor:
        """Gradient of the embedded words, [T, B, E]."""
        d, masks = self.layers[0].d_x, self.masks
        if masks is not None and masks.embedding is not None:
            d = d * masks.embedding
        if masks is not None and masks.words is not None:
            d = d * masks.words[self.tokens].unsqueeze(-1)
        return d


def activity_pulls(
    active: Tensor, activity: Activity, positions: int, switch: Tensor
) -> list[Tensor]:
    """Gradient of the activity term with respect to one o, per layer.

    The term, added to the mean loss per token, is strength * units / 2 * max(0, a - target)^2 with
    a the active fraction of the window, so d/do = strength * max(0, a - target) / positions.
    switch (0 or 1, on the device) turns it off while the run has not reached its beginning.
    """
    if not activity.target:
        return [torch.zeros_like(switch) for _ in active.unbind()]
    return [
        (share - target).clamp(min=0) * (strength / positions) * switch
        for share, target, strength in zip(
            active.unbind(), activity.target, activity.strength, strict=True
        )
    ]


def follow_targets(
    theta: list[Tensor], active: Tensor, activity: Activity, switch: Tensor
) -> None:
    """Moves the thresholds of each layer by threshold_rate * (active fraction - target), in place.

    Call it after backward(), which wants the thresholds of the forward pass.
    """
    rates = activity.threshold_rate or (0.0,) * len(theta)
    for layer, share, target, rate in zip(
        theta, active.unbind(), activity.target or rates, rates, strict=True
    ):
        if rate:
            layer.add_((share - target) * rate * switch).clamp_(min=0)

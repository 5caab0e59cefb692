"""One update and everything it carries from one to the next.

The update is a fixed sequence of device operations on static buffers with no wait for the device,
so it can be captured in one CUDA graph; learning rate, bias corrections, dropout probabilities and
pruning masks are numbers on the device that are rewritten between replays. If capturing fails, the
same function runs eagerly and the log says so.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from . import pruning, schedule
from .batching import Stream
from .config import Run
from .dense_torch import AdamConstants
from .kernels import Kernels
from .layer import Layer
from .masks import interpolate
from .network import Network, Rounding, State, activity_pulls, follow_targets

OPERANDS = {"float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16}


def wide_type(name: str) -> torch.dtype:
    """Type of state, weights and gradients for an operand type."""
    return torch.float64 if name == "float64" else torch.float32


class Trainer:
    """Trains `state` in place on `tokens` (one dimension, on the same device).

    teacher: the model that run.teacher names; it is read only.
    """

    def __init__(
        self,
        run: Run,
        state: State,
        tokens: Tensor,
        kernels: Kernels,
        teacher: State | None = None,
    ) -> None:
        self.run, self.state, self.kernels = run, state, kernels
        train, layout, flat = run.train, state.layout, state.flat
        self.stream = Stream(tokens, train.batch, train.window, run.seed, train.shift)
        self.network = Network(
            state, train.window, train.batch, OPERANDS[train.dtype], kernels, training=True,
            dropout=run.dropout,
            dropout_sparse=run.dropout_sparse if run.prune.ease_dropout else run.dropout,
        )  # fmt: skip
        self.teacher: Network | None = None
        if teacher is not None:
            self.teacher = Network(
                teacher, train.window, train.batch, OPERANDS[train.dtype], kernels
            )
            self.teacher.tokens, self.teacher.targets = self.network.tokens, self.network.targets
            self.teacher_weights = self.teacher.compute_weights(Rounding())
        assert self.network.masks is not None
        self.masks = self.network.masks
        self.constants = AdamConstants(
            train.beta1, train.beta2, train.epsilon, train.weight_decay
        )
        self.second = torch.zeros_like(flat)
        self.first = torch.zeros_like(flat) if train.beta1 > 0 else None
        self.mask = pruning.full_mask(layout, flat.device)
        self.pruned = run.prune.sparsity > 0
        if self.pruned and run.init:
            pruning.mask_of_zeros(layout, flat, self.mask)
        self.scalars = torch.ones(4, dtype=flat.dtype, device=flat.device)
        self.pull_switch = torch.ones((), dtype=flat.dtype, device=flat.device)
        self.keep_rows = torch.ones(train.batch, 1, dtype=flat.dtype, device=flat.device)
        layers = len(layout.widths) - 1
        self.loss_sum = torch.zeros((), dtype=torch.float64, device=flat.device)
        self.norm_sum = torch.zeros((), dtype=torch.float64, device=flat.device)
        self.active_sum = torch.zeros(layers, dtype=torch.float64, device=flat.device)
        self.summed = 0
        self.updates = 0
        self.moment_age = 0  # updates that the moments have seen; more than `updates` after init
        self.elapsed = 0.0
        self.rounding = self._rounding_now()
        self.graph: torch.cuda.CUDAGraph | None = None
        self.graph_note = "eager"

    @property
    def progress(self) -> float:
        train = self.run.train
        if train.updates:
            return min(1.0, self.updates / train.updates)
        return min(1.0, self.elapsed / train.seconds)

    @property
    def sparsity(self) -> float:
        return schedule.sparsity(self.run.prune, self.progress) if self.pruned else 0.0

    def _rounding_now(self) -> Rounding:
        quantise = self.run.quantise
        if self.progress < quantise.begin:
            return Rounding()
        return Rounding(quantise.stack, quantise.embedding)

    def _update(self) -> None:
        train, network, layout = self.run.train, self.network, self.state.layout
        self.masks.draw(network.lanes)
        weights = network.compute_weights(self.rounding, join=False)
        network.forward(weights, join=False)
        positions = train.window * train.batch
        loss = network.score(weights, 1.0 / positions)
        if self.teacher is not None:
            self._learn_from(self.teacher, 1.0 / positions)
        active = network.active_fraction()
        pulls = activity_pulls(active, self.run.activity, positions, self.pull_switch)
        network.backward(weights, pulls, train.freeze_embedding)
        follow_targets(self.state.theta, active, self.run.activity, self.pull_switch)
        gradient = network.gradient
        begin, end = layout.prunable_begin, layout.prunable_end
        if self.pruned:
            gradient[begin:end].mul_(self.mask[begin:end])
        norm = torch.linalg.vector_norm(gradient)
        self.scalars[3].copy_((train.clip / (norm + 1e-6)).clamp(max=1.0))
        pieces = [(begin, end, self.pruned), (end, layout.size, False)]
        if not train.freeze_embedding:
            pieces.insert(0, (0, begin, False))
        for a, b, masked in pieces:
            self.kernels.dense.adamw(
                self.state.flat[a:b],
                gradient[a:b],
                self.first[a:b] if self.first is not None else None,
                self.second[a:b],
                self.mask[a:b] if masked else None,
                self.scalars,
                self.constants,
            )
        self.loss_sum.add_(loss.mean())
        self.norm_sum.add_(norm)
        self.active_sum.add_(active)
        if 0 < train.h_reset < 1:
            self.keep_rows.uniform_()
            torch.ge(self.keep_rows, train.h_reset, out=self.keep_rows)
            network.carry(self.keep_rows)
        else:
            network.carry(reset=train.h_reset == 1)

    def _learn_from(self, teacher: Network, scale: float) -> None:
        """Moves part of the target from the word of the text to what the teacher expects.

        Both gradients are scale (p - target), p of the one and of the other, so that their
        difference is scale (p - (1 - weight) target - weight p_teacher).
        """
        teacher.forward(self.teacher_weights, join=False)
        teacher.score(self.teacher_weights, scale)
        self.network.logits.sub_(teacher.logits, alpha=self.run.teacher.weight)
        teacher.carry()

    @torch.no_grad()
    def step(self) -> None:
        """One update on the next window."""
        train = self.run.train
        self._between_updates()
        inputs, targets, first = self.stream.next()
        if first:
            self.network.restart()
            if self.teacher is not None:
                self.teacher.restart()
        self.network.tokens.copy_(inputs)
        self.network.targets.copy_(targets)
        t = self.updates + 1
        self.moment_age += 1
        self.scalars[0].fill_(schedule.rate(train, self.updates, self.progress))
        self.scalars[1].fill_(1.0 - train.beta1**self.moment_age)
        self.scalars[2].fill_(1.0 - train.beta2**self.moment_age)
        self.pull_switch.fill_(float(self.progress >= self.run.activity.begin))
        if self.graph is not None:
            self.graph.replay()
        else:
            self._update()
        self.updates = t
        self.summed += 1

    def _between_updates(self) -> None:
        prune = self.run.prune
        if self.pruned and self.updates % prune.every == 0:
            sparsity = self.sparsity
            pruning.cut(self.state.layout, self.state.flat, self.mask, sparsity, prune.scope)
            self._ease()
        rounding = self._rounding_now()
        if rounding != self.rounding:
            self.rounding = rounding
            if self.graph is not None:
                self.capture()

    def _ease(self) -> None:
        run = self.run
        if run.prune.ease_dropout:
            fraction = self.sparsity / run.prune.sparsity
            self.masks.set(interpolate(run.dropout, run.dropout_sparse, fraction))

    def _layers(self) -> list[Layer]:
        return self.network.layers + (self.teacher.layers if self.teacher is not None else [])

    def _mutable(self) -> list[Tensor]:
        tensors = [self.state.flat, self.second, self.loss_sum, self.norm_sum, self.active_sum]
        for layer in self._layers():
            tensors += [layer.state, layer.y]
        tensors += self.state.theta
        return tensors + ([self.first] if self.first is not None else [])

    @torch.no_grad()
    def capture(self) -> None:
        """Captures the update; leaves every number as it was. No effect on a CPU."""
        if not self.state.flat.is_cuda:
            return
        self.graph = None
        before = [tensor.clone() for tensor in self._mutable()]
        generator = torch.cuda.get_rng_state()
        try:
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(2):
                    self._update()
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self._update()
            self.graph, self.graph_note = graph, "one CUDA graph"
        except RuntimeError as error:
            torch.cuda.synchronize()
            self.graph_note = f"eager: {str(error).splitlines()[0]}"
        for tensor, value in zip(self._mutable(), before, strict=True):
            tensor.copy_(value)
        torch.cuda.set_rng_state(generator)

    def averages(self) -> dict[str, Any]:
        """Means since the last call; waits for the device."""
        n = max(1, self.summed)
        result = {
            "loss": float(self.loss_sum) / n,
            "norm": float(self.norm_sum) / n,
            "active": [float(a) / n for a in self.active_sum],
        }
        for tensor in (self.loss_sum, self.norm_sum, self.active_sum):
            tensor.zero_()
        self.summed = 0
        return result

    def tensors(self) -> dict[str, Tensor]:
        """Everything a resumed run needs, by name; references, not copies."""
        result = {"flat": self.state.flat, "second": self.second, "mask": self.mask}
        if self.first is not None:
            result["first"] = self.first
        for i, layer in enumerate(self._layers(), 1):
            result[f"carried{i}.state"] = layer.state[0]
            result[f"carried{i}.y"] = layer.y[0]
        for i, theta in enumerate(self.state.theta, 1):
            result[f"theta{i}"] = theta
        for name in ("loss_sum", "norm_sum", "active_sum"):
            result[name] = getattr(self, name)
        for name, probability in self.masks.probability.items():
            result[f"dropout.{name}"] = probability
        result["rng.cpu"] = torch.get_rng_state()
        if self.state.flat.is_cuda:
            result["rng.cuda"] = torch.cuda.get_rng_state()
        return result

    def counters(self) -> dict[str, Any]:
        return {
            "updates": self.updates,
            "moment_age": self.moment_age,
            "summed": self.summed,
            "elapsed": self.elapsed,
            "stream": self.stream.state(),
        }

    @torch.no_grad()
    def restore(self, tensors: dict[str, Tensor], counters: dict[str, Any]) -> None:
        """Continues from what tensors() and counters() gave."""
        self.set_counters(counters)
        self.summed = counters["summed"]
        for name, tensor in self.tensors().items():
            if not name.startswith("rng."):
                tensor.copy_(tensors[name])
        torch.set_rng_state(tensors["rng.cpu"])
        if self.state.flat.is_cuda and "rng.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["rng.cuda"])

    def set_counters(self, counters: dict[str, Any]) -> None:
        """Position in the run without its numbers: all that a compact checkpoint knows."""
        self.updates = counters["updates"]
        self.moment_age = counters["moment_age"]
        self.elapsed = counters["elapsed"]
        self.stream.restore(counters["stream"])
        if self.pruned:
            pruning.mask_of_zeros(self.state.layout, self.state.flat, self.mask)
            self._ease()
        self.rounding = self._rounding_now()

    def take_moments(self, second: Tensor, age: int) -> None:
        """Second moments of the run that this one starts from; the first moments start at zero."""
        self.second.copy_(second)
        self.moment_age = age

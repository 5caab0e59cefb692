"""Whole updates with the Triton kernels, and the captured graph where there is a GPU.

Without a GPU the first test runs in Triton's interpreter; the graph tests need one.
"""

from __future__ import annotations

import copy

import pytest
import torch

pytest.importorskip("triton")

from egru_lm import dense_triton, step_triton  # noqa: E402
from egru_lm.kernels import Kernels, choose  # noqa: E402
from egru_lm.network import Network, Rounding, State  # noqa: E402
from egru_lm.parameters import Layout  # noqa: E402
from egru_lm.trainer import Trainer  # noqa: E402
from tests import support  # noqa: E402

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
TRITON = Kernels("triton", step_triton, dense_triton)
needs_gpu = pytest.mark.skipif(DEVICE.type != "cuda", reason="needs a GPU")


def moved(state: State, layout: Layout, wide: torch.dtype, device: torch.device) -> State:
    """The same model in another padding, type and place."""
    flat = torch.zeros(layout.size, dtype=torch.float64)
    for name, entry in layout.entries.items():
        entry.logical(flat).copy_(state.logical(name))
    theta = []
    for i, t in enumerate(state.theta, 1):
        padded = torch.full((layout.padded_widths[i],), 1e4, dtype=torch.float64)
        padded[: layout.widths[i]] = t[: layout.widths[i]]
        theta.append(padded.to(device, wide))
    return State(layout, flat.to(device, wide), theta)


def gradient(state: State, operand: torch.dtype, kernels: Kernels) -> dict[str, torch.Tensor]:
    network = Network(state, 4, 3, operand, kernels, training=True)
    network.tokens.copy_(support.tokens(12).view(4, 3))
    network.targets.copy_(support.tokens(24)[12:].view(4, 3))
    weights = network.compute_weights(Rounding())
    network.forward(weights)
    network.score(weights, 1 / 12)
    pull = torch.full((), 0.01, dtype=state.flat.dtype, device=state.flat.device)
    network.backward(weights, [pull] * len(network.layers))
    entries = state.layout.entries
    return {n: e.logical(network.gradient).double().cpu() for n, e in entries.items()}


@pytest.mark.parametrize("cell", ["egru", "lstm"])
@pytest.mark.parametrize("operand,bound", [(torch.float32, 1e-5), (torch.bfloat16, 0.08)])
def test_gradients_of_the_fused_network(cell: str, operand: torch.dtype, bound: float) -> None:
    """Padded, float32 or bfloat16 operands, Triton; against float64, unpadded, plain torch.

    In bfloat16 an event that sits on its threshold may flip; the bound is for the whole vector.
    """
    if operand == torch.bfloat16 and DEVICE.type != "cuda":
        pytest.skip("needs a GPU")
    run = support.run(cell, model={"threshold_mean": 0.1})
    reference = support.state(run)
    expected = gradient(reference, torch.float64, choose(torch.device("cpu")))
    padded = Layout(support.run(cell, model={"pad": 16, "pad_vocabulary": 8}).model, support.WORDS)
    state = moved(reference, padded, torch.float32, DEVICE)
    got = gradient(state, operand, TRITON)
    for name, tensor in expected.items():
        assert float((got[name] - tensor).norm() / tensor.norm()) < bound, name


@needs_gpu
def test_captured_update_equals_eager() -> None:
    """Three replays against three eager updates; atomics in the embedding gradient allow rounding.

    Dropout is off, because capturing and eager running draw from the generator differently.
    """
    run = support.run(
        model={"pad": 16, "pad_vocabulary": 8, "embedding": 40, "hidden": [48, 56, 40]},
        train={"dtype": "bfloat16", "batch": 4, "window": 6, "rate": 0.01},
        prune={"sparsity": 0.5, "every": 2, "begin": 0.0, "end": 0.2},
        activity={"target": [0.1, 0.1, 0.1], "strength": [0.1, 0.1, 0.1]},
    )
    results = []
    start = support.state(run)
    for captured in (False, True):
        layout = start.layout
        state = State(layout, start.flat.to(DEVICE), [t.to(DEVICE) for t in start.theta])
        state.flat = copy.deepcopy(state.flat)
        trainer = Trainer(run, state, support.tokens().to(DEVICE), choose(DEVICE))
        if captured:
            trainer.capture()
            assert trainer.graph_note == "one CUDA graph"
        for _ in range(3):
            trainer.step()
        results.append((state.flat.cpu(), trainer.averages()["loss"]))
    assert results[0][1] == pytest.approx(results[1][1], rel=1e-3)
    torch.testing.assert_close(results[0][0], results[1][0], rtol=1e-2, atol=1e-3)


@needs_gpu
def test_captured_dropout_changes_from_replay_to_replay() -> None:
    run = support.run(
        model={"pad": 16, "pad_vocabulary": 8},
        train={"dtype": "bfloat16"},
        dropout=support.DROPOUT,
    )
    state = support.state(run)
    state = State(state.layout, state.flat.to(DEVICE), [t.to(DEVICE) for t in state.theta])
    trainer = Trainer(run, state, support.tokens().to(DEVICE), choose(DEVICE))
    trainer.capture()
    masks = []
    for _ in range(2):
        trainer.step()
        masks.append(trainer.network.masks.recurrent[0].clone())
    assert not torch.equal(*masks)

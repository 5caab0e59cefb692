"""The number fitted to a text: optimum, folding, files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from egru_lm import calibrate, calibrate_file, export
from egru_lm.evaluate import evaluate
from egru_lm.kernels import choose
from egru_lm.network import Rounding, State
from tests import support

KERNELS = choose(torch.device("cpu"))


def loss_with(state: State, tokens: torch.Tensor, scale: float) -> float:
    """By folding and by nothing that fit() uses."""
    copy = State(state.layout, state.flat.clone(), state.theta)
    calibrate.fold(copy, scale)
    return evaluate(copy, tokens, KERNELS, batch=2, window=7).loss


@pytest.mark.parametrize("cell", ["egru", "lstm"])
def test_no_other_scale_is_better(cell: str) -> None:
    state, tokens = support.state(support.run(cell)), support.tokens(200)
    found = calibrate.fit(state, tokens, KERNELS, batch=2, window=7)
    best = loss_with(state, tokens, found.scale)
    assert best == pytest.approx(found.after, rel=1e-12)
    assert loss_with(state, tokens, 1.0) == pytest.approx(found.before, rel=1e-12)
    assert found.after < found.before - 0.01
    for other in (0.0, found.scale - 0.02, found.scale + 0.02, 1.5):
        assert loss_with(state, tokens, other or 1e-9) > best


def test_a_model_made_too_sure_of_itself_is_brought_back() -> None:
    state, tokens = support.state(support.run()), support.tokens(200)
    first = calibrate.fit(state, tokens, KERNELS, batch=2, window=7)
    calibrate.fold(state, 3 * first.scale)
    again = calibrate.fit(state, tokens, KERNELS, batch=2, window=7)
    assert again.scale == pytest.approx(1 / 3, abs=1e-3)
    assert again.after == pytest.approx(first.after, rel=1e-6)


def test_outputs_of_zeros_leave_the_scale_alone() -> None:
    state = support.state(support.run())
    state.layout.entries["embedding"].logical(state.flat).zero_()
    assert calibrate.fit(state, support.tokens(120), KERNELS, batch=2, window=7).scale == 1.0


def test_evaluation_scores_both_at_once_and_spikes_stay() -> None:
    state, tokens = support.state(support.run()), support.tokens(200)
    both = evaluate(state, tokens, KERNELS, window=7, reset=True, calibration=0.7)
    calibrate.fold(state, 0.7)
    folded = evaluate(state, tokens, KERNELS, window=7, reset=True)
    assert both.loss_calibrated == pytest.approx(folded.loss, rel=1e-12)
    assert both.active == folded.active and both.loss != both.loss_calibrated


def test_a_file_of_int8_rows_changes_its_scales_alone(tmp_path: Path) -> None:
    run = support.run(train={"dtype": "float32"})
    state, rounding = support.state(run), Rounding("int8", "int8")
    path = tmp_path / "tiny.safetensors"
    words = [str(i) for i in range(support.WORDS)]
    facts = export.metadata(state, rounding, run.name, "digest")
    export.write_safetensors(path, export.collect(state, rounding), facts, words)
    before, _ = export.read_tensors(path)
    calibrate_file.fold_file(path, 0.7)
    after, information = export.read_tensors(path)
    changed = {name for name, t in before.items() if not torch.equal(t, after[name])}
    assert changed == {"embedding.scale", "layer1.kernel.scale"}
    assert information == facts | {"calibration": "0.7"}
    # The folded file is the folded state.
    calibrate.fold(state, 0.7)
    read = support.state(run)
    export.read_safetensors(path, read)
    expected = evaluate(state, support.tokens(60), KERNELS, window=7, rounding=rounding)
    found = evaluate(read, support.tokens(60), KERNELS, window=7)
    assert found.loss == pytest.approx(expected.loss, rel=1e-5)
    with pytest.raises(ValueError, match="calibrated already, by 0.7"):
        calibrate_file.fold_file(path, 0.7)
    for unusable in (0.0, -0.3):
        with pytest.raises(ValueError, match="no more than its bias alone"):
            calibrate_file.fold_file(path, unusable)
        with pytest.raises(ValueError, match="no more than its bias alone"):
            calibrate.fold(state, unusable)


def test_a_stack_that_is_calibrated_leaves_the_file_beside_it_alone(tmp_path: Path) -> None:
    tensors = {"layer1.kernel": torch.ones(3, 2)}
    path, stack = tmp_path / "tiny.safetensors", tmp_path / "tiny.stack.safetensors"
    export.write_tensors(path, {**tensors, "embedding": torch.ones(4, 2)}, {"run": "tiny"})
    export.write_tensors(stack, tensors, {"calibration": "0.9"})
    before = path.read_bytes()
    with pytest.raises(ValueError, match="tiny.stack.safetensors is calibrated already, by 0.9"):
        calibrate_file.fold_file(path, 0.7)
    assert path.read_bytes() == before

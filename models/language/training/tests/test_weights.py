"""Rounding, pruning, compact checkpoints and exported files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from egru_lm import compact, export, pruning, quantise
from egru_lm.network import Rounding, State
from egru_lm.train import new_state
from tests import support


def test_int8_by_hand() -> None:
    """Row 1: scale 1, so halves show the rule: ties go to even. Row 2: nothing but zeros."""
    w = torch.tensor([[127.0, 0.5, 1.5, 2.5, -0.5, -1.5], [0.0] * 6])
    q, scale = quantise.int8_rows(w)
    assert q.tolist() == [[127, 0, 2, 2, 0, -2], [0] * 6]
    assert scale.tolist() == [1.0, 1.0]
    assert torch.equal(quantise.rounded(w, "int8")[0], q[0].float())


def test_int8_divides_in_float32() -> None:
    """The same numbers as numpy's float32 division and rint, which C++ repeats."""
    w = torch.randn(40, 300, generator=torch.Generator().manual_seed(2))
    q, scale = quantise.int8_rows(w)
    rows = w.numpy()
    expected_scale = np.abs(rows).max(axis=1) / np.float32(127)
    assert expected_scale.dtype == np.float32
    np.testing.assert_array_equal(scale.numpy(), expected_scale)
    np.testing.assert_array_equal(q.numpy(), np.rint(rows / expected_scale[:, None]).astype(int))


def test_ternary_by_hand() -> None:
    """Non-zero mean 2.5, cut 1.75: kept are 2, -3 and 4, scale 3. Zeros do not count."""
    q, scale = quantise.ternary_rows(torch.tensor([[0.0, 1.0, 2.0, -3.0, 0.0, 4.0], [0.0] * 6]))
    assert q.tolist() == [[0, 0, 1, -1, 0, 1], [0] * 6]
    assert scale.tolist() == [3.0, 1.0]


def filled(**model) -> State:
    return support.state(support.run(model=model, train={"dtype": "float32"}))


@pytest.mark.parametrize("scope", ["global", "matrix"])
def test_pruning_reaches_the_sparsity(scope: str) -> None:
    state = filled(pad=8)
    layout, mask = state.layout, pruning.full_mask(state.layout, torch.device("cpu"))
    before = {e.name: e.logical(state.flat).clone() for e in layout.prunable}
    count = sum(t.numel() for t in before.values())
    pruning.cut(layout, state.flat, mask, 0.5, scope)
    once = mask.clone()
    pruning.cut(layout, state.flat, mask, 0.8, scope)
    assert (once - mask >= 0).all()  # nothing comes back
    tolerance = len(before) / count
    assert pruning.sparsity_of(layout, state.flat) == pytest.approx(0.8, abs=tolerance)
    kept, lost = [], []
    for entry in layout.prunable:
        on = entry.logical(mask).bool()
        assert torch.equal(entry.logical(state.flat) != 0, on)
        size = before[entry.name].abs()
        if scope == "matrix":
            assert size[on].min() > size[~on].max()
            assert float((~on).float().mean()) == pytest.approx(0.8, abs=1 / size.numel())
        kept.append(size[on])
        lost.append(size[~on])
    if scope == "global":
        assert torch.cat(kept).min() > torch.cat(lost).max()
    other = pruning.full_mask(layout, torch.device("cpu"))
    pruning.mask_of_zeros(layout, state.flat, other)
    assert torch.equal(other, mask)


@pytest.mark.parametrize("sparse", [False, True])
def test_compact_round_trip(sparse: bool) -> None:
    state = filled(pad=8, pad_vocabulary=8)
    if sparse:
        mask = pruning.full_mask(state.layout, torch.device("cpu"))
        pruning.cut(state.layout, state.flat, mask, 0.9, "matrix")
    second = torch.zeros_like(state.flat)
    for entry in state.layout.entries.values():
        view = entry.logical(second)
        rank_one = torch.rand(view.shape[0]).view(-1, *[1] * (view.dim() - 1)) + 0.1
        view.copy_(rank_one.expand(view.shape))
    tensors = compact.pack(state, second)
    other = new_state(support.run(model={"pad": 4}, train={"dtype": "float32"}), support.WORDS,
                      torch.device("cpu"))  # fmt: skip
    for theta in other.theta:
        theta.zero_()
    moments = torch.zeros_like(other.flat)
    compact.unpack(tensors, other, moments)
    for name, entry in state.layout.entries.items():
        a, b = entry.logical(state.flat), other.logical(name)
        largest = a.abs().reshape(-1, a.shape[-1]).amax(dim=1, keepdim=True)
        levels = 127 if name == "embedding" else 2047
        bound = (largest / levels * 0.501).expand(-1, a.shape[-1]).reshape(a.shape)
        if sparse and entry.prunable:
            bound = a.abs() * 2**-11  # half a unit in the last place of float16
        assert ((a - b).abs() <= bound + 1e-12).all(), name
        assert torch.equal(a == 0, b == 0) or not sparse or not entry.prunable
        expected = entry.logical(second)
        got = other.layout.entries[name].logical(moments)
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-7)
    for i, theta in enumerate(state.theta):
        width = state.layout.widths[i + 1]
        assert torch.equal(theta[:width], other.theta[i][:width])


def densify(name: str, tensors: dict[str, torch.Tensor], shape: tuple[int, int]) -> torch.Tensor:
    """What a reader of the file does."""
    if f"{name}.value" in tensors:
        begin = tensors[f"{name}.row_begin"].numpy().astype(np.int64)
        target = tensors[f"{name}.target"].numpy().astype(np.int64)
        values = tensors[f"{name}.value"].numpy()
        q = np.zeros(shape, values.dtype)
        for source in range(len(begin) - 1):
            at = slice(begin[source], begin[source + 1])
            assert (np.diff(target[at]) > 0).all()
            q[target[at], source] = values[at]
        matrix = torch.from_numpy(q)
    else:
        matrix = tensors[name]
    scale = tensors.get(f"{name}.scale")
    return matrix.float() if scale is None else matrix.float() * scale.unsqueeze(1)


@pytest.mark.parametrize("rounding", [Rounding(), Rounding("int8", "int8"), Rounding("ternary")])
@pytest.mark.parametrize("sparsity", [0.0, 0.9])
def test_exported_file_holds_the_model(
    tmp_path: Path, rounding: Rounding, sparsity: float
) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    state = filled(pad=8, pad_vocabulary=8)
    if sparsity:
        mask = pruning.full_mask(state.layout, torch.device("cpu"))
        pruning.cut(state.layout, state.flat, mask, sparsity, "global")
    words = [f"word{i}" for i in range(support.WORDS)]
    path = tmp_path / "m.safetensors"
    information = export.metadata(state, rounding, "tiny", "00")
    size = export.write_safetensors(path, export.collect(state, rounding), information, words)
    assert size == path.stat().st_size
    assert (tmp_path / "m.vocabulary.txt").read_text().splitlines() == words
    tensors = safetensors.load_file(path)
    for name, entry in state.layout.entries.items():
        weights = entry.logical(state.flat)
        if not entry.prunable and name != "embedding":
            assert torch.equal(tensors[name], weights.reshape(-1))
            continue
        kind = rounding.stack if entry.prunable else rounding.embedding
        matrix = weights.reshape(-1, weights.shape[-1])
        got = densify(name, tensors, tuple(matrix.shape))
        assert torch.equal(got, quantise.rounded(matrix, kind)), name
    for i, width in enumerate(state.layout.widths[1:], 1):
        assert torch.equal(tensors[f"layer{i}.threshold"], state.theta[i - 1][:width])
    other = new_state(support.run(model={"pad": 4}, train={"dtype": "float32"}), support.WORDS,
                      torch.device("cpu"))  # fmt: skip
    export.read_safetensors(path, other)
    for name, entry in state.layout.entries.items():
        kind = rounding.stack if entry.prunable else rounding.embedding
        kind = kind if entry.prunable or name == "embedding" else "none"
        assert torch.equal(other.logical(name), quantise.rounded(state.logical(name), kind))
    assert torch.equal(other.theta[1][: state.layout.widths[2]], tensors["layer2.threshold"])


def test_stack_before_rounding_goes_beside(tmp_path: Path) -> None:
    """A rounded file and the float16 stack beside it give the model that was rounded."""
    pytest.importorskip("safetensors.torch")
    state = filled(pad=8, pad_vocabulary=8)
    mask = pruning.full_mask(state.layout, torch.device("cpu"))
    pruning.cut(state.layout, state.flat, mask, 0.9, "global")
    rounding, path = Rounding("ternary", "int8"), tmp_path / "m.safetensors"
    information = export.metadata(state, rounding, "tiny", "00")
    export.write_safetensors(path, export.collect(state, rounding), information, ["w"])
    stack = export.stack_only(export.collect(state, Rounding(), "float16"))
    assert not any("embedding" in name or "decoder" in name for name in stack)
    export.write_tensors(tmp_path / "m.stack.safetensors", stack, information)
    other = new_state(support.run(train={"dtype": "float32"}), support.WORDS, torch.device("cpu"))
    export.read_safetensors(path, other)
    for name, entry in state.layout.entries.items():
        weights = state.logical(name)
        if entry.prunable:
            assert torch.equal(other.logical(name), weights.half().float())
            assert not torch.equal(other.logical(name), quantise.rounded(weights, "ternary"))
        elif name == "embedding":
            assert torch.equal(other.logical(name), quantise.rounded(weights, "int8"))
        else:
            assert torch.equal(other.logical(name), weights)


def test_an_embedding_is_stored_once(tmp_path: Path) -> None:
    pytest.importorskip("safetensors.torch")
    from egru_lm.share import share

    state, rounding = filled(pad=8, pad_vocabulary=8), Rounding("none", "int8")
    paths = [tmp_path / name / f"{name}.safetensors" for name in ("a", "b")]
    for path in paths:
        information = export.metadata(state, rounding, path.stem, "00")
        export.write_safetensors(path, export.collect(state, rounding), information, ["w"])
        entry = state.layout.entries["layer1.kernel"]
        entry.logical(state.flat).mul_(2)  # the stacks differ, the embeddings do not
    size = paths[1].stat().st_size
    assert share(paths[1], paths[0]) == size - paths[1].stat().st_size > 0
    entry.logical(state.flat).mul_(0.5)
    other = new_state(support.run(train={"dtype": "float32"}), support.WORDS, torch.device("cpu"))
    export.read_safetensors(paths[1], other)
    assert torch.equal(other.logical("layer1.kernel"), state.logical("layer1.kernel"))
    assert torch.equal(
        other.logical("embedding"), quantise.rounded(state.logical("embedding"), "int8")
    )
    state.logical("embedding")[3] += 1
    export.write_safetensors(paths[1], export.collect(state, rounding), information, ["w"])
    with pytest.raises(ValueError, match="embedding"):
        share(paths[1], paths[0])

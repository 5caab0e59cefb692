"""A resumed run equals an uninterrupted one, bit for bit, in float64 on the CPU."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from egru_lm import checkpoint, config, export
from egru_lm.checkpoint import CheckpointError
from egru_lm.network import Rounding
from egru_lm.ship import load_state, store_as
from egru_lm.train import Session, make
from tests import support

CPU = torch.device("cpu")

# Everything that carries something from one update to the next is switched on.
TABLES = {
    "data": {"corpus": "text"},
    "train": {"updates": 40, "h_reset": 0.5, "beta1": 0.5},
    "dropout": support.DROPOUT,
    "dropout_sparse": {"forward": 0.05, "recurrent": 0.1},
    "prune": {"sparsity": 0.6, "begin": 0.1, "end": 0.7, "every": 4, "ease_dropout": True},
    "activity": {
        "target": [0.1, 0.1, 0.1],
        "strength": [0.5, 0.5, 0.5],
        "threshold_rate": [0.01, 0.0, 0.02],
        "begin": 0.3,
    },
    "quantise": {"stack": "ternary", "embedding": "int8", "begin": 0.5},
}


def session(folder: Path, out: str, **tables) -> Session:
    return Session(support.run(**(tables or TABLES)), folder, folder / out, CPU)


def advance(s: Session, updates: int) -> None:
    while s.trainer.updates < updates:
        s.trainer.step()


@pytest.mark.parametrize("stop", [1, 15, 16, 27])
def test_resumed_equals_uninterrupted(tmp_path: Path, stop: int) -> None:
    support.write_corpus(tmp_path / "text")
    whole = session(tmp_path, "whole")
    epochs = whole.trainer.stream.windows
    assert epochs < 40  # the run crosses an epoch's end
    advance(whole, 40)

    first = session(tmp_path, "parts")
    advance(first, stop)
    first.save()
    torch.rand(17)  # the process that resumes has another random state
    second = session(tmp_path, "parts")
    assert second.trainer.updates == stop
    advance(second, 40)

    expected = whole.trainer.tensors()
    for name, tensor in second.trainer.tensors().items():
        assert torch.equal(tensor, expected[name]), name
    assert second.trainer.counters() == whole.trainer.counters()
    assert not torch.equal(expected["flat"], session(tmp_path, "fresh").trainer.tensors()["flat"])


def test_signal_saves_and_resumes(tmp_path: Path) -> None:
    """What SIGTERM sets off: the loop saves after the update and reports that it is not done."""
    support.write_corpus(tmp_path / "text")
    s = session(tmp_path, "out")
    s.stop = True
    assert s.train() is False
    again = session(tmp_path, "out")
    assert again.trainer.updates == 1
    assert again.train() is True
    assert again.trainer.updates == 40


def test_compact_checkpoint_resumes_approximately(tmp_path: Path) -> None:
    """A lost machine leaves compact/ only: same place in the run, same zeros, close weights."""
    support.write_corpus(tmp_path / "text")
    tables = {**TABLES, "train": {**TABLES["train"], "dtype": "float32"}}
    first = session(tmp_path, "out", **tables)
    advance(first, 31)
    first.save()
    shutil.rmtree(tmp_path / "out" / "tiny" / "checkpoints")
    second = session(tmp_path, "out", **tables)
    assert second.trainer.counters() | {"summed": 31} == first.trainer.counters()
    a, b = first.trainer.state.flat, second.trainer.state.flat
    assert float((a - b).norm() / a.norm()) < 0.01
    begin, end = first.state.layout.prunable_begin, first.state.layout.prunable_end
    assert torch.equal(a[begin:end] == 0, b[begin:end] == 0)
    masks = [t.tensors()["mask"] for t in (first.trainer, second.trainer)]
    assert torch.equal(*masks)
    advance(second, 40)


def test_init_takes_weights_thresholds_and_moments(tmp_path: Path) -> None:
    support.write_corpus(tmp_path / "text")
    base = session(tmp_path, "out")
    advance(base, 40)
    base.save()
    later = session(tmp_path, "out", **{**TABLES, "name": "later", "init": "tiny", "seed": 9})
    assert torch.equal(later.state.flat, base.state.flat)
    assert torch.equal(later.state.theta[0], base.state.theta[0])
    assert torch.equal(later.trainer.second, base.trainer.second)
    assert torch.equal(later.trainer.mask, base.trainer.mask)
    assert (later.trainer.updates, later.trainer.moment_age) == (0, 40)


def test_frozen_embedding_stays(tmp_path: Path) -> None:
    support.write_corpus(tmp_path / "text")
    s = session(tmp_path, "out", data={"corpus": "text"}, train={"freeze_embedding": True})
    before = {n: s.state.logical(n).clone() for n in s.state.layout.entries}
    advance(s, 5)
    for name, tensor in before.items():
        assert torch.equal(tensor, s.state.logical(name)) == (name == "embedding"), name


def test_finished_run_leaves_scores_card_and_weights(tmp_path: Path) -> None:
    support.write_corpus(tmp_path / "text")
    tables = {**TABLES, "save": {"log_every": 5, "validate_every": 20, "test_at_sparsity": [0.5]}}
    assert make(support.run(**tables), tmp_path, tmp_path / "out", CPU) == 0
    folder = tmp_path / "out" / "tiny"
    results = json.loads((folder / "results.json").read_text())
    assert set(results["scores"]) == {
        f"{part}_{protocol}{suffix}"
        for part, suffix in (("valid", ""), ("test", ""), ("test", "_b1"))
        for protocol in ("carried", "reset")
    }
    card = (folder / "card.md").read_text()
    shown = results["scores"]["test_carried_b1"]["perplexity"]
    calibrated = results["scores"]["test_carried_b1"]["perplexity_calibrated"]
    assert f"| carried, batch 1 | {shown:.2f} | {calibrated:.2f} |" in card
    events = [json.loads(line)["event"] for line in (folder / "log.jsonl").open()]
    assert events[0] == "start" and events[-1] == "finished"
    assert events.count("train") == 8 and events.count("valid") == 2
    assert events.count("calibration") == 1
    assert sum(event.startswith("test at sparsity 0.") for event in events) == 1
    assert (folder / "tiny.safetensors").is_file()
    assert make(support.run(**tables), tmp_path, tmp_path / "out", CPU) == 0  # nothing to do


def test_shipped_file_is_scored_as_stored(tmp_path: Path) -> None:
    """float16 is coarse for these weights: the loss moves, and the state equals the file."""
    support.write_corpus(tmp_path / "text")
    run = support.run(data={"corpus": "text"}, train={"dtype": "float32"})
    assert make(run, tmp_path, tmp_path / "out", CPU) == 0
    state, meta = load_state(run, tmp_path / "out" / "tiny", 7, CPU)
    assert meta["counters"]["updates"] == 12
    trained = state.flat.clone()
    store_as(state, "float16", Rounding())
    tensors = export.collect(state, Rounding(), "float16")
    assert not torch.equal(trained, state.flat)
    assert tensors["embedding"].dtype == torch.float16
    assert torch.equal(tensors["embedding"].float(), state.logical("embedding"))


def test_quantised_rows_are_made_from_the_weights_of_the_training(tmp_path: Path) -> None:
    support.write_corpus(tmp_path / "text")
    run = support.run(data={"corpus": "text"}, train={"dtype": "float32"})
    assert make(run, tmp_path, tmp_path / "out", CPU) == 0
    state, _ = load_state(run, tmp_path / "out" / "tiny", 7, CPU)
    trained = state.flat.clone()
    store_as(state, "float16", Rounding("ternary", "int8"))
    assert torch.equal(trained, state.flat)
    store_as(state, "float16", Rounding("ternary", "none"))
    changed = (trained != state.flat).sum()
    assert 0 < changed <= state.logical("embedding").numel()


def test_another_run_file_is_refused(tmp_path: Path) -> None:
    support.write_corpus(tmp_path / "text")
    s = session(tmp_path, "out")
    advance(s, 2)
    s.save()
    with pytest.raises(CheckpointError, match="another run file"):
        session(tmp_path, "out", **{**TABLES, "seed": 4})


def test_a_run_file_with_newer_keys_resumes(tmp_path: Path) -> None:
    """A checkpoint of a time when these keys were unknown."""
    support.write_corpus(tmp_path / "text")
    s = session(tmp_path, "out")
    advance(s, 2)
    table = config.to_table(s.run)
    del table["save"]["calibrate"], table["teacher"]["scale"]
    meta = {"run": table, "counters": s.trainer.counters()}
    checkpoint.save(s.folder / "checkpoints", 2, s.trainer.tensors(), meta)
    assert session(tmp_path, "out").trainer.updates == 2
    with pytest.raises(CheckpointError, match="another run file"):
        session(tmp_path, "out", **{**TABLES, "save": {"calibrate": False}})


def test_checkpoint_parts_and_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "PART_BYTES", 1000)
    tensors = {
        "a": torch.randn(300, dtype=torch.float64),
        "b": torch.arange(7, dtype=torch.uint8),
        "c": torch.randn(3, 5).bfloat16(),
        "none": torch.zeros(0),
        "number": torch.tensor(4.5),
    }
    checkpoint.save(tmp_path, 3, tensors, {"x": 1})
    folder = checkpoint.save(tmp_path, 12, tensors, {"x": 2})
    assert checkpoint.newest(tmp_path) == folder
    assert [p.name for p in tmp_path.iterdir()] == ["00000012"]  # the older one is gone
    assert all(p.stat().st_size <= 1000 for p in folder.glob("part-*"))
    read, meta = checkpoint.read(folder)
    assert meta == {"x": 2}
    for name, tensor in tensors.items():
        assert read[name].dtype == tensor.dtype and torch.equal(read[name], tensor), name
    (tmp_path / "00000099.writing").mkdir()  # an interrupted write is not taken for a checkpoint
    assert checkpoint.newest(tmp_path) == folder
    part = folder / "part-01.bin"
    content = part.read_bytes()
    part.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CheckpointError, match="part-01.bin"):
        checkpoint.read(folder)


def test_training_learns(tmp_path: Path) -> None:
    """The loss of a patterned text falls well below that of its word frequencies."""
    support.write_corpus(tmp_path / "text")
    tables = {
        "data": {"corpus": "text"},
        "model": {"embedding": 8, "hidden": [24, 24, 8], "threshold_mean": 0.01},
        "train": {"updates": 300, "window": 8, "rate": 0.01, "clip": 1.0, "constant": 0.7},
    }
    s = Session(support.run(**tables), tmp_path, tmp_path / "out", CPU)
    advance(s, 20)
    early = s.trainer.averages()["loss"]
    advance(s, 280)
    s.trainer.averages()
    advance(s, 300)
    assert s.trainer.averages()["loss"] < 0.6 * early

"""Run files, vocabulary, rows and windows, and the tokeniser of the open texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from egru_lm import batching, config, corpus, open_text, schedule
from egru_lm.config import ConfigError, Prune, Train
from tests import support

RUNS = Path(__file__).resolve().parents[1] / "runs"


@pytest.mark.parametrize("path", sorted(RUNS.glob("*.toml")), ids=lambda p: p.stem)
def test_shipped_run_files_are_valid(path: Path) -> None:
    run = config.load(path)
    assert run.name == path.stem
    if run.init:
        assert (RUNS / f"{run.init}.toml").is_file()
    if run.teacher.run:
        assert (RUNS / f"{run.teacher.run}.toml").is_file()


@pytest.mark.parametrize(
    "tables,message",
    [
        ({"train": {"rats": 1}}, "train.rats: unknown key"),
        ({"train": {"batch": "many"}}, "expected int"),
        ({"train": {"seconds": 5.0}}, "exactly one"),
        ({"model": {"hidden": [7, 6]}}, "tied decoder"),
        ({"prune": {"scope": "row"}}, "global or matrix"),
        ({"quantise": {"stack": "int4"}}, "unknown"),
        ({"activity": {"target": [0.1]}}, "0 or 3"),
        ({"teacher": {"run": "one"}}, "run and weight"),
        ({"teacher": {"run": "one", "weight": 1.5}}, "teacher.weight"),
        ({"activity": {"threshold_rate": [0.1, 0.1, 0.1]}}, "needs activity.target"),
    ],
)
def test_bad_run_files_are_refused(tables: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        support.run(**tables)


def test_vocabulary_in_order_of_appearance(tmp_path: Path) -> None:
    (tmp_path / "train.tokens").write_text(" b a \n \n c b\n")
    (tmp_path / "valid.tokens").write_text("d\n")
    (tmp_path / "wiki.test.tokens").write_text("a d e\n")
    c = corpus.load(tmp_path)
    assert c.words == ["b", "a", "<eos>", "c", "d", "e"]
    assert c.parts["train"].tolist() == [0, 1, 2, 2, 3, 0, 2]
    assert c.parts["valid"].tolist() == [4, 2]
    assert c.parts["test"].tolist() == [1, 4, 5, 2]
    assert c.parts["train"].dtype == np.int32


def test_missing_corpus_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="wiki.train.tokens"):
        corpus.load(tmp_path)


def test_windows_cover_the_rows_once() -> None:
    tokens = torch.arange(103, dtype=torch.int32)
    stream = batching.Stream(tokens, batch=4, window=6, seed=1, shift=False)
    seen = []
    for k in range(stream.windows):
        inputs, targets, first = stream.next()
        assert first == (k == 0)
        assert torch.equal(targets, inputs + 1)
        seen.append(inputs)
    table = torch.cat(seen)
    assert torch.equal(table[:, 0], torch.arange(24, dtype=torch.int32))
    assert torch.equal(table[0], torch.tensor([0, 25, 50, 75], dtype=torch.int32))
    assert stream.next()[2] and stream.epoch == 1


def test_shift_depends_on_seed_and_epoch_only() -> None:
    tokens = torch.arange(500, dtype=torch.int32)
    first = batching.Stream(tokens, 4, 10, seed=3, shift=True)
    starts = []
    for _ in range(3 * first.windows):
        inputs, _, new = first.next()
        if new:
            starts.append(int(inputs[0, 0]))
    assert len(set(starts)) > 1 and all(0 <= s < 10 for s in starts)
    second = batching.Stream(tokens, 4, 10, seed=3, shift=True)
    second.restore({"epoch": 1, "next_window": 0})
    assert int(second.next()[0][0, 0]) == starts[1]


def test_schedules() -> None:
    train = Train(rate=1.0, warmup=10, constant=0.5)
    assert schedule.rate(train, 0, 0.0) == pytest.approx(0.1)
    assert schedule.rate(train, 50, 0.5) == 1.0
    assert schedule.rate(train, 50, 0.75) == pytest.approx(0.5)
    assert schedule.rate(train, 50, 1.0) == pytest.approx(0.0)
    prune = Prune(sparsity=0.95, begin=0.0, end=0.5)
    assert schedule.sparsity(prune, 0.0) == 0.0
    assert schedule.sparsity(prune, 0.25) == pytest.approx(0.95 * (1 - 0.5**3))
    assert schedule.sparsity(prune, 0.5) == schedule.sparsity(prune, 1.0) == 0.95


def test_tokeniser() -> None:
    text = "CHAPTER 1. Loomings.\n\n“It’s $1,200,” said Mr.\nBrown. Don't go! Why?\n\nOne."
    got = [" ".join(s) for s in open_text.text_sentences(text)]
    assert got == ["\" it's <num> , \" said mr. brown .", "don't go !"]
    assert list(open_text.sentences(open_text.tokenise('He said "no." Then left.')))[0] == [
        "he", "said", '"', "no", ".", '"',
    ]  # fmt: skip

"""A run that does not leave the plateau goes on with another seed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from egru_lm import checkpoint, config, plot, runlog, ship
from egru_lm.checkpoint import CheckpointError
from egru_lm.train import INTERRUPTED, NEW_SEEDS, STUCK, Session, StuckError, make
from tests import support

CPU = torch.device("cpu")
FOLDER = Path(__file__).resolve().parents[1]

RUN = """
name = "tiny"
seed = {seed}
[data]
corpus = "text"
[model]
embedding = 5
hidden = [7, 5]
[train]
batch = 3
window = 4
updates = 8
dtype = "float64"
stuck_after = {after}
stuck_loss = {loss!r}
[save]
log_every = 2
"""


def write(folder: Path, seed: int, after: int = 3, loss: float = 1.0) -> Path:
    path = folder / f"{seed}-{after}.toml"
    path.write_text(RUN.format(seed=seed, after=after, loss=loss))
    return path


def log(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "tiny/log.jsonl").open()]


@pytest.fixture
def plain(tmp_path: Path) -> tuple[int, float]:
    """A seed and a loss between its own at update 4 and that of the next one, which is lower.

    Complete runs of both, without the rule, stand in tmp_path/SEED.
    """
    support.write_corpus(tmp_path / "text")
    losses: dict[int, float] = {}
    for seed in range(3, 20):
        run = config.load(write(tmp_path, seed, after=0))
        assert make(run, tmp_path, tmp_path / str(seed), CPU) == 0
        losses[seed] = log(tmp_path / str(seed))[2]["loss"]
        if losses[seed] < losses.get(seed - 1, 0.0):
            return seed - 1, (losses[seed - 1] + losses[seed]) / 2
    raise AssertionError("no two seeds in falling order")


def same_as_plain(tmp_path: Path, out: Path, seed: int) -> None:
    got, wanted = (
        json.loads((folder / "tiny/results.json").read_text())
        for folder in (out, tmp_path / str(seed))
    )
    assert got["scores"] == wanted["scores"]
    assert got["facts"]["seed"] == seed
    card = (out / "tiny/card.md").read_text()
    assert card.count(f"- seed: {seed}\n") == 2  # facts and recipe


def test_next_seed_in_a_new_process(
    tmp_path: Path, plain: tuple[int, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    seed, loss = plain
    path, out = write(tmp_path, seed, loss=loss), tmp_path / "out"
    command = [sys.executable, "-m", "egru_lm.train", str(path), "--data", str(tmp_path)]
    command += ["--out", str(out), "--device", "cpu", "--threads", "1"]
    environment = {**os.environ, "PYTHONPATH": str(FOLDER)}
    subprocess.run(command, check=True, env=environment, timeout=600)
    stuck = [r for r in log(out) if r["event"] == "stuck"]
    assert [(r["seed"], r["updates"]) for r in stuck] == [(seed, 4)]
    assert stuck[0]["loss"] > loss
    assert [r["seed"] for r in log(out) if r["event"] == "start"] == [seed + 1]
    same_as_plain(tmp_path, out, seed + 1)
    places = ["--data", str(tmp_path), "--work", str(out), "--out", str(out / "ship")]
    monkeypatch.setattr(sys, "argv", ["ship", str(path), *places])
    ship.main()
    assert json.loads((out / "ship/results.json").read_text())["facts"]["seed"] == seed + 1


def test_a_resumed_run_keeps_its_seed(tmp_path: Path, plain: tuple[int, float]) -> None:
    seed, loss = plain
    run, out = config.load(write(tmp_path, seed, loss=loss)), tmp_path / "out"
    early = Session(run, tmp_path, out, CPU)
    early.save()  # of a seed that will be stuck
    assert make(run, tmp_path, out, CPU) == STUCK
    assert [p.name for p in (out / "tiny").iterdir()] == ["log.jsonl"]
    assert [r["event"] for r in log(out)] == ["stuck"]
    second = Session(run, tmp_path, out, CPU)
    for _ in range(5):
        second.trainer.step()
    second.save()
    (meta,) = (checkpoint.read_meta(p) for p in (out / "tiny/checkpoints").iterdir())
    assert meta["run"]["seed"] == seed + 1
    (out / "tiny/log.jsonl").unlink()
    with pytest.raises(CheckpointError, match="another run file"):  # this seed comes later
        Session(config.load(write(tmp_path, seed + 2, loss=loss)), tmp_path, out, CPU)
    assert make(run, tmp_path, out, CPU) == 0
    assert log(out)[0] == {**log(out)[0], "event": "resumed", "updates": 5}
    same_as_plain(tmp_path, out, seed + 1)


def test_gives_up_after_the_last_seed(tmp_path: Path) -> None:
    support.write_corpus(tmp_path / "text")
    run = config.load(write(tmp_path, 5, loss=0.0))
    for _ in range(1 + NEW_SEEDS):
        assert make(run, tmp_path, tmp_path, CPU) == STUCK
    with pytest.raises(StuckError, match=r"none of the seeds 5 to 17 .* 0\.0 nats after 3 updates"):
        make(run, tmp_path, tmp_path, CPU)
    assert [r["seed"] for r in log(tmp_path)] == list(range(5, 18))


def test_a_signal_while_a_seed_is_given_up(
    tmp_path: Path, plain: tuple[int, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    seed, loss = plain
    run, out = config.load(write(tmp_path, seed, loss=loss)), tmp_path / "out"
    give_up = Session._give_up_seed

    def give_up_with_a_signal(self: Session, loss: float) -> None:
        give_up(self, loss)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Session, "_give_up_seed", give_up_with_a_signal)
    assert make(run, tmp_path, out, CPU) == INTERRUPTED
    assert [r["event"] for r in log(out)] == ["stuck"]
    assert make(run, tmp_path, out, CPU) == 0
    same_as_plain(tmp_path, out, seed + 1)


def test_killed_while_a_seed_is_given_up(
    tmp_path: Path, plain: tuple[int, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    seed, loss = plain
    run = config.load(write(tmp_path, seed, loss=loss))

    class KilledError(BaseException):
        pass

    def killed(*_: object, **__: object) -> None:
        raise KilledError

    places = ((os, "replace"), (checkpoint, "remove"), (checkpoint.shutil, "rmtree"))
    for number, (place, name) in enumerate(places):
        out = tmp_path / f"out{number}"
        early = Session(run, tmp_path, out, CPU)
        early.trainer.step()
        early.log({"event": "train", "updates": 1, "loss": 9.0})
        early.save()
        # What a removal that was cut off left behind.
        (out / "tiny/checkpoints/00000001.removing").mkdir()
        with monkeypatch.context() as patch:
            if name == "rmtree":  # in the middle of a checkpoint
                real = checkpoint.shutil.rmtree

                def half(path: Path, *rest: object, real=real, **more: object) -> None:
                    if (Path(path) / "00000001.removing").is_dir():
                        (Path(path) / "00000001.removing/manifest.json").unlink()
                        raise KilledError
                    real(path, *rest, **more)

                patch.setattr(place, name, half)
            else:
                patch.setattr(place, name, killed)
            with pytest.raises(KilledError):
                make(run, tmp_path, out, CPU)
        events = [r["event"] for r in log(out)]
        assert events[0] == ("train" if name == "replace" else "stuck")
        if name == "replace":  # nothing was given up yet
            assert make(run, tmp_path, out, CPU) == STUCK
        assert make(run, tmp_path, out, CPU) == 0
        assert [r["seed"] for r in log(out) if r["event"] == "start"] == [seed + 1]
        same_as_plain(tmp_path, out, seed + 1)
        for kind in ("checkpoints", "compact"):
            assert [p.name for p in (out / "tiny" / kind).iterdir()] == ["00000008"]


def test_another_seed_in_the_run_file_is_refused(tmp_path: Path, plain: tuple[int, float]) -> None:
    seed, loss = plain
    run, out = config.load(write(tmp_path, seed, loss=loss)), tmp_path / "out"
    assert make(run, tmp_path, out, CPU) == STUCK
    second = Session(run, tmp_path, out, CPU)
    second.trainer.step()
    second.save()
    for other in (seed - 1, seed + 1, seed + 2):
        with pytest.raises(CheckpointError, match="another run file"):
            Session(config.load(write(tmp_path, other, loss=loss)), tmp_path, out, CPU)
    assert Session(run, tmp_path, out, CPU).trainer.updates == 1


def test_a_torn_last_line_of_the_log(tmp_path: Path) -> None:
    support.write_corpus(tmp_path / "text")
    run = config.load(write(tmp_path, 5, loss=0.0))
    assert make(run, tmp_path, tmp_path, CPU) == STUCK
    path = tmp_path / "tiny/log.jsonl"
    with path.open("a") as file:
        file.write('{"time": 1.0, "event": "stuck", "se')
    second = Session(run, tmp_path, tmp_path, CPU)
    assert second.run.seed == 6
    second.log({"event": "train", "updates": 2, "loss": 0.0})
    second.log({"event": "valid", "updates": 2, "perplexity": 3.0})
    assert [r["event"] for r in runlog.records(path)] == ["stuck", "train", "valid"]
    assert len(path.read_text().splitlines()) == 4
    assert plot.curves(path) == {"train": [(2, 1.0)], "valid": [(2, 3.0)], "test": []}

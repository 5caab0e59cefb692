"""The driver of a lent machine: starts, outlives its caller, collects within limits."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import torch

from egru_lm import checkpoint, export, session
from egru_lm.train import Session
from tests import support

FOLDER = Path(__file__).resolve().parents[1]

RUN = """
name = "{name}"
seed = 1
init = "{init}"
[data]
corpus = "text"
[model]
embedding = 5
hidden = [7, 5]
[train]
batch = 3
window = 4
updates = 20
dtype = "float32"
[quantise]
stack = "{kind}"
embedding = "{kind}"
"""


def drive(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "egru_lm.session", "--data", str(folder)]
    command += ["--work", str(folder / "work"), "--device", "cpu", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(FOLDER), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=100)


def unpacked(pieces: Path, target: Path) -> Path:
    content = b"".join(p.read_bytes() for p in sorted(pieces.iterdir()))
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(target, filter="data")
    return target


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_runs_in_order_and_collects(tmp_path: Path) -> None:
    support.write_corpus(tmp_path / "text")
    (tmp_path / "one.toml").write_text(RUN.format(name="one", init="", kind="none"))
    (tmp_path / "two.toml").write_text(RUN.format(name="two", init="one", kind="int8"))
    ship = ["--ship", "two"]
    runs = [str(tmp_path / "one.toml"), str(tmp_path / "two.toml")]
    first = drive(tmp_path, "--seconds", "0", *runs, *ship)
    assert first.returncode == 0, first.stdout + first.stderr
    assert '"daemon alive": true' in first.stdout  # it goes on without the caller
    second = drive(tmp_path, "--seconds", "60", "--collect", str(tmp_path / "home"), *runs, *ship)
    assert second.returncode == 0, second.stdout + second.stderr
    assert '"one": "finished", "two": "finished"' in second.stdout
    home = unpacked(tmp_path / "home", tmp_path / "at-home")
    for name in ("two.safetensors", "two.stack.safetensors"):
        assert "calibration" in export.read_tensors(home / "two/ship" / name)[1]
    (compact,) = (home / "one/compact").iterdir()
    tensors, meta = checkpoint.read(compact)
    assert meta["counters"]["updates"] == 20 and "embedding.int8" in tensors
    assert (home / "daemon.log").is_file() and (home / "one/log.jsonl").is_file()
    assert (home / "two/card.md").is_file() and not (home / "two/compact").exists()


def test_collect_respects_the_limits(tmp_path: Path, monkeypatch) -> None:
    support.write_corpus(tmp_path / "text")
    run = support.run(data={"corpus": "text"}, train={"dtype": "float32"})
    s = Session(run, tmp_path, tmp_path / "work", torch.device("cpu"))
    s.save()
    s.log({"event": "x"})
    monkeypatch.setattr(session, "PIECE_BYTES", 3000)
    assert session.collect(tmp_path / "work", ["tiny"], tmp_path / "small", 9000) == ["tiny"]
    home = unpacked(tmp_path / "small", tmp_path / "small-home")
    assert [p.name for p in home.rglob("*") if p.is_file()] == ["log.jsonl"]
    assert session.collect(tmp_path / "work", ["tiny"], tmp_path / "large", 10**6) == []
    sizes = [p.stat().st_size for p in sorted((tmp_path / "large").iterdir())]
    assert len(sizes) > 2 and set(sizes[:-1]) == {3000}
    home = unpacked(tmp_path / "large", tmp_path / "large-home")
    (compact,) = (home / "tiny/compact").iterdir()
    assert checkpoint.read(compact)[1]["run"]["name"] == "tiny"


def test_a_failing_run_is_reported(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text(RUN.format(name="one", init="", kind="none"))
    result = drive(tmp_path, "--seconds", "60", str(tmp_path / "one.toml"))
    assert result.returncode == 1
    assert "FileNotFoundError" in result.stdout  # no corpus was put there

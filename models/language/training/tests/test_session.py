"""The driver of a lent machine: starts, outlives its caller, collects within limits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import torch

from egru_lm import checkpoint, session
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


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_runs_in_order_and_collects(tmp_path: Path) -> None:
    support.write_corpus(tmp_path / "text")
    (tmp_path / "one.toml").write_text(RUN.format(name="one", init="", kind="none"))
    (tmp_path / "two.toml").write_text(RUN.format(name="two", init="one", kind="int8"))
    runs = [str(tmp_path / "one.toml"), str(tmp_path / "two.toml")]
    first = drive(tmp_path, "--seconds", "0", *runs)
    assert first.returncode == 0, first.stdout + first.stderr
    assert '"daemon alive": true' in first.stdout  # it goes on without the caller
    second = drive(tmp_path, "--seconds", "60", "--collect", str(tmp_path / "home"), *runs)
    assert second.returncode == 0, second.stdout + second.stderr
    assert '"one": "finished", "two": "finished"' in second.stdout
    home = tmp_path / "home"
    whole = b"".join(p.read_bytes() for p in sorted((home / "two-weights").iterdir()))
    assert whole == (tmp_path / "work/two/two.safetensors").read_bytes()
    tensors, meta = checkpoint.read(home / "one-compact")
    assert meta["counters"]["updates"] == 20 and "embedding.int8" in tensors
    with tarfile.open(home / "logs.tar.gz") as archive:
        assert {"daemon.log", "one/log.jsonl", "two/card.md"} <= set(archive.getnames())


def test_collect_respects_the_limits(tmp_path: Path) -> None:
    support.write_corpus(tmp_path / "text")
    run = support.run(data={"corpus": "text"}, train={"dtype": "float32"})
    s = Session(run, tmp_path, tmp_path / "work", torch.device("cpu"))
    s.save()
    s.log({"event": "x"})
    target = tmp_path / "home"
    assert session.collect(tmp_path / "work", [run], target, files=2, total=10**6) == ["tiny"]
    assert [p.name for p in target.iterdir()] == ["logs.tar.gz"]
    assert session.collect(tmp_path / "work", [run], target, files=3, total=10**6) == []
    names = {p.name for p in (target / "tiny-compact").iterdir()}
    assert names == {"manifest.json", "part-00.bin"}
    manifest = json.loads((target / "tiny-compact/manifest.json").read_text())
    assert manifest["meta"]["run"]["name"] == "tiny"


def test_a_failing_run_is_reported(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text(RUN.format(name="one", init="", kind="none"))
    result = drive(tmp_path, "--seconds", "60", str(tmp_path / "one.toml"))
    assert result.returncode == 1
    assert "FileNotFoundError" in result.stdout  # no corpus was put there

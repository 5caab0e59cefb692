"""Drives a list of runs on a machine that is lent for a short time.

One command, repeated: it starts the runs as a daemon of its own process session if none is alive
(so they outlive the command), waits up to --seconds, then copies what is worth keeping to
--collect in files small enough to send home. Runs that are complete are skipped, an interrupted
one resumes, so after a loss the same command goes on from whatever was put back into --work.

What is collected, within --files and --bytes: logs.tar.gz (logs, scores, cards) first; then per
run, newest first: a finished quantised run as its weights file, cut into parts; any other as its
compact checkpoint. What did not fit is named.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

from . import checkpoint, config

PART_BYTES = 15_000_000
POLL_SECONDS = 5.0
LOG_NAMES = ("log.jsonl", "card.md", "results.json")


def alive(work: Path) -> bool:
    """Whether the daemon recorded in WORK/daemon.pid still runs (and is ours)."""
    try:
        pid = int((work / "daemon.pid").read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, ValueError):
        return False
    return b"egru_lm.session" in command and state != "Z"


def start(runs: list[Path], data: Path, work: Path, extra: list[str]) -> None:
    """Starts this module again as a daemon that makes the runs one after the other."""
    command = [sys.executable, "-m", "egru_lm.session", "--daemon", "--data", str(data)]
    command += ["--work", str(work), *extra, *map(str, runs)]
    with (work / "daemon.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    (work / "daemon.pid").write_text(str(process.pid))
    while not alive(work) and process.poll() is None:  # its command line appears a little later
        time.sleep(0.01)


def finished(work: Path, name: str) -> bool:
    return (work / name / "results.json").is_file()


def daemon(runs: list[Path], data: Path, work: Path, extra: list[str]) -> int:
    """Makes the runs in order; a failure ends the list, because later runs build on it."""
    for path in runs:
        command = [sys.executable, "-m", "egru_lm.train", str(path), "--data", str(data)]
        status = subprocess.call([*command, "--out", str(work), *extra])
        print(f"{path.name}: status {status}", flush=True)
        if status != 0:
            return status
    return 0


def _logs(work: Path, names: list[str], target: Path) -> None:
    with tarfile.open(target, "w:gz") as archive:
        if (work / "daemon.log").is_file():
            archive.add(work / "daemon.log", "daemon.log")
        for name in names:
            for file in LOG_NAMES:
                if (work / name / file).is_file():
                    archive.add(work / name / file, f"{name}/{file}")


def _pieces(work: Path, run: config.Run) -> list[tuple[str, bytes]]:
    """Files to send for one run, as (relative path, content)."""
    folder = work / run.name
    weights = folder / f"{run.name}.safetensors"
    quantised = run.quantise.stack != "none" and run.quantise.embedding != "none"
    if finished(work, run.name) and quantised and weights.is_file():
        content = weights.read_bytes()
        return [
            (f"{run.name}-weights/{weights.name}.{i:02d}", content[b : b + PART_BYTES])
            for i, b in enumerate(range(0, len(content), PART_BYTES))
        ]
    newest = checkpoint.newest(folder / "compact")
    if newest is None:
        return []
    files = sorted(newest.iterdir())
    return [(f"{run.name}-compact/{file.name}", file.read_bytes()) for file in files]


def collect(
    work: Path, runs: list[config.Run], target: Path, files: int, total: int
) -> list[str]:
    """Copies to target; returns the names of runs whose files did not fit."""
    target.mkdir(parents=True, exist_ok=True)
    _logs(work, [run.name for run in runs], target / "logs.tar.gz")
    files -= 1
    total -= (target / "logs.tar.gz").stat().st_size
    left_out = []
    for run in reversed(runs):
        pieces = _pieces(work, run)
        size = sum(len(content) for _, content in pieces)
        if len(pieces) > files or size > total:
            left_out.append(run.name)
            continue
        files -= len(pieces)
        total -= size
        if pieces:
            shutil.rmtree((target / pieces[0][0]).parent, ignore_errors=True)
        for name, content in pieces:
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return left_out


def _last_lines(work: Path, runs: list[config.Run], count: int) -> list[str]:
    lines = []
    for run in runs:
        log = work / run.name / "log.jsonl"
        if log.is_file():
            lines += [f"{run.name} {line[:400]}" for line in log.read_text().splitlines()[-count:]]
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", help="run files, in order")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="stays on the machine")
    parser.add_argument("--collect", type=Path, help="what goes home")
    parser.add_argument("--send", nargs="*", help="collect only these runs")
    parser.add_argument("--seconds", type=float, default=0.0, help="wait at most this long")
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--bytes", type=int, default=66_000_000)
    parser.add_argument("--device", help="passed on to the runs")
    parser.add_argument("--daemon", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    extra = ["--device", arguments.device] if arguments.device else []
    arguments.work.mkdir(parents=True, exist_ok=True)
    if arguments.daemon:
        return daemon(arguments.runs, arguments.data, arguments.work, extra)
    begin = time.monotonic()
    runs = [config.load(path) for path in arguments.runs]  # a bad file fails before the start
    work = arguments.work
    if not alive(work) and not all(finished(work, run.name) for run in runs):
        start(arguments.runs, arguments.data, work, extra)
    while alive(work) and time.monotonic() - begin < arguments.seconds:
        time.sleep(min(POLL_SECONDS, max(0.1, arguments.seconds / 20)))
    state = {run.name: "finished" if finished(work, run.name) else "open" for run in runs}
    print("\n".join(_last_lines(work, runs, 6)))
    if arguments.collect:
        wanted = [run for run in runs if not arguments.send or run.name in arguments.send]
        left = collect(work, wanted, arguments.collect, arguments.files, arguments.bytes)
        print(f"left out: {', '.join(left) or 'nothing'}")
    print(json.dumps({"daemon alive": alive(work), **state}))
    if not alive(work) and "open" in state.values():
        log = work / "daemon.log"
        print(log.read_text()[-3000:] if log.is_file() else "no daemon log")
        return 1
    return 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())

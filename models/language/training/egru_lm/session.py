"""Drives a list of runs on a machine that is lent for a short time.

One command, repeated: it starts the runs as a daemon of its own process session if none is alive
(so they outlive the command), waits up to --seconds, then writes what is worth keeping to
--collect in files small enough to send home. Runs that are complete are skipped, an interrupted
one resumes, so after a loss the same command goes on from whatever was put back into --work.

A run named in --ship is rounded to int8, scored and written to WORK/NAME/ship once it is complete.

What is collected is one tar, cut into home.tar.00, .01, ... (`cat home.tar.* | tar x` at home):
logs, scores and cards first; then per run, newest first, what it ships, or else its compact
checkpoint, which exists from its first save on, while what fits into --bytes. What did not fit is
named.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

from . import checkpoint, config

PIECE_BYTES = 16_000_000
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
    command += ["--work", str(work), *map(str, runs), *extra]
    with (work / "daemon.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    (work / "daemon.pid").write_text(str(process.pid))
    while not alive(work) and process.poll() is None:  # its command line appears a little later
        time.sleep(0.01)


def finished(work: Path, name: str) -> bool:
    return (work / name / "results.json").is_file()


def shipped(work: Path, name: str) -> bool:
    return (work / name / "ship" / "results.json").is_file()


def daemon(
    runs: list[Path], data: Path, work: Path, ship: list[str], extra: list[str]
) -> int:
    """Makes the runs in order; a failure ends the list, because later runs build on it."""

    def call(module: str, path: Path, *arguments: str) -> int:
        command = [sys.executable, "-m", f"egru_lm.{module}", str(path), "--data", str(data)]
        status = subprocess.call([*command, *arguments])
        print(f"{module} {path.name}: status {status}", flush=True)
        return status

    for path in runs:
        name = config.load(path).name
        status = call("train", path, "--out", str(work), *extra)
        if status == 0 and name in ship and not shipped(work, name):
            places = ["--work", str(work), "--out", str(work / name / "ship")]
            kinds = ["--stack", "int8", "--embedding", "int8", "--keep-stack", "--calibrate"]
            status = call("ship", path, *places, *kinds)
        if status != 0:
            return status
    return 0


def _keep(work: Path, name: str) -> Path | None:
    """The folder to send for one run."""
    if shipped(work, name):
        return work / name / "ship"
    return checkpoint.newest(work / name / "compact")


def collect(work: Path, names: list[str], target: Path, total: int) -> list[str]:
    """Writes the pieces to target; returns the names of runs whose files did not fit."""
    chosen = [work / "daemon.log"]
    chosen += [work / name / file for name in names for file in LOG_NAMES]
    left_out = []
    for name in reversed(names):
        folder = _keep(work, name)
        files = sorted(folder.iterdir()) if folder is not None else []
        size = sum(f.stat().st_size for f in [*chosen, *files] if f.is_file())
        if size + 2048 * (len(chosen) + len(files)) > total:
            left_out.append(name)
        else:
            chosen += files
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for file in chosen:
            if file.is_file():
                archive.add(file, file.relative_to(work))
    target.mkdir(parents=True, exist_ok=True)
    for old in target.glob("home.tar.*"):
        old.unlink()
    content = stream.getbuffer()
    for i, begin in enumerate(range(0, len(content), PIECE_BYTES)):
        (target / f"home.tar.{i:02d}").write_bytes(content[begin : begin + PIECE_BYTES])
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
    parser.add_argument("--ship", nargs="*", default=[], help="runs to round and score")
    parser.add_argument("--bytes", type=int, default=4 * PIECE_BYTES)
    parser.add_argument("--device", help="passed on to the runs")
    parser.add_argument("--threads", help="passed on to the runs")
    parser.add_argument("--daemon", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    extra = ["--device", arguments.device] if arguments.device else []
    extra += ["--threads", arguments.threads] if arguments.threads else []
    arguments.work.mkdir(parents=True, exist_ok=True)
    if arguments.daemon:
        places = arguments.runs, arguments.data, arguments.work
        return daemon(*places, arguments.ship, extra)
    begin = time.monotonic()
    runs = [config.load(path) for path in arguments.runs]  # a bad file fails before the start
    work = arguments.work
    done = all(finished(work, run.name) for run in runs)
    done = done and all(shipped(work, name) for name in arguments.ship)
    if not alive(work) and not done:
        more = ["--ship", *arguments.ship] if arguments.ship else []
        start(arguments.runs, arguments.data, work, [*extra, *more])
    while alive(work) and time.monotonic() - begin < arguments.seconds:
        time.sleep(min(POLL_SECONDS, max(0.1, arguments.seconds / 20)))
    state = {run.name: "finished" if finished(work, run.name) else "open" for run in runs}
    print("\n".join(_last_lines(work, runs, 6)))
    if arguments.collect:
        wanted = [r.name for r in runs if not arguments.send or r.name in arguments.send]
        left = collect(work, wanted, arguments.collect, arguments.bytes)
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

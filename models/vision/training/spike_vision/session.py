"""A list of runs on a machine that is lent for a short time: one command, repeated until all ship.

    python -m spike_vision.session runs/a.toml runs/b.toml --data DATA --work WORK --collect OUT \\
        --seconds 560

Runs that are complete are skipped, an interrupted one goes on from its checkpoint. What ships of the
complete ones is one tar in OUT, cut into home.tar.00, home.tar.01, ...: `cat home.tar.* | tar x`.
"""

from __future__ import annotations

import argparse
import io
import tarfile
import time
from pathlib import Path

from . import config
from .ship import ship
from .train import default_device, train

PIECE_BYTES = 15_000_000


def collect(shipped: Path, out: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(shipped, arcname=".")
    content = packed.getvalue()
    out.mkdir(parents=True, exist_ok=True)
    for number, start in enumerate(range(0, len(content), PIECE_BYTES)):
        (out / f"home.tar.{number:02}").write_bytes(content[start : start + PIECE_BYTES])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--collect", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=560.0)
    arguments = parser.parse_args()
    deadline = time.monotonic() + arguments.seconds
    for path in arguments.runs:
        run = config.read(path)
        if not train(run, arguments.data, arguments.work, default_device(), deadline):
            print(f"{run.name}: not complete; the same command goes on")
            break
        if not (arguments.work / "ship" / run.name).exists():
            print(ship(run, arguments.data, arguments.work, arguments.work / "ship"), flush=True)
        collect(arguments.work / "ship", arguments.collect)


if __name__ == "__main__":
    main()

"""A list of runs on a machine that is lent for a short time: one command, repeated until all ship.

    python -m spike_vision.session runs/a.toml runs/b.toml --data DATA --work WORK --collect OUT \\
        --seconds 560

Runs that are complete are skipped, an interrupted one goes on from its checkpoint. What ships of a
complete one becomes OUT/NAME.tar beside the next one's training: `for t in OUT/*.tar; do tar xf $t; done`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
import time
from pathlib import Path

from . import config
from .train import default_device, train


def collect(shipped: Path, out: Path) -> None:
    """The folder `shipped` as OUT/NAME.tar, there at once or not at all."""
    out.mkdir(parents=True, exist_ok=True)
    partial = out / f"{shipped.name}.partial"
    with tarfile.open(partial, mode="w") as archive:
        archive.add(shipped, arcname=shipped.name)
    partial.rename(out / f"{shipped.name}.tar")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--collect", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=560.0)
    parser.add_argument("--threads", type=int, default=8, help="of what ships")
    parser.add_argument("--compile", action="store_true", help="through torch.compile")
    arguments = parser.parse_args()
    deadline = time.monotonic() + arguments.seconds
    shipping: list[tuple[str, subprocess.Popen]] = []

    def home(wait: bool) -> None:
        for name, process in list(shipping):
            if wait or process.poll() is not None:
                shipping.remove((name, process))
                if process.wait() == 0:
                    collect(arguments.work / "ship" / name, arguments.collect)

    for path in arguments.runs:
        run = config.read(path)
        if not train(run, arguments.data, arguments.work, default_device(), deadline,
                     arguments.compile):
            print(f"{run.name}: not complete; the same command goes on")
            break
        if not (arguments.collect / f"{run.name}.tar").exists():
            shipping.append((run.name, subprocess.Popen(
                [sys.executable, "-m", "spike_vision.ship", path, "--data", str(arguments.data),
                 "--work", str(arguments.work), "--out", str(arguments.work / "ship"),
                 "--threads", str(arguments.threads)])))
        home(wait=False)
    home(wait=True)


if __name__ == "__main__":
    main()

"""Everything on a machine that is lent for a short time: makes the clips that are missing, trains both
networks side by side, and exports those that are finished.

    python -m gesture_nets.session --spikeloom build/release/cli/spikeloom --work WORK --out OUT

What stands behind -- is added to the flags of both trainings. OUT receives checkpoints and model files; a
later session with the same WORK, or with checkpoints put back as WORK/lif and WORK/egru, goes on from them.
"""

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

from .networks import NETWORKS

SHARD = 1000
SEEDS = {"train": 2_000_000, "valid": 550_000, "test": 560_000}
FRAME_RATES = {"train": 150, "valid": 150, "test": 200}
RECIPE = ["--batch", "256", "--steps", "44", "--strength-end", "0.4", "--dropout", "0.1",
          "--every", "250", "--hidden", "128"]
RECIPES = {
    "lif": [*RECIPE, "--channels", "16", "32", "64", "--quiet", "4", "--target", "0.1"],
    "egru": [*RECIPE, "--channels", "16", "32", "32", "--quiet", "8", "--target", "0.12"],
}


def make_clips(spikeloom, folder, first, count, rate):
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(0, count, SHARD):
        path = folder / f"{first + k}.npz"
        if not path.exists():
            part = folder.parent / "part.npz"
            subprocess.run([spikeloom, "sensors", "gestures", "-o", str(part), "--quiet", "--seed",
                            str(first + k), "--count", str(min(SHARD, count - k)),
                            "--frame-rate", str(rate)],
                           check=True, stdout=subprocess.DEVNULL)
            part.rename(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spikeloom", required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--clips", type=int, default=30000)
    parser.add_argument("--held-out", type=int, default=440)
    parser.add_argument("--seconds", type=float, default=900, help="of this session")
    parser.add_argument("--train-seconds", type=float, default=400, help="of the schedule")
    parser.add_argument("train", nargs="*", help="flags of gesture_nets.train, behind --")
    flags = parser.parse_args()
    end = time.time() + flags.seconds
    flags.out.mkdir(parents=True, exist_ok=True)
    for part, first in SEEDS.items():
        make_clips(flags.spikeloom, flags.work / part, first,
                   flags.clips if part == "train" else flags.held_out, FRAME_RATES[part])
    print(f"clips ready, {end - time.time():.0f} s left", flush=True)
    runs = {kind: subprocess.Popen(
        [sys.executable, "-m", "gesture_nets.train", kind, "--train", str(flags.work / "train"),
         "--valid", str(flags.work / "valid"), "--out", str(flags.work / kind), "--device",
         flags.device, "--seconds", str(flags.train_seconds), *RECIPES[kind], *flags.train])
        for kind in NETWORKS}
    while time.time() < end and any(run.poll() is None for run in runs.values()):
        time.sleep(0.5)
    for kind, run in runs.items():
        if run.poll() is None:
            run.terminate()
        run.wait()
        for name in ("checkpoint.pt", "log.jsonl"):
            if (flags.work / kind / name).exists():
                shutil.copy(flags.work / kind / name, flags.out / f"{kind}.{name}")
        weights = flags.work / kind / "weights.pt"
        if weights.exists():
            subprocess.run([sys.executable, "-m", "gesture_nets.export", str(weights), "--test",
                            str(flags.work / "test"), "--out",
                            str(flags.out / f"gesture-{kind}.sloom")], check=True)


if __name__ == "__main__":
    main()

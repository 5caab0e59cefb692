"""Makes the files that ship from a run's last checkpoint, and measures exactly what they hold.

The weights are first rounded to the form in which they are stored (float16, int8 or ternary rows)
and then scored, so the card states the perplexity of the file and not of the model it came from.
With --calibrate the number of calibrate.py is fitted and put into the weights before.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from . import calibrate, checkpoint, compact, config, corpus, export, results
from .config import Run
from .kernels import choose
from .network import Rounding, State
from .quantise import KINDS
from .train import new_state, with_seed_reached


def load_state(
    run: Run, folder: Path, words: int, device: torch.device
) -> tuple[State, dict[str, Any]]:
    """Model and meta of the last full or, failing that, compact checkpoint of a run's folder."""
    state = new_state(run, words, torch.device("cpu"))
    full = checkpoint.newest(folder / "checkpoints")
    small = checkpoint.newest(folder / "compact")
    if full is not None:
        tensors, meta = checkpoint.read(full)
        state.flat.copy_(tensors["flat"])
        for i, theta in enumerate(state.theta, 1):
            theta.copy_(tensors[f"theta{i}"])
    elif small is not None:
        tensors, meta = checkpoint.read(small)
        compact.unpack(tensors, state)
    else:
        raise FileNotFoundError(f"{folder}: neither checkpoints/ nor compact/ holds anything")
    moved = [t.to(device) for t in state.theta]
    return State(state.layout, state.flat.to(device), moved), meta


def store_as(state: State, float_type: str, rounding: Rounding) -> None:
    """Rounds what the file stores in float_type; biases and thresholds stay float32.

    A matrix that is stored as int8 or ternary rows is left alone: its rows have to be those of the
    training, and a weight rounded to float16 first can change sides at the ternary cut. wt2-ternary
    scored 80.5 in training and 84.5 as a file made with that rounding.
    """
    for name, entry in state.layout.entries.items():
        kind = rounding.embedding if name == "embedding" else rounding.stack
        if kind == "none" and (entry.prunable or name == "embedding"):
            view = entry.logical(state.flat)
            view.copy_(view.to(export.FLOATS[float_type]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="the --out of the training")
    parser.add_argument("--out", type=Path, required=True, help="folder for the files")
    parser.add_argument("--float", choices=sorted(export.FLOATS), default="float16")
    parser.add_argument("--stack", choices=KINDS, default="none")
    parser.add_argument("--embedding", choices=KINDS, default="none")
    parser.add_argument(
        "--keep-stack", action="store_true", help="NAME.stack.safetensors too, see export.py"
    )
    parser.add_argument("--calibrate", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--note", default="", help="a line for the card")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    run = config.load(arguments.run)
    folder = arguments.work / run.name
    run = with_seed_reached(run, folder)
    text = corpus.load(arguments.data / run.data.corpus)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    state, meta = load_state(run, folder, len(text.words), device)
    rounding = Rounding(arguments.stack, arguments.embedding)
    fitted = scale = None
    if arguments.calibrate:
        valid = torch.from_numpy(text.parts["valid"]).to(device)
        fitted = calibrate.fit(
            state, valid, choose(device), run.train.batch, run.save.reset_every, rounding
        )
        scale = fitted.scale
        calibrate.fold(state, scale)
    store_as(state, arguments.float, rounding)
    if arguments.keep_stack:
        export.write_tensors(
            arguments.out / f"{run.name}.stack.safetensors",
            export.stack_only(export.collect(state, Rounding(), "float16")),
            export.metadata(state, Rounding(), run.name, text.digest, scale),
        )
    with torch.no_grad():
        scores = results.score_all(
            run, state, text, choose(device), rounding, lambda record: print(json.dumps(record))
        )
    training = results.progress_of(run, meta["counters"], torch.from_numpy(text.parts["train"]))
    if fitted is not None:
        training["calibration"] = calibrate.describe(fitted)
    if arguments.note:
        training["note"] = arguments.note
    results.write(
        arguments.out, run, state, text, rounding, scores, training, arguments.float, scale
    )


if __name__ == "__main__":
    main()

"""Calibrates a weights file that is finished: of rows with a scale only the scales change.

    python -m egru_lm.calibrate_file RUN.toml NAME.safetensors --data DATA          prints the number
    python -m egru_lm.calibrate_file RUN.toml NAME.safetensors --data DATA --write  and puts it in

Where one file borrows another's embedding, --scale gives both the same number.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import torch
from torch import Tensor

from . import calibrate, config, corpus, export
from .kernels import choose
from .train import new_state


def _multiply(tensors: dict[str, Tensor], name: str, factor: float) -> None:
    for key in (f"{name}.scale", name, f"{name}.value"):
        if key in tensors:
            tensors[key] = (tensors[key].double() * factor).to(tensors[key].dtype)
            return


def fold_file(path: Path, scale: float) -> None:
    """The same in a file of export.write_tensors and in the stack before rounding beside it."""
    calibrate.check(scale)
    files = [f for f in (path, path.with_suffix(".stack.safetensors")) if f.is_file()]
    read = [export.read_tensors(file) for file in files]
    for file, (_, information) in zip(files, read, strict=True):  # before one of them is written
        if "calibration" in information:
            raise ValueError(f"{file} is calibrated already, by {information['calibration']}")
    for file, (tensors, information) in zip(files, read, strict=True):
        _multiply(tensors, "embedding", scale)
        _multiply(tensors, "layer1.kernel", 1 / scale)
        information["calibration"] = str(scale)
        export.write_tensors(file, tensors, information)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--scale", type=float, help="put this one in instead of fitting one")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="put the number into the file")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    scale = arguments.scale
    if scale is None:
        run = config.load(arguments.run)
        text = corpus.load(arguments.data / run.data.corpus)
        cpu = torch.device("cpu")
        state = new_state(run, len(text.words), cpu)
        export.read_safetensors(arguments.weights, state, exact=True)
        tokens = torch.from_numpy(text.parts["valid"])
        found = calibrate.fit(state, tokens, choose(cpu), arguments.batch, run.save.reset_every)
        print(json.dumps(dataclasses.asdict(found)))
        scale = found.scale
    if arguments.write:
        fold_file(arguments.weights, scale)


if __name__ == "__main__":
    main()

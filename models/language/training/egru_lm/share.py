"""Stores an embedding once: takes it out of a weights file when another file holds the same.

    python -m egru_lm.share ../weights/B/B.safetensors ../weights/A/A.safetensors

B keeps its metadata, `embedding_from` with the way from B's folder to A, and every other tensor,
decoder.bias too. Nothing is written unless both embeddings are equal bit for bit.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import torch

from . import export

SHARED = ("embedding", "embedding.scale")


def share(path: Path, source: Path) -> int:
    """Returns the bytes saved; ValueError says what differs."""
    tensors, information = export.read_tensors(path)
    theirs = {n: t for n, t in export.read_tensors(source)[0].items() if n in SHARED}
    ours = {name: tensors.pop(name) for name in SHARED if name in tensors}
    if not ours or ours.keys() != theirs.keys():
        raise ValueError(f"{path} holds {sorted(ours)}, {source} {sorted(theirs)}")
    for name, tensor in ours.items():
        if tensor.dtype != theirs[name].dtype or not torch.equal(tensor, theirs[name]):
            raise ValueError(f"{name} of {path} differs from that of {source}")
    before = path.stat().st_size
    information["embedding_from"] = os.path.relpath(source, path.parent)
    export.write_tensors(path, tensors, information)
    return before - path.stat().st_size


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path, help="file that gives its embedding up")
    parser.add_argument("source", type=Path, help="file that keeps the same")
    arguments = parser.parse_args()
    try:
        print(f"{share(arguments.weights, arguments.source)} bytes saved")
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

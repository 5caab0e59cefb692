"""Tiny runs and texts shared by the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from egru_lm import config
from egru_lm.config import Run
from egru_lm.network import State
from egru_lm.train import new_state

WORDS = 23


def run(cell: str = "egru", **tables: dict[str, Any]) -> Run:
    """A run of three layers, 5-7-6-5, float64, with everything in `tables` on top."""
    base: dict[str, Any] = {
        "name": "tiny",
        "seed": 3,
        "model": {
            "cell": cell,
            "embedding": 5,
            "hidden": [7, 6, 5],
            "threshold_mean": 0.1,
            "gamma": 0.9,
            "beta": 1.3,
        },
        "train": {"batch": 3, "window": 4, "updates": 12, "rate": 0.05, "warmup": 2,
                  "clip": 0.25, "dtype": "float64"},
    }  # fmt: skip
    for name, table in tables.items():
        if isinstance(table, dict):
            base[name] = {**base.get(name, {}), **table}
        else:
            base[name] = table
    return config.from_table(base, "test")


DROPOUT = {"embedding": 0.3, "words": 0.1, "forward": 0.25, "recurrent": 0.4, "output": 0.2}


def state(run_: Run, words: int = WORDS) -> State:
    """Random weights, larger than the real initialisation so that units emit and gates bend."""
    result = new_state(run_, words, torch.device("cpu"))
    generator = torch.Generator().manual_seed(5)
    for entry in result.layout.entries.values():
        noise = torch.randn(entry.shape, generator=generator, dtype=result.flat.dtype)
        entry.logical(result.flat).copy_(0.6 * noise)
    return result


def tokens(count: int = 400, words: int = WORDS) -> torch.Tensor:
    generator = torch.Generator().manual_seed(11)
    return torch.randint(words, (count,), generator=generator).to(torch.int32)


def write_corpus(folder: Path) -> None:
    """A text with some structure, so that training lowers the loss."""
    folder.mkdir(parents=True)
    lines = ["a b c d e f", "b c d a", "f e d c b a", "c a d e"]
    for part, copies in (("train", 12), ("valid", 5), ("test", 6)):
        (folder / f"{part}.tokens").write_text("".join(f"{x}\n" for x in lines * copies))

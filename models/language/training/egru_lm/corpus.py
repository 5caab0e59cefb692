"""A word-level corpus: three token files, one vocabulary.

The vocabulary is every token of train, then valid, then test, in order of first appearance, with
<eos> appended to every line; for WikiText-2 that is 33,278 words, the figure of the literature.
"""

from __future__ import annotations

import hashlib
import lzma
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PARTS = ("train", "valid", "test")
END_OF_LINE = "<eos>"


@dataclass(frozen=True)
class Corpus:
    """Token ids per part (int32), the words in id order, and the digest of the files read."""

    words: list[str]
    parts: dict[str, np.ndarray]
    digest: str


def _content(folder: Path, part: str) -> bytes:
    for name in (f"{part}.tokens", f"wiki.{part}.tokens"):
        if (folder / name).is_file():
            return (folder / name).read_bytes()
        if (folder / f"{name}.xz").is_file():
            return lzma.decompress((folder / f"{name}.xz").read_bytes())
    raise FileNotFoundError(
        f"{folder}: neither {part}.tokens nor wiki.{part}.tokens is there, plain or as .xz"
    )


def load(folder: Path) -> Corpus:
    """Reads the three files; raises FileNotFoundError with the folder and the names looked for."""
    index: dict[str, int] = {}
    parts: dict[str, np.ndarray] = {}
    digest = hashlib.sha256()
    for part in PARTS:
        content = _content(folder, part)
        digest.update(content)
        ids: list[int] = []
        lines = content.decode("utf-8").split("\n")
        if lines[-1] == "":
            lines.pop()
        for line in lines:
            ids.extend(index.setdefault(word, len(index)) for word in line.split())
            ids.append(index.setdefault(END_OF_LINE, len(index)))
        parts[part] = np.asarray(ids, dtype=np.int32)
    return Corpus(list(index), parts, digest.hexdigest())

"""Checkpoints as folders of small parts.

Layout: FOLDER/00001234/part-00.bin ... and manifest.json (names, types, shapes, digests, meta).
Parts are at most PART_BYTES, so that a checkpoint can pass through channels that limit the size of
one file. A checkpoint is written under a temporary name, flushed, then renamed: a folder with a
final name is complete, whatever happens to the process. The one before is removed only afterwards,
and loses its final name first.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

PART_BYTES = 15_000_000


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be read; says which file and why."""


def _bytes(tensor: Tensor) -> np.ndarray:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy() if flat.numel() else np.zeros(0, np.uint8)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write(folder: Path, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
    """Writes the parts and the manifest into an existing, empty folder."""
    entries = []
    chunks: list[np.ndarray] = []
    for name, tensor in tensors.items():
        content = _bytes(tensor)
        kind = str(tensor.dtype).removeprefix("torch.")
        entries.append(
            {"name": name, "dtype": kind, "shape": list(tensor.shape), "bytes": content.nbytes}
        )
        chunks.append(content)
    stream = np.concatenate(chunks) if chunks else np.zeros(0, np.uint8)
    parts = []
    for number, begin in enumerate(range(0, max(1, stream.nbytes), PART_BYTES)):
        part = stream[begin : begin + PART_BYTES].tobytes()
        path = folder / f"part-{number:02d}.bin"
        path.write_bytes(part)
        _flush(path)
        digest = hashlib.sha256(part).hexdigest()
        parts.append({"file": path.name, "bytes": len(part), "sha256": digest})
    manifest = {"format": 1, "meta": meta, "parts": parts, "tensors": entries}
    path = folder / "manifest.json"
    path.write_text(json.dumps(manifest, indent=1))
    _flush(path)
    _flush(folder)


def _manifest(folder: Path) -> dict[str, Any]:
    manifest = json.loads((folder / "manifest.json").read_text())
    if manifest.get("format") != 1:
        raise CheckpointError(f"{folder}/manifest.json: format {manifest.get('format')}, not 1")
    return manifest


def read_meta(folder: Path) -> dict[str, Any]:
    """Meta of one checkpoint folder alone."""
    return _manifest(folder)["meta"]


def read(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors (on the CPU) and meta of one checkpoint folder; verifies every digest."""
    manifest = _manifest(folder)
    stream = bytearray()
    for part in manifest["parts"]:
        path = folder / part["file"]
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != part["sha256"]:
            raise CheckpointError(f"{path}: digest differs from the manifest's; copy it again")
        stream += content
    tensors, offset = {}, 0
    for entry in manifest["tensors"]:
        content = stream[offset : offset + entry["bytes"]]
        offset += entry["bytes"]
        kind = getattr(torch, entry["dtype"])
        if entry["bytes"]:
            tensor = torch.frombuffer(content, dtype=torch.uint8).view(kind)
        else:
            tensor = torch.zeros(0, dtype=kind)
        tensors[entry["name"]] = tensor.reshape(entry["shape"]).clone()
    return tensors, manifest["meta"]


def _set_aside(path: Path) -> Path:
    """Takes a checkpoint's final name from it, so that it can be removed part by part."""
    aside = path.with_name(f"{path.name}.removing")
    shutil.rmtree(aside, ignore_errors=True)  # of a process that was killed
    return path.rename(aside)


def save(folder: Path, number: int, tensors: dict[str, Tensor], meta: dict[str, Any]) -> Path:
    """Writes checkpoint `number` atomically and removes the others."""
    folder.mkdir(parents=True, exist_ok=True)
    final, temporary = folder / f"{number:08d}", folder / f"{number:08d}.writing"
    if temporary.exists():
        shutil.rmtree(temporary)
    temporary.mkdir()
    write(temporary, tensors, meta)
    if final.exists():
        _set_aside(final)
    temporary.rename(final)
    _flush(folder)
    for other in list(folder.iterdir()):
        if other.is_dir() and other != final:
            shutil.rmtree(_set_aside(other) if other.name.isdigit() else other)
    return final


def remove(folder: Path) -> None:
    """Removes all checkpoints and the folder, if it is there."""
    if folder.is_dir():
        for path in list(folder.iterdir()):
            if path.name.isdigit():
                _set_aside(path)
        shutil.rmtree(folder)


def newest(folder: Path) -> Path | None:
    """The latest complete checkpoint, if there is one."""
    if not folder.is_dir():
        return None
    complete = [p for p in folder.iterdir() if p.is_dir() and p.name.isdigit()]
    return max(complete, key=lambda p: int(p.name), default=None)

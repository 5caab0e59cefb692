"""Weights as they ship: safetensors now; another container is one more function over `collect`.

Tensors, in the shapes of the equations (h units, n inputs, G gates; EGRU order z r g):
    embedding [V, E]                      the decoder's matrix too; stored once
    decoder.bias [V]
    layerI.kernel [G h, n]                row = one gate of one unit
    layerI.recurrent [G h, h]
    layerI.bias, layerI.recurrent_bias [G h]
    layerI.threshold [h]                  EGRU only
A quantised matrix X is X (int8) with X.scale (float32 per row). A matrix with at least half zeros
is stored by source, the order in which events are delivered: X.row_begin (uint32, sources + 1),
X.target (uint16, ascending within a source) and X.value (int8 or float, same order).
NAME.stack.safetensors beside a rounded model holds its stack before rounding, as the source for
fine-tuning: the same tensors without embedding and decoder, matrices as float16.
Where an embedding would be stored twice, one file has the metadata entry embedding_from instead:
the way from its folder to the file that has the embedding (share.py).
Metadata: format, cell, sizes, rounding, run name, corpus digest, the number of calibrate.py if it
is in the weights; the words, one a line, stand in
the file NAME.vocabulary.txt beside it, in id order.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .network import Rounding, State
from .quantise import quantise_rows

FLOATS = {"float32": torch.float32, "float16": torch.float16}


def _by_source(name: str, matrix: Tensor) -> dict[str, Tensor]:
    columns = matrix.t().contiguous()
    if columns.shape[1] > 65536:
        raise ValueError(f"{name}: {columns.shape[1]} targets do not fit uint16 indices")
    source, target = torch.nonzero(columns, as_tuple=True)
    counts = torch.bincount(source, minlength=columns.shape[0])
    begin = torch.cat([counts.new_zeros(1), torch.cumsum(counts, 0)])
    return {
        f"{name}.row_begin": torch.from_numpy(begin.numpy().astype(np.uint32)),
        f"{name}.target": torch.from_numpy(target.numpy().astype(np.uint16)),
        f"{name}.value": columns[source, target].contiguous(),
    }


def collect(state: State, rounding: Rounding, float_type: str = "float32") -> dict[str, Tensor]:
    """The tensors of the table above, on the CPU, without padding."""
    result: dict[str, Tensor] = {}
    kind_of_float = FLOATS[float_type]
    for name, entry in state.layout.entries.items():
        weights = entry.logical(state.flat).detach().float().cpu()
        if len(entry.shape) < 3 and name != "embedding":
            result[name] = weights.reshape(-1).contiguous()
            continue
        matrix = weights.reshape(-1, weights.shape[-1]).contiguous()
        kind = rounding.stack if entry.prunable else rounding.embedding
        if kind == "none":
            matrix = matrix.to(kind_of_float)
        else:
            matrix, result[f"{name}.scale"] = quantise_rows(matrix, kind)
        if entry.prunable and float((matrix == 0).float().mean()) >= 0.5:
            result.update(_by_source(name, matrix))
        else:
            result[name] = matrix.contiguous()
    if state.layout.model.cell == "egru":
        for i, theta in enumerate(state.theta, 1):
            width = state.layout.widths[i]
            result[f"layer{i}.threshold"] = theta[:width].detach().float().cpu().contiguous()
    return result


def stack_only(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Without embedding and decoder."""
    return {name: t for name, t in tensors.items() if name.startswith("layer")}


def metadata(
    state: State, rounding: Rounding, run: str, digest: str, calibration: float | None = None
) -> dict[str, str]:
    model = state.layout.model
    return {
        "format": "spikeloom-language-1",
        "cell": model.cell,
        "embedding": str(model.embedding),
        "hidden": json.dumps(list(model.hidden)),
        "vocabulary": str(state.layout.words),
        "gate_order": "z r g" if model.cell == "egru" else "i f g o",
        "rounding_stack": rounding.stack,
        "rounding_embedding": rounding.embedding,
        "run": run,
        "corpus_sha256": digest,
        **({} if calibration is None else {"calibration": str(calibration)}),
    }


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata as they stand in a file."""
    from safetensors import safe_open

    with safe_open(str(path), "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})


def write_tensors(path: Path, tensors: dict[str, Tensor], information: dict[str, str]) -> None:
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, str(path), metadata=information)


def write_safetensors(
    path: Path, tensors: dict[str, Tensor], information: dict[str, str], words: list[str]
) -> int:
    """Writes path and its vocabulary; returns the bytes of the weights file."""
    write_tensors(path, tensors, information)
    vocabulary = path.with_suffix(".vocabulary.txt")
    vocabulary.write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
    return path.stat().st_size


def _matrix(name: str, tensors: dict[str, Tensor], rows: int, columns: int) -> Tensor:
    if f"{name}.value" in tensors:
        begin = tensors[f"{name}.row_begin"].to(torch.int64)
        target = tensors[f"{name}.target"].to(torch.int64)
        source = torch.repeat_interleave(torch.arange(columns), begin[1:] - begin[:-1])
        matrix = torch.zeros(rows, columns)
        matrix[target, source] = tensors[f"{name}.value"].float()
    else:
        matrix = tensors[name].float()
    scale = tensors.get(f"{name}.scale")
    return matrix if scale is None else matrix * scale.unsqueeze(1)


@torch.no_grad()
def read_safetensors(path: Path, state: State, exact: bool = False) -> None:
    """Fills a state from a file of write_safetensors, whatever form its matrices have.

    Takes the stack from NAME.stack.safetensors where that stands beside it, unless the weights
    are wanted exactly as the file has them.
    """
    tensors, information = read_tensors(path)
    source = information.get("embedding_from")
    if source is not None:
        shared, _ = read_tensors(path.parent / source)
        tensors |= {n: t for n, t in shared.items() if n in ("embedding", "embedding.scale")}
    stack = path.with_suffix(".stack.safetensors")
    if stack.is_file() and not exact:
        tensors = {name: t for name, t in tensors.items() if not name.startswith("layer")}
        tensors |= read_tensors(stack)[0]
    for name, entry in state.layout.entries.items():
        if entry.prunable or name == "embedding":
            columns = entry.shape[-1]
            rows = entry.logical(state.flat).numel() // columns
            weights = _matrix(name, tensors, rows, columns)
        else:
            weights = tensors[name]
        entry.logical(state.flat).copy_(weights.reshape(entry.shape))
    for i, theta in enumerate(state.theta, 1):
        if f"layer{i}.threshold" in tensors:
            theta[: state.layout.widths[i]].copy_(tensors[f"layer{i}.threshold"])

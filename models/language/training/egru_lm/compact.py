"""A checkpoint small enough to travel: weights only, narrower, and factored second moments.

| what | form | bytes for the 750-1350-1350-750 model |
|---|---|---|
| embedding | int8 rows with a float32 scale (measured to be free of loss) | 25.1 MB |
| dense kernels | 12-bit rows with a float32 scale (or 8-bit, by choice) | 36.3 MB (24.2 MB) |
| kernels with at least half zeros | one bit per weight and float16 values | 5.4 MB at 95 % |
| second moments | mean per row and per column; their product over the mean stands in | 0.2 MB |
| the rest | float32 | 0.4 MB |

12 bits: s = max |w| / 2047 per row, w rounded to a multiple of s; the step is 1/2047 of the row's
largest weight, finer than bfloat16 for it and, for typical rows, below 1 % of the standard
deviation. Packed as one byte of low bits per weight and one nibble, two to a byte.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .network import State
from .quantise import int8_rows


def _pack12(matrix: Tensor) -> dict[str, Tensor]:
    scale = matrix.abs().amax(dim=1) / 2047
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    q = torch.round(matrix / scale.unsqueeze(1)).to(torch.int32) + 2048
    q = q.reshape(-1)
    high = (q >> 8).to(torch.uint8)
    if high.numel() % 2:
        high = torch.cat([high, high.new_zeros(1)])
    return {
        "low": (q & 255).to(torch.uint8),
        "high": high[::2] | (high[1::2] << 4),
        "scale": scale.float(),
    }


def _unpack12(part: dict[str, Tensor], shape: tuple[int, int]) -> Tensor:
    count = shape[0] * shape[1]
    pairs = part["high"].to(torch.int32)
    high = torch.stack([pairs & 15, pairs >> 4], dim=1).reshape(-1)[:count]
    q = (high << 8 | part["low"].to(torch.int32)) - 2048
    return q.view(shape).float() * part["scale"].unsqueeze(1)


def _pack_sparse(matrix: Tensor) -> dict[str, Tensor]:
    kept = (matrix != 0).reshape(-1)
    bits = torch.from_numpy(np.packbits(kept.numpy()))
    return {"bits": bits, "values": matrix.reshape(-1)[kept].to(torch.float16)}


def _unpack_sparse(part: dict[str, Tensor], shape: tuple[int, int]) -> Tensor:
    count = shape[0] * shape[1]
    kept = torch.from_numpy(np.unpackbits(part["bits"].numpy(), count=count)).bool()
    matrix = torch.zeros(count)
    matrix[kept] = part["values"].float()
    return matrix.view(shape)


def pack(state: State, second: Tensor | None = None, bits: int = 12) -> dict[str, Tensor]:
    """Compact tensors of a model, padding left out; names are parameter.form.

    bits (12 or 8) is the width of dense kernels.
    """
    result: dict[str, Tensor] = {}
    for name, entry in state.layout.entries.items():
        weights = entry.logical(state.flat).detach().float().cpu()
        if name == "embedding":
            q, scale = int8_rows(weights)
            parts = {"int8": q, "scale": scale}
        elif entry.prunable:
            matrix = weights.reshape(-1, weights.shape[-1])
            sparse = float((matrix == 0).float().mean()) >= 0.5
            if sparse:
                parts = _pack_sparse(matrix)
            elif bits == 8:
                q, scale = int8_rows(matrix)
                parts = {"int8": q, "scale": scale}
            else:
                parts = _pack12(matrix)
        else:
            parts = {"float": weights}
        if second is not None:
            moments = entry.logical(second).detach().float().cpu()
            if moments.dim() > 1:
                moments = moments.reshape(-1, moments.shape[-1])
                parts["moment_rows"] = moments.mean(dim=1)
                parts["moment_columns"] = moments.mean(dim=0)
            else:
                parts["moments"] = moments
        result.update({f"{name}.{form}": tensor for form, tensor in parts.items()})
    for i, theta in enumerate(state.theta, 1):
        width = state.layout.widths[i]
        result[f"theta{i}"] = theta[:width].detach().float().cpu()
    return result


@torch.no_grad()
def unpack(tensors: dict[str, Tensor], state: State, second: Tensor | None = None) -> None:
    """Fills a state (and second moments) from compact tensors."""
    for name, entry in state.layout.entries.items():
        prefix = f"{name}."
        part = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        matrix_shape = (int(np.prod(entry.shape[:-1])), entry.shape[-1])
        if "int8" in part:
            weights = part["int8"].float() * part["scale"].unsqueeze(1)
        elif "bits" in part:
            weights = _unpack_sparse(part, matrix_shape)
        elif "low" in part:
            weights = _unpack12(part, matrix_shape)
        else:
            weights = part["float"]
        entry.logical(state.flat).copy_(weights.view(entry.shape))
        if second is None:
            continue
        if "moment_rows" in part:
            rows, columns = part["moment_rows"], part["moment_columns"]
            mean = rows.mean().clamp(min=1e-38)
            moments = rows.unsqueeze(1) * columns.unsqueeze(0) / mean
            entry.logical(second).copy_(moments.view(entry.shape))
        elif "moments" in part:
            entry.logical(second).copy_(part["moments"])
    for i, theta in enumerate(state.theta, 1):
        theta[: state.layout.widths[i]].copy_(tensors[f"theta{i}"])

"""Chooses the fused kernels: Triton on a GPU, torch everywhere else; same functions, same results.

SPIKELOOM_KERNELS=torch or =triton overrides the choice (triton on a CPU needs TRITON_INTERPRET=1).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from types import ModuleType

import torch

from . import dense_torch, step_torch


@dataclass(frozen=True)
class Kernels:
    """Two modules with the function names of step_torch and dense_torch."""

    name: str
    step: ModuleType
    dense: ModuleType


def choose(device: torch.device) -> Kernels:
    wanted = os.environ.get("SPIKELOOM_KERNELS", "")
    if wanted == "triton" or (wanted == "" and device.type == "cuda"):
        from . import dense_triton, step_triton

        return Kernels("triton", step_triton, dense_triton)
    return Kernels("torch", step_torch, dense_torch)

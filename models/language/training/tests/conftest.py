"""The tests use one core and tiny models; no data outside this folder is needed.

Without a GPU the Triton kernels run in Triton's interpreter, which has to be asked for before
Triton is imported.
"""

from __future__ import annotations

import os

import torch

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")
torch.set_num_threads(1)

"""Functions that several Triton kernels use.

tanh is 1 - 2 / (exp(2x) + 1), exact to float32 rounding of the result's absolute value, because
the interpreter used by the tests has no device tanh.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def sigmoid(x):
    return 1.0 / (1.0 + tl.exp(-x))


@triton.jit
def tanh(x):
    return 1.0 - 2.0 / (tl.exp(2.0 * x) + 1.0)

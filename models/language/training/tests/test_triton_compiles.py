"""The Triton kernels compile for sm_90 without a GPU.

The interpreter used elsewhere accepts programs that the compiler refuses; a machine with a GPU is
too short a loan to find that out there. Runs in its own process, because Triton decides between
interpreter and compiler when it is imported.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton")

FOLDER = Path(__file__).resolve().parents[1]

SCRIPT = """
import inspect, sys, types
sys.path.insert(0, {folder!r})
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from egru_lm import dense_triton, product_triton, step_triton

WIDE, NARROW, INT, BYTE = "*fp32", "*bf16", "*i32", "*u8"
special = {{"y": NARROW, "x": NARROW, "d_wx": NARROW, "d_rh": NARROW, "logits": NARROW, "targets": INT,
           "mask": BYTE, "total": "i32", "n": "i32", "rows": "i32", "ones": "i32",
           "a": NARROW, "w": NARROW}}
numbers = ("gamma", "beta", "scale", "beta1", "beta2", "epsilon", "decay")
constants = {{"BLOCK": 512, "WORDS": 33278, "STRIDE": 33280, "GRADIENT": True, "FIRST": True,
             "MASK": True, "PARTS": 6, "EVEN": True, "PRECISION": "tf32"}}
count = 0
for module in (step_triton, dense_triton, product_triton):
    for name, kernel in vars(module).items():
        if not isinstance(kernel, triton.JITFunction) or name in ("_sigmoid", "_tanh", "_load", "_pass_on"):
            continue
        names = kernel.arg_names
        options = {{}}
        known = dict(constants)
        if module is product_triton:
            config = product_triton.SPLIT
            known |= {{k: v for k, v in config.items() if k.isupper()}}
            known |= {{"n": 1408, "depth": 4224, "part": 704}}
            options = {{k: v for k, v in config.items() if k.islower()}}
        signature = {{a: "constexpr" if a in known else "fp32" if a in numbers
                     else special.get(a, WIDE) for a in names}}
        source = ASTSource(kernel, signature, {{a: known[a] for a in names if a in known}},
                           {{(i,): [["tt.divisibility", 16]] for i, a in enumerate(names)
                            if signature[a].startswith("*")}})
        compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)
        assert len(compiled.asm["cubin"]) > 0
        print(name, "shared bytes", compiled.metadata.shared)
        count += 1
print("compiled", count)
"""


def test_kernels_compile_for_hopper(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    environment["TRITON_CACHE_DIR"] = str(tmp_path)
    path = tmp_path / "compile.py"
    path.write_text(SCRIPT.format(folder=str(FOLDER)))
    result = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, env=environment, timeout=200
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert "compiled 7" in result.stdout

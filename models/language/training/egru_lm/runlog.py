"""The log of a run: one record of JSON a line.

A process that is killed, or a machine that is lost, can leave a torn last line without its end.
Readers skip such a line, and the next record begins a line of its own.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def records(path: Path) -> list[dict[str, Any]]:
    """All records; lines that are torn, and a file that is missing, hold none."""
    lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
    result = []
    for line in lines:
        try:
            result.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return result


def append(path: Path, record: dict[str, Any]) -> None:
    with path.open("a+b") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(json.dumps(record).encode() + b"\n")


def replace(path: Path, kept: list[dict[str, Any]]) -> None:
    """Leaves these records alone; whatever happens, the file is the old one or the new one."""
    temporary = path.with_name(f"{path.name}.writing")
    with temporary.open("w") as file:
        file.writelines(json.dumps(record) + "\n" for record in kept)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)

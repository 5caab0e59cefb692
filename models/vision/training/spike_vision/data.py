"""Pictures as uint8 arrays (N, rows, columns, colours) with labels; packing and augmentation.

    python -m spike_vision.data fashion-mnist /usr/share/datasets/fashion-mnist DATA
    python -m spike_vision.data cifar10-jpeg FOLDER DATA

write DATA/NAME.train.npz and DATA/NAME.test.npz (arrays `images`, `labels`). FOLDER holds train.zip
and test.zip, or train.tar.xz and test.tar.xz (a third of the size: JPEG headers repeat), with one
folder of JPEGs per class; classes are numbered by name, pictures ordered by class and name.
"""

from __future__ import annotations

import gzip
import io
import struct
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


def read_idx(path: Path) -> np.ndarray:
    content = gzip.decompress(path.read_bytes())
    zero, kind, rank = struct.unpack(">HBB", content[:4])
    if zero != 0 or kind != 8:
        raise ValueError(f"{path}: not an IDX file of bytes")
    sides = struct.unpack(f">{rank}I", content[4 : 4 + 4 * rank])
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(sides)


def _fashion_mnist(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    prefix = {"train": "train", "test": "t10k"}[part]
    images = read_idx(folder / f"{prefix}-images-idx3-ubyte.gz")
    labels = read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz")
    return images[..., None], labels


def _members(folder: Path, part: str) -> Iterator[tuple[str, bytes]]:
    """Names class/NNNN.jpg with their content."""
    packed = folder / f"{part}.zip"
    if packed.exists():
        with zipfile.ZipFile(packed) as archive:
            for name in archive.namelist():
                if name.endswith(".jpg"):
                    yield "/".join(name.split("/")[-2:]), archive.read(name)
        return
    with tarfile.open(folder / f"{part}.tar.xz") as archive:
        for member in archive:
            if member.name.endswith(".jpg"):
                yield "/".join(member.name.split("/")[-2:]), archive.extractfile(member).read()


def _cifar10_jpeg(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    from PIL import Image

    files = sorted(_members(folder, part))
    classes = sorted({name.split("/")[0] for name, _ in files})
    images = np.empty((len(files), 32, 32, 3), np.uint8)
    labels = np.empty(len(files), np.uint8)
    for i, (name, content) in enumerate(files):
        images[i] = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
        labels[i] = classes.index(name.split("/")[0])
    return images, labels


READERS = {"fashion-mnist": _fashion_mnist, "cifar10-jpeg": _cifar10_jpeg}


def pack(name: str, source: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for part in ("train", "test"):
        images, labels = READERS[name](source, part)
        np.savez_compressed(out / f"{name}.{part}.npz", images=images, labels=labels)
        print(f"{name} {part}: {images.shape}, {np.bincount(labels).tolist()} per class")


@dataclass(frozen=True)
class Pictures:
    images: Tensor  # uint8 (N, rows, columns, colours)
    labels: Tensor  # int64

    def __len__(self) -> int:
        return len(self.labels)


def load(folder: str | Path, name: str, part: str, device: str = "cpu") -> Pictures:
    with np.load(Path(folder) / f"{name}.{part}.npz") as arrays:
        images = torch.from_numpy(arrays["images"]).to(device)
        labels = torch.from_numpy(arrays["labels"].astype(np.int64)).to(device)
    return Pictures(images, labels)


class Batches:
    """Augmented batches of light, (B, colours, rows, columns) from 0 to 1, made on the device.

    Random numbers come from one CPU generator, whose state goes into a checkpoint.
    """

    def __init__(self, pictures: Pictures, batch: int, crop: int, flip: bool, cutout: int,
                 generator: torch.Generator):
        self.pictures, self.batch, self.crop = pictures, batch, crop
        self.flip, self.cutout, self.generator = flip, cutout, generator
        p = crop
        self.padded = torch.nn.functional.pad(pictures.images, (0, 0, p, p, p, p))

    def per_epoch(self) -> int:
        return len(self.pictures) // self.batch

    def _draw(self, high: int, count: int) -> Tensor:
        drawn = torch.randint(high, (count,), generator=self.generator)
        return drawn.to(self.pictures.images.device, non_blocking=True)

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        rows, columns = self.pictures.images.shape[1:3]
        device = self.pictures.images.device
        order = torch.randperm(len(self.pictures), generator=self.generator).to(device)
        down, right = torch.arange(rows, device=device), torch.arange(columns, device=device)
        for b in range(self.per_epoch()):
            chosen = order[b * self.batch : (b + 1) * self.batch]
            y = self._draw(2 * self.crop + 1, self.batch)[:, None] + down
            x = self._draw(2 * self.crop + 1, self.batch)[:, None] + right
            if self.flip:
                x = torch.where(self._draw(2, self.batch)[:, None] == 1, x.flip(1), x)
            images = self.padded[chosen[:, None, None], y[:, :, None], x[:, None, :]]
            if self.cutout:
                top, left = self._draw(rows, self.batch), self._draw(columns, self.batch)
                half = self.cutout // 2
                inside = ((down - top[:, None]).abs() < half)[:, :, None] & (
                    (right - left[:, None]).abs() < half
                )[:, None, :]
                images = images.masked_fill(inside[..., None], 0)
            yield images.permute(0, 3, 1, 2).float() / 255, self.pictures.labels[chosen]


if __name__ == "__main__":
    pack(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))

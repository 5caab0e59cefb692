"""One core, tiny networks, made-up pictures; no data set is needed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture
def pictures(tmp_path):
    """Two data sets of 600 pictures whose classes are told by where the light is."""
    draw = np.random.default_rng(1)
    for name, colours in (("fashion-mnist", 1), ("cifar10-jpeg", 3)):
        for part in ("train", "test"):
            labels = draw.integers(0, 4, 600).astype(np.uint8)
            images = draw.integers(0, 60, (600, 12, 12, colours)).astype(np.uint8)
            for image, label in zip(images, labels):
                y, x = 6 * (label // 2), 6 * (label % 2)
                image[y : y + 6, x : x + 6] += 150
            np.savez(tmp_path / f"{name}.{part}.npz", images=images, labels=labels)
    return tmp_path

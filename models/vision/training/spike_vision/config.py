"""A run is one TOML file; README.md explains the keys."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Layer:
    """A 3x3 convolution with batch normalisation and an activation; `pool`: 2x2 maximum before."""

    channels: int
    pool: bool


@dataclass(frozen=True)
class Model:
    kind: str  # "spiking" or "dense"
    first: int  # channels of the first layer, in the pixels where the network spikes
    first_pool: bool
    layers: tuple[Layer, ...]
    classes: int = 10


@dataclass(frozen=True)
class Train:
    epochs: int = 20
    seconds: float = 0.0  # > 0: the schedule is over this time, whatever the epochs
    batch: int = 128
    rate: float = 2e-3
    weight_decay: float = 1e-4
    warmup: float = 0.05  # of the schedule
    hoyer: float = 1e-8
    dropout: float = 0.0
    label_smoothing: float = 0.0
    crop: int = 2  # pixels of padding for random crops
    flip: bool = True
    cutout: int = 0  # side of a square of the picture that turns black
    mixup: float = 0.0  # share of batches whose pictures are means of two, in random parts
    distil: str = ""  # run whose network's scores are learnt too
    distil_share: float = 0.5
    distil_temperature: float = 2.0
    settle: bool = False  # settle.py before it ships
    init: str = ""  # run whose weights after the first layer are the start
    dtype: str = "float32"
    checkpoint_seconds: float = 60.0


@dataclass(frozen=True)
class Run:
    name: str
    purpose: str
    data: str
    seed: int
    model: Model
    train: Train = field(default_factory=Train)


def _layer(text: str) -> Layer:
    channels, *rest = text.split()
    if rest not in ([], ["pool"]):
        raise ValueError(f"a layer is CHANNELS or 'CHANNELS pool', not {text!r}")
    return Layer(int(channels), bool(rest))


def read(path: str | Path) -> Run:
    document = tomllib.loads(Path(path).read_text())
    model = document.pop("model")
    first = _layer(model.pop("first"))
    layers = tuple(_layer(text) for text in model.pop("layers"))
    train = Train(**document.pop("train", {}))
    run = Run(
        model=Model(first=first.channels, first_pool=first.pool, layers=layers, **model),
        train=train,
        **document,
    )
    if run.model.kind not in ("spiking", "dense"):
        raise ValueError(f"model.kind is spiking or dense, not {run.model.kind!r}")
    return run


def as_lines(run: Run) -> list[str]:
    """The recipe as Markdown list items."""
    lines = [f"- seed: {run.seed}", f"- data: {run.data}"]
    first = f"{run.model.first}{' pool' if run.model.first_pool else ''}"
    layers = [f"{layer.channels}{' pool' if layer.pool else ''}" for layer in run.model.layers]
    lines.append(f"- layers: {', '.join([first, *layers])}, {run.model.classes} classes")
    return lines + [f"- {name}: {value}" for name, value in asdict(run.train).items()]

"""A run is one TOML file: every number that shapes a model is here and nowhere else.

Unknown keys and wrong types are errors, because a misspelt option that is silently ignored is a
run that was never made.
"""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints


class ConfigError(ValueError):
    """A run file that cannot be used; says file, key, what was expected and what was found."""


@dataclass(frozen=True)
class Data:
    """corpus: name of a folder with train.tokens, valid.tokens and test.tokens (or wiki.*)."""

    corpus: str = "wikitext-2"
    description: str = ""


@dataclass(frozen=True)
class Model:
    """Sizes and constants. hidden[-1] equals embedding: the decoder is the embedding, tied.

    init_gain scales the initial kernels; 1 is the published value. Small models trained for a few
    epochs need more, else the signal dies on its way through three thresholded layers.
    unigram_bias starts the decoder's bias at the log frequency of the words instead of zero, which
    saves a short training from spending constant events on it.
    """

    cell: str = "egru"
    embedding: int = 750
    hidden: tuple[int, ...] = (1350, 1350, 750)
    threshold_mean: float = 0.01
    init_gain: float = 1.0
    unigram_bias: bool = False
    gamma: float = 3.6
    beta: float = 3.6
    pad: int = 1
    pad_vocabulary: int = 1


@dataclass(frozen=True)
class Train:
    """Length is given by updates or by seconds of training time, exactly one of them non-zero.

    h_reset: probability per row and window that h (LSTM: c) restarts from zero; 0 trains for the
    carried protocol, 1 for the published one, values between for both. constant: fraction of the
    length at full rate before the cosine to zero. shift: random start of every epoch.
    stuck_after: a run whose first logged loss at or after this many updates is above stuck_loss
    (nats) begins anew with the next seed; 0 is off. A logged loss is the mean since the log line
    before: with 1040 and save.log_every = 116, update 1044 decides, on the last 116 updates.
    """

    batch: int = 128
    window: int = 70
    updates: int = 0
    seconds: float = 0.0
    rate: float = 2e-3
    warmup: int = 200
    constant: float = 0.4
    beta1: float = 0.0
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.12
    clip: float = 0.25
    h_reset: float = 0.0
    shift: bool = True
    freeze_embedding: bool = False
    dtype: str = "float32"
    stuck_after: int = 0
    stuck_loss: float = 6.95


@dataclass(frozen=True)
class Dropout:
    """Probabilities of the locked masks; recurrent is DropConnect on the recurrent kernels."""

    embedding: float = 0.0
    words: float = 0.0
    forward: float = 0.0
    recurrent: float = 0.0
    output: float = 0.0


@dataclass(frozen=True)
class Prune:
    """Magnitude pruning of the recurrent stack: cubic from start_sparsity to sparsity.

    begin and end are fractions of the run; scope is "global" (one cut over all kernels) or
    "matrix" (the same sparsity in each). ease_dropout moves [dropout] towards [dropout_sparse]
    in proportion to the sparsity reached.
    """

    sparsity: float = 0.0
    start_sparsity: float = 0.0
    begin: float = 0.0
    end: float = 0.5
    every: int = 100
    scope: str = "global"
    ease_dropout: bool = False


@dataclass(frozen=True)
class Activity:
    """Per layer: target fraction of units with an event, and strength of the pull towards it.

    The pull starts at the fraction `begin` of the run: from the first update on it silences units
    before they carry anything. threshold_rate, from the same moment on, moves all thresholds of a
    layer together: by rate * (fraction - target) an update, never below zero. So the smallest
    events go first; 0 leaves thresholds as drawn.
    """

    target: tuple[float, ...] = ()
    strength: tuple[float, ...] = ()
    threshold_rate: tuple[float, ...] = ()
    begin: float = 0.0


@dataclass(frozen=True)
class Teacher:
    """Distillation: the target of a word is (1 - weight) of the word in the text and weight of
    what another run's model expects there. That model reads the same windows without dropout,
    its state carried, and does not change. Its logits are multiplied by scale: a model that
    overfits is too sure of itself (calibrate.py). 1 where they come from a file that is calibrated.
    """

    run: str = ""
    weight: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True)
class Quantise:
    """Quantisation-aware training: "none", "int8" or "ternary", from this fraction of the run."""

    stack: str = "none"
    embedding: str = "none"
    begin: float = 0.0


@dataclass(frozen=True)
class Save:
    """Seconds between checkpoints, updates between log lines and updates between validations.

    reset_every is the window of the evaluation with reset; 70 is the published protocol.
    test_at_sparsity: the test text is scored when the ramp passes these values. compact_bits: 12
    or 8, width of dense kernels in the checkpoint that travels. calibrate: the finished model is
    scored as it is and with the number of calibrate.py.
    """

    every_seconds: float = 120.0
    log_every: int = 100
    validate_every: int = 0
    reset_every: int = 70
    test_batch_one: bool = True
    test_at_sparsity: tuple[float, ...] = ()
    compact_bits: int = 12
    calibrate: bool = True


@dataclass(frozen=True)
class Run:
    """One run. init names the run whose last checkpoint this one starts from ("" for random)."""

    name: str = ""
    purpose: str = ""
    seed: int = 1
    init: str = ""
    data: Data = field(default_factory=Data)
    model: Model = field(default_factory=Model)
    train: Train = field(default_factory=Train)
    dropout: Dropout = field(default_factory=Dropout)
    dropout_sparse: Dropout = field(default_factory=Dropout)
    prune: Prune = field(default_factory=Prune)
    activity: Activity = field(default_factory=Activity)
    teacher: Teacher = field(default_factory=Teacher)
    quantise: Quantise = field(default_factory=Quantise)
    save: Save = field(default_factory=Save)


def _build(kind: Any, table: dict[str, Any], where: str) -> Any:
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in hints:
            raise ConfigError(f"{where}.{key}: unknown key; known: {', '.join(sorted(hints))}")
        hint = hints[key]
        if dataclasses.is_dataclass(hint):
            if not isinstance(value, dict):
                raise ConfigError(f"{where}.{key}: expected a table, got {value!r}")
            values[key] = _build(hint, value, f"{where}.{key}")
        elif hint in (str, int, bool):
            if type(value) is not hint:
                raise ConfigError(f"{where}.{key}: expected {hint.__name__}, got {value!r}")
            values[key] = value
        elif hint is float:
            if type(value) not in (int, float):
                raise ConfigError(f"{where}.{key}: expected a number, got {value!r}")
            values[key] = float(value)
        else:  # a tuple of int or float
            if not isinstance(value, list) or any(type(v) not in (int, float) for v in value):
                raise ConfigError(f"{where}.{key}: expected a list of numbers, got {value!r}")
            values[key] = tuple(value)
    return kind(**values)


def _check(run: Run, where: str) -> None:
    def need(condition: bool, message: str) -> None:
        if not condition:
            raise ConfigError(f"{where}: {message}")

    layers = len(run.model.hidden)
    need(bool(run.name), "name is missing")
    need(run.model.cell in ("egru", "lstm"), f"model.cell: egru or lstm, got {run.model.cell!r}")
    need(layers > 0, "model.hidden is empty")
    need(
        run.model.hidden[-1] == run.model.embedding,
        f"model.hidden[-1] = {run.model.hidden[-1]} differs from model.embedding = "
        f"{run.model.embedding}: the tied decoder needs them equal",
    )
    need(
        (run.train.updates > 0) != (run.train.seconds > 0),
        "give exactly one of train.updates and train.seconds",
    )
    need(run.train.dtype in ("float64", "float32", "bfloat16"), "train.dtype is unknown")
    need(run.prune.scope in ("global", "matrix"), "prune.scope: global or matrix")
    need(0 <= run.prune.sparsity < 1, "prune.sparsity is outside [0, 1)")
    need(run.save.compact_bits in (8, 12), "save.compact_bits: 8 or 12")
    need(0 <= run.teacher.weight <= 1, "teacher.weight is outside [0, 1]")
    need(run.teacher.scale > 0, "teacher.scale is not above 0")
    need(
        bool(run.teacher.run) == (run.teacher.weight > 0),
        "teacher: give run and weight, or neither",
    )
    need(0 <= run.train.h_reset <= 1, "train.h_reset is outside [0, 1]")
    need(run.train.stuck_after >= 0, "train.stuck_after is below 0")
    for place in ("stack", "embedding"):
        kind = getattr(run.quantise, place)
        need(kind in ("none", "int8", "ternary"), f"quantise.{place}: {kind!r} is unknown")
    for key in ("target", "strength", "threshold_rate"):
        values = getattr(run.activity, key)
        need(len(values) in (0, layers), f"activity.{key}: expected 0 or {layers} numbers")
    need(
        bool(run.activity.target) or not any(run.activity.threshold_rate),
        "activity.threshold_rate needs activity.target",
    )


def from_table(table: dict[str, Any], where: str = "run") -> Run:
    """A checked Run from a parsed TOML table."""
    run = _build(Run, table, where)
    _check(run, where)
    return run


def load(path: Path) -> Run:
    """Reads one run file."""
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}") from error
    return from_table(table, str(path))


def to_table(run: Run) -> dict[str, Any]:
    """The run as plain dictionaries, for the log, the checkpoint and the model card."""
    return dataclasses.asdict(run)

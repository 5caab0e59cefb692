"""Makes one run: trains or resumes, evaluates, exports and writes the model card.

OUT/NAME/ receives log.jsonl, checkpoints/ (full, atomic), compact/ (small, to travel),
NAME.safetensors with its vocabulary, results.json and card.md. SIGTERM saves and ends with status
75 (try again); the same command resumes: exactly from checkpoints/, or, where only compact/ came
back from a lost machine, from its rounded weights and factored moments.

A run that is stuck (config.Train.stuck_after) leaves nothing but a line in log.jsonl, and this
process starts over with the next seed. Those lines, later the checkpoint, say which seed it is.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import calibrate, checkpoint, compact, config, corpus, export, pruning, results, runlog
from .config import Run
from .evaluate import Score, evaluate
from .kernels import Kernels, choose
from .linalg import product_kind
from .network import Rounding, State
from .parameters import Layout, initialise, thresholds
from .trainer import OPERANDS, Trainer, wide_type

INTERRUPTED = 75
STUCK = 76
NEW_SEEDS = 12  # a run that is stuck begins anew at most this often
CHECKPOINTS = ("checkpoints", "compact")
OTHER_RUN = "{}: was made with another run file; rename the run or remove the folder"


class StuckError(RuntimeError):
    """No seed of a run left the plateau."""


def _stuck_records(folder: Path) -> list[dict[str, Any]]:
    return [r for r in runlog.records(folder / "log.jsonl") if r["event"] == "stuck"]


def _given_up(folder: Path) -> set[int]:
    return {record["seed"] for record in _stuck_records(folder)}


def _remove_remains(folder: Path) -> None:
    """Removes checkpoints of seeds given up, where a process was killed before it had done so."""
    for kind in CHECKPOINTS:
        newest = checkpoint.newest(folder / kind)
        if newest and checkpoint.read_meta(newest)["run"]["seed"] in _given_up(folder):
            checkpoint.remove(folder / kind)


def with_seed_reached(run: Run, folder: Path) -> Run:
    """The run with the seed that it has come to: its checkpoint's, or the next not yet stuck.

    A checkpoint also holds the seed of its run file (first_seed): with another it is refused.
    """
    train = run.train
    if not train.stuck_after:
        return run
    seeds = range(run.seed, run.seed + NEW_SEEDS + 1)
    tried = _given_up(folder)
    newest = next(filter(None, (checkpoint.newest(folder / kind) for kind in CHECKPOINTS)), None)
    if newest is not None:
        meta = checkpoint.read_meta(newest)
        seed = meta["run"]["seed"]
        if meta.get("first_seed", seed) != run.seed:
            raise checkpoint.CheckpointError(OTHER_RUN.format(newest))
        if seed not in tried:
            return dataclasses.replace(run, seed=seed)
    for seed in seeds:
        if seed not in tried:
            return dataclasses.replace(run, seed=seed)
    raise StuckError(
        f"{folder}: with none of the seeds {seeds[0]} to {seeds[-1]} was the loss at or below "
        f"{train.stuck_loss} nats after {train.stuck_after} updates; change seed or training, and "
        "remove the folder"
    )


def new_state(run: Run, words: int, device: torch.device) -> State:
    """Random weights and thresholds, from the seed alone and equal on every device."""
    layout = Layout(run.model, words)
    wide = wide_type(run.train.dtype)
    generator = torch.Generator().manual_seed(run.seed)
    flat = initialise(layout, generator, wide)
    theta = thresholds(layout, generator, wide)
    return State(layout, flat.to(device), [t.to(device) for t in theta])


class Session:
    """Files, clock and signals around a Trainer."""

    def __init__(self, run: Run, data: Path, out: Path, device: torch.device) -> None:
        self.folder = out / run.name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.first_seed = run.seed
        run = with_seed_reached(run, self.folder)
        if run.train.stuck_after:
            _remove_remains(self.folder)
        self.run, self.device = run, device
        self.stuck = False
        self.corpus = corpus.load(data / run.data.corpus)
        self.kernels: Kernels = choose(device)
        self.state = new_state(run, len(self.corpus.words), device)
        if run.model.unigram_bias:
            counts = np.bincount(self.corpus.parts["train"], minlength=len(self.corpus.words))
            share = torch.from_numpy((counts + 1.0) / (counts + 1.0).sum())
            self.state.logical("decoder.bias").copy_(share.log())
        self.stop = False
        inherited = self._weights_of(out / run.init, self.state) if run.init else None
        teacher = None
        if run.teacher.run:
            teacher = new_state(run, len(self.corpus.words), device)
            self._weights_of(out / run.teacher.run, teacher)
            calibrate.fold(teacher, run.teacher.scale)
        tokens = self._tokens("train")
        torch.manual_seed(run.seed)
        self.trainer = Trainer(run, self.state, tokens, self.kernels, teacher)
        if inherited is not None:
            self.trainer.take_moments(*inherited)
        self.tested_at: set[float] = set()
        self._resume()

    def _tokens(self, part: str) -> Tensor:
        return torch.from_numpy(self.corpus.parts[part]).to(self.device)

    def _weights_of(self, folder: Path, state: State) -> tuple[Tensor, int]:
        """Fills state from another run's last checkpoint; returns its moments and their age.

        Where only the weights file that ships is there, the moments start anew.
        """
        full, small = (checkpoint.newest(folder / kind) for kind in CHECKPOINTS)
        weights = folder / f"{folder.name}.safetensors"
        second = torch.zeros_like(state.flat)
        if full is not None:
            tensors, meta = checkpoint.read(full)
            state.flat.copy_(tensors["flat"])
            second.copy_(tensors["second"])
            for i, theta in enumerate(state.theta, 1):
                theta.copy_(tensors[f"theta{i}"])
        elif small is not None:
            tensors, meta = checkpoint.read(small)
            compact.unpack(tensors, state, second)
        elif weights.is_file():
            export.read_safetensors(weights, state)
            return second, 0
        else:
            raise FileNotFoundError(
                f"{folder}: no checkpoints/, compact/ or {weights.name}; make that run first"
            )
        return second, meta["counters"]["moment_age"]

    def _resume(self) -> None:
        found = [(kind, checkpoint.newest(self.folder / kind)) for kind in CHECKPOINTS]
        kind, newest = next((item for item in found if item[1] is not None), ("", None))
        if newest is None:
            return
        tensors, meta = checkpoint.read(newest)
        # What a run file of that time could not say yet has its default.
        if config.from_table(meta["run"], str(newest)) != self.run:
            raise checkpoint.CheckpointError(OTHER_RUN.format(newest))
        if kind == "checkpoints":
            self.trainer.restore(tensors, meta["counters"])
        else:
            compact.unpack(tensors, self.state, self.trainer.second)
            self.trainer.set_counters(meta["counters"])
        self.log({"event": "resumed", "from": kind, "updates": self.trainer.updates})

    def log(self, record: dict[str, Any], instead_of: list[dict[str, Any]] | None = None) -> None:
        """Appends a record; with a list, the log holds these records and the new one alone."""
        path, record = self.folder / "log.jsonl", {"time": round(time.time(), 1), **record}
        if instead_of is None:
            runlog.append(path, record)
        else:
            runlog.replace(path, [*instead_of, record])
        print(json.dumps(record), flush=True)

    def save(self) -> None:
        """Both kinds of checkpoint, each atomically."""
        trainer = self.trainer
        meta = {
            "run": config.to_table(self.run),
            "first_seed": self.first_seed,
            "counters": trainer.counters(),
        }
        small = compact.pack(self.state, trainer.second, self.run.save.compact_bits)
        for kind, tensors in zip(CHECKPOINTS, (trainer.tensors(), small), strict=True):
            checkpoint.save(self.folder / kind, trainer.updates, tensors, meta)

    def _describe(self) -> dict[str, Any]:
        train = self.run.train
        operand, wide = OPERANDS[train.dtype], wide_type(train.dtype)
        where = torch.cuda.get_device_name() if self.device.type == "cuda" else "CPU"
        return {
            "event": "start",
            "seed": self.run.seed,
            "device": where,
            "torch": torch.__version__,
            "kernels": self.kernels.name,
            "products": product_kind(self.device, operand, wide),
            "update": self.trainer.graph_note,
            "words": len(self.corpus.words),
            "train_tokens": int(self.corpus.parts["train"].size),
            "parameters": sum(e.logical(self.state.flat).numel() for e in
                              self.state.layout.entries.values()),
        }  # fmt: skip

    def _is_stuck(self, loss: float) -> bool:
        """Asked for every logged loss; the first at or after stuck_after decides."""
        train, updates = self.run.train, self.trainer.updates
        decides = updates - self.run.save.log_every < train.stuck_after <= updates
        return decides and not loss <= train.stuck_loss  # not a number is stuck, too

    def _give_up_seed(self, loss: float) -> None:
        """Removes what this seed made; its line in the log remains.

        The line comes first: a process that is killed later leaves no way back to this seed.
        """
        self.stuck = True
        seed, updates = self.run.seed, self.trainer.updates
        record = {"event": "stuck", "seed": seed, "updates": updates, "loss": loss}
        self.log(record, instead_of=_stuck_records(self.folder))
        for kind in CHECKPOINTS:
            checkpoint.remove(self.folder / kind)

    def train(self) -> bool:
        """Runs to the end (True), or until it is stuck or has to stop (False)."""
        trainer, save = self.trainer, self.run.save
        product_kind(self.device, OPERANDS[self.run.train.dtype], self.state.flat.dtype)
        trainer.capture()
        self.log(self._describe())
        clock = saved = time.monotonic()
        while trainer.progress < 1.0:
            trainer.step()
            now = time.monotonic()
            trainer.elapsed += now - clock
            clock = now
            if trainer.updates % save.log_every == 0:
                averages = trainer.averages()  # waits for the device
                trainer.elapsed += time.monotonic() - clock
                record = {
                    "event": "train",
                    "updates": trainer.updates,
                    "epoch": trainer.stream.epoch,
                    "seconds": round(trainer.elapsed, 1),
                    "rate": float(trainer.scalars[0]),
                    **averages,
                }
                if trainer.pruned:
                    record["sparsity"] = pruning.sparsity_of(self.state.layout, self.state.flat)
                    self._test_on_the_way(record["sparsity"])
                self.log(record)
                if self._is_stuck(record["loss"]):
                    self._give_up_seed(record["loss"])
                    return False
                clock = time.monotonic()
            if save.validate_every and trainer.updates % save.validate_every == 0:
                self._validate()
                clock = time.monotonic()
            if self.stop or now - saved >= save.every_seconds:
                self.save()
                clock = saved = time.monotonic()
            if self.stop:
                self.log({"event": "interrupted", "updates": trainer.updates})
                return False
        return True

    def _score(
        self,
        part: str,
        batch: int,
        reset: bool,
        rounding: Rounding,
        operand: torch.dtype | None = None,
    ) -> Score:
        window = self.run.save.reset_every
        tokens = self._tokens(part)
        return evaluate(
            self.state, tokens, self.kernels, batch, window, reset, rounding, operand
        )

    def _log_scores(self, event: str, part: str, operand: torch.dtype | None) -> None:
        batch, rounding = self.run.train.batch, self.trainer.rounding
        carried = self._score(part, batch, False, rounding, operand)
        reset = self._score(part, batch, True, rounding, operand)
        self.log(
            {
                "event": event,
                "updates": self.trainer.updates,
                "seconds": round(self.trainer.elapsed, 1),
                "perplexity": carried.perplexity,
                "perplexity_reset": reset.perplexity,
                "active": carried.active,
                "macs": carried.macs,
            }
        )

    def _validate(self) -> None:
        self._log_scores("valid", "valid", OPERANDS[self.run.train.dtype])

    def _test_on_the_way(self, sparsity: float) -> None:
        for level in self.run.save.test_at_sparsity:
            if sparsity >= level and level not in self.tested_at:
                self.tested_at.add(level)
                self._log_scores(f"test at sparsity {sparsity:.4f}", "test", None)

    def finish(self) -> None:
        """Final scores, weights and the model card."""
        run = self.run
        rounding = Rounding(run.quantise.stack, run.quantise.embedding)
        fitted = None
        if run.save.calibrate:
            fitted = calibrate.fit(
                self.state, self._tokens("valid"), self.kernels, run.train.batch,
                run.save.reset_every, rounding,
            )  # fmt: skip
            self.log({"event": "calibration", **dataclasses.asdict(fitted)})
        scores = results.score_all(
            run, self.state, self.corpus, self.kernels, rounding, self.log,
            None if fitted is None else fitted.scale,
        )
        tokens = torch.from_numpy(self.corpus.parts["train"])
        training = results.progress_of(run, self.trainer.counters(), tokens)
        if fitted is not None:
            training["calibration, not in the weights"] = calibrate.describe(fitted)
        results.write(self.folder, run, self.state, self.corpus, rounding, scores, training)
        self.log({"event": "finished"})


def make(run: Run, data: Path, out: Path, device: torch.device) -> int:
    """Returns 0 when the run is complete, INTERRUPTED when it had to stop (it saved, or was stuck
    as well), and STUCK when the next call takes the next seed.
    """
    session = Session(run, data, out, device)
    if (session.folder / "results.json").exists():
        print(f"{run.name}: complete already")
        return 0

    def request(*_: object) -> None:
        session.stop = True

    before = {number: signal.signal(number, request) for number in (signal.SIGTERM, signal.SIGINT)}
    if not session.train():
        if session.stuck:
            for number, handler in before.items():  # from here on a signal ends the process
                signal.signal(number, handler)
        return STUCK if session.stuck and not session.stop else INTERRUPTED
    session.save()
    session.finish()
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="run file (TOML)")
    parser.add_argument("--data", type=Path, required=True, help="folder of corpus folders")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    run = config.load(arguments.run)
    status = make(run, arguments.data, arguments.out, torch.device(arguments.device))
    if status == STUCK:  # a new process: nothing of a captured graph stays behind
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    return status


if __name__ == "__main__":
    sys.exit(main())

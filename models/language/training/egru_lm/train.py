"""Makes one run: trains or resumes, evaluates, exports and writes the model card.

OUT/NAME/ receives log.jsonl, checkpoints/ (full, atomic), compact/ (small, to travel),
NAME.safetensors with its vocabulary, and card.md. SIGTERM saves and ends with status 75 (try
again); starting the same command again resumes.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import checkpoint, compact, config, corpus, export, model_card, pruning
from .config import Run
from .evaluate import Score, evaluate
from .kernels import Kernels, choose
from .linalg import product_kind
from .network import Rounding, State
from .parameters import Layout, initialise, thresholds
from .trainer import OPERANDS, Trainer, wide_type

INTERRUPTED = 75


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
        self.run, self.device = run, device
        self.folder = out / run.name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.corpus = corpus.load(data / run.data.corpus)
        self.kernels: Kernels = choose(device)
        self.state = new_state(run, len(self.corpus.words), device)
        if run.model.unigram_bias:
            counts = np.bincount(self.corpus.parts["train"], minlength=len(self.corpus.words))
            share = torch.from_numpy((counts + 1.0) / (counts + 1.0).sum())
            self.state.logical("decoder.bias").copy_(share.log())
        self.stop = False
        if run.init:
            self._start_from(out / run.init)
        tokens = self._tokens("train")
        torch.manual_seed(run.seed)
        self.trainer = Trainer(run, self.state, tokens, self.kernels)
        self._resume()

    def _tokens(self, part: str) -> Tensor:
        return torch.from_numpy(self.corpus.parts[part]).to(self.device)

    def _start_from(self, folder: Path) -> None:
        source = checkpoint.newest(folder / "compact") or checkpoint.newest(folder / "final")
        full = checkpoint.newest(folder / "final")
        if full is not None:
            tensors, _ = checkpoint.read(full)
            self.state.flat.copy_(tensors["flat"])
            for i, theta in enumerate(self.state.theta, 1):
                theta.copy_(tensors[f"theta{i}"])
        elif source is not None:
            tensors, _ = checkpoint.read(source)
            compact.unpack(tensors, self.state)
        else:
            raise FileNotFoundError(
                f"{folder}: neither final/ nor compact/ holds a checkpoint; make that run first"
            )

    def _resume(self) -> None:
        newest = checkpoint.newest(self.folder / "checkpoints")
        if newest is None:
            return
        tensors, meta = checkpoint.read(newest)
        if meta["run"] != json.loads(json.dumps(config.to_table(self.run))):
            raise checkpoint.CheckpointError(
                f"{newest}: was made with another run file; rename the run or remove the folder"
            )
        self.trainer.restore(tensors, meta["counters"])
        self.log({"event": "resumed", "updates": self.trainer.updates})

    def log(self, record: dict[str, Any]) -> None:
        record = {"time": round(time.time(), 1), **record}
        line = json.dumps(record)
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(line + "\n")
        print(line, flush=True)

    def save(self) -> None:
        trainer = self.trainer
        meta = {"run": config.to_table(self.run), "counters": trainer.counters()}
        checkpoint.save(
            self.folder / "checkpoints", trainer.updates, trainer.tensors(), meta
        )

    def save_compact(self) -> None:
        meta = {"run": config.to_table(self.run), "updates": self.trainer.updates}
        tensors = compact.pack(self.state, self.trainer.second)
        checkpoint.save(self.folder / "compact", self.trainer.updates, tensors, meta)

    def _describe(self) -> dict[str, Any]:
        train = self.run.train
        operand, wide = OPERANDS[train.dtype], wide_type(train.dtype)
        where = torch.cuda.get_device_name() if self.device.type == "cuda" else "CPU"
        return {
            "event": "start",
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

    def train(self) -> bool:
        """Runs to the end (True) or to a request to stop (False)."""
        trainer, save = self.trainer, self.run.save
        product_kind(self.device, OPERANDS[self.run.train.dtype], self.state.flat.dtype)
        trainer.capture()
        self.log(self._describe())
        clock = saved = time.monotonic()
        while trainer.progress < 1.0:
            trainer.step()
            if trainer.updates % save.log_every == 0:
                averages = trainer.averages()  # waits for the device, so the clock below is true
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
                self.log(record)
            now = time.monotonic()
            trainer.elapsed += now - clock
            clock = now
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

    def _score(self, part: str, batch: int, reset: bool, rounding: Rounding) -> Score:
        window = self.run.save.reset_every
        return evaluate(
            self.state, self._tokens(part), self.kernels, batch, window, reset, rounding
        )

    def _validate(self) -> None:
        score = self._score("valid", self.run.train.batch, False, self.trainer.rounding)
        self.log(
            {
                "event": "valid",
                "updates": self.trainer.updates,
                "seconds": round(self.trainer.elapsed, 1),
                "perplexity": score.perplexity,
                "active": score.active,
                "macs": score.macs,
            }
        )

    def finish(self) -> dict[str, Any]:
        """Final scores, weights in all forms, and the model card."""
        run, trainer = self.run, self.trainer
        self.save_compact()
        tensors = {"flat": self.state.flat}
        tensors |= {f"theta{i}": t for i, t in enumerate(self.state.theta, 1)}
        meta = {"run": config.to_table(run), "updates": trainer.updates}
        checkpoint.save(self.folder / "final", trainer.updates, tensors, meta)
        rounding = Rounding(run.quantise.stack, run.quantise.embedding)
        wanted = [("valid", run.train.batch), ("test", run.train.batch)]
        if run.save.test_batch_one:
            wanted.append(("test", 1))
        scores: dict[str, Any] = {}
        for part, batch in wanted:
            for reset in (False, True):
                name = f"{part}_{'reset' if reset else 'carried'}{'_b1' if batch == 1 else ''}"
                score = self._score(part, batch, reset, rounding)
                scores[name] = {**dataclasses.asdict(score), "perplexity": score.perplexity}
                self.log({"event": "score", "name": name, **scores[name]})
        path = self.folder / f"{run.name}.safetensors"
        size = export.write_safetensors(
            path,
            export.collect(self.state, rounding),
            export.metadata(self.state, rounding, run.name, self.corpus.digest),
            self.corpus.words,
        )
        facts = {
            "data": run.data.description or run.data.corpus,
            "corpus sha256": self.corpus.digest,
            "vocabulary": len(self.corpus.words),
            "training tokens": int(self.corpus.parts["train"].size),
            "seed": run.seed,
            "updates": trainer.updates,
            "epochs": trainer.stream.epoch + round(
                trainer.stream.next_window / trainer.stream.windows, 2),
            "training seconds": round(trainer.elapsed),
            "zero weights in the recurrent stack":
                f"{pruning.sparsity_of(self.state.layout, self.state.flat):.4f}",
            "rounding, stack / embedding": f"{rounding.stack} / {rounding.embedding}",
            "weights file": f"{size} bytes",
        }  # fmt: skip
        results = {"scores": scores, "facts": facts}
        card = model_card.render(run, config.to_table(run), results)
        (self.folder / "card.md").write_text(card, encoding="utf-8")
        (self.folder / "results.json").write_text(json.dumps(results, indent=1))
        self.log({"event": "finished"})
        return results


def make(run: Run, data: Path, out: Path, device: torch.device) -> int:
    """Returns 0 when the run is complete and INTERRUPTED when it saved and stopped."""
    session = Session(run, data, out, device)
    if (session.folder / "results.json").exists():
        print(f"{run.name}: complete already")
        return 0

    def request(*_: object) -> None:
        session.stop = True

    signal.signal(signal.SIGTERM, request)
    signal.signal(signal.SIGINT, request)
    if not session.train():
        return INTERRUPTED
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
    return make(run, arguments.data, arguments.out, torch.device(arguments.device))


if __name__ == "__main__":
    sys.exit(main())

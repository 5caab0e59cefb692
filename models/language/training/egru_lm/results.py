"""What a finished model leaves: scores in both protocols, a weights file, a model card."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from . import config, export, model_card, pruning
from .batching import Stream
from .config import Run
from .corpus import Corpus
from .evaluate import evaluate, perplexity
from .kernels import Kernels
from .network import Rounding, State

Log = Callable[[dict[str, Any]], None]


def score_all(
    run: Run,
    state: State,
    corpus: Corpus,
    kernels: Kernels,
    rounding: Rounding,
    log: Log,
    calibration: float | None = None,
) -> dict[str, Any]:
    """valid and test batched, and test at batch 1 where the run asks for it; in the wide type."""
    wanted = [("valid", run.train.batch), ("test", run.train.batch)]
    if run.save.test_batch_one:
        wanted.append(("test", 1))
    scores: dict[str, Any] = {}
    for part, batch in wanted:
        tokens = torch.from_numpy(corpus.parts[part]).to(state.flat.device)
        for reset in (False, True):
            name = f"{part}_{'reset' if reset else 'carried'}{'_b1' if batch == 1 else ''}"
            score = evaluate(
                state, tokens, kernels, batch, run.save.reset_every, reset, rounding,
                calibration=calibration,
            )  # fmt: skip
            scores[name] = {**dataclasses.asdict(score), "perplexity": score.perplexity}
            if score.loss_calibrated is not None:
                scores[name]["perplexity_calibrated"] = perplexity(score.loss_calibrated)
            log({"event": "score", "name": name, **scores[name]})
    return scores


def progress_of(run: Run, counters: dict[str, Any], tokens: Tensor) -> dict[str, Any]:
    """How far the training had come, for the card."""
    train, stream = run.train, counters["stream"]
    windows = Stream(tokens, train.batch, train.window, run.seed, train.shift).windows
    return {
        "updates": counters["updates"],
        "epochs": round(stream["epoch"] + stream["next_window"] / windows, 2),
        "training seconds": round(counters["elapsed"]),
    }


def write(
    folder: Path,
    run: Run,
    state: State,
    corpus: Corpus,
    rounding: Rounding,
    scores: dict[str, Any],
    training: dict[str, Any],
    float_type: str = "float32",
    calibration: float | None = None,
) -> dict[str, Any]:
    """NAME.safetensors, NAME.vocabulary.txt, results.json and card.md in folder."""
    size = export.write_safetensors(
        folder / f"{run.name}.safetensors",
        export.collect(state, rounding, float_type),
        export.metadata(state, rounding, run.name, corpus.digest, calibration),
        corpus.words,
    )
    stored = {"stack": rounding.stack, "embedding": rounding.embedding}
    sparsity = pruning.sparsity_of(state.layout, state.flat)
    facts = {
        "data": run.data.description or run.data.corpus,
        "corpus sha256": corpus.digest,
        "vocabulary": len(corpus.words),
        "training tokens": int(corpus.parts["train"].size),
        "seed": run.seed,
        **training,
        "zero weights in the recurrent stack": f"{sparsity:.4f}",
        **{
            f"{part} stored as": float_type if kind == "none" else f"{kind} rows with a scale"
            for part, kind in stored.items()
        },
        "weights file": f"{size} bytes",
    }
    results = {"scores": scores, "facts": facts}
    card = model_card.render(run, config.to_table(run), results)
    (folder / "card.md").write_text(card, encoding="utf-8")
    (folder / "results.json").write_text(json.dumps(results, indent=1))
    return results

"""What ships of a finished run: NAME.sloom, card.md, results.json and the decisions on the test set.

    python -m spike_vision.ship runs/NAME.toml --data DATA --work WORK --out ../weights

The numbers are those of the exported file's own integers, not of the network before rounding.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from . import config, data, export
from .config import Run
from .settle import settle
from .train import default_device, load_final

DESCRIPTIONS = {
    "fashion-mnist": "Fashion-MNIST (Xiao et al. 2017), Debian package dataset-fashion-mnist, MIT",
    "cifar10-jpeg": "CIFAR-10 as JPEG copies of quality 75 (not comparable with published figures)",
}
CLASSES = {
    "fashion-mnist": ["T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt",
                      "sneaker", "bag", "ankle boot"],
    "cifar10-jpeg": ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse",
                     "ship", "truck"],
}


def _card(run: Run, saved: dict, results: dict) -> str:
    lines = [f"# {run.name}", "", run.purpose, "", f"- data: {DESCRIPTIONS[run.data]}",
             f"- test accuracy: {100 * results['accuracy']:.2f} % of {results['pictures']}, with the "
             "weights of the file",
             f"- {'the same in floating point' if run.train.settle else 'before rounding to int8'}: "
             f"{100 * results['accuracy_float']:.2f} %"]
    names = "spikes per neuron" if run.model.kind == "spiking" else "values that are not zero"
    activity = " / ".join(f"{100 * a:.1f}" for a in results["activity"])
    lines += [f"- activity ({names} that enter each weight layer): {activity} %",
              f"- parameters: {results['parameters']}",
              f"- epochs: {saved['epochs']}, {saved['seconds']:g} s", "", "## Recipe", ""]
    lines += config.as_lines(run)
    return "\n".join(lines) + "\n"


def ship(run: Run, data_folder: Path, work: Path, out: Path) -> dict:
    path = work / run.name / "final.pt"
    saved = torch.load(path, map_location="cpu", weights_only=False)
    network = load_final(path, "cpu")
    if run.train.settle:
        device = default_device()
        training = data.load(data_folder, run.data, "train", device)
        settle(network.to(device), training, run.train)
        network.cpu()
    exported = export.collect(network)
    testing = data.load(data_folder, run.data, "test")
    images, labels = testing.images.numpy(), testing.labels.numpy()
    decided = export.decide(exported, images)
    decisions = decided.scores.argmax(1)
    with torch.no_grad():
        right = 0
        for start in range(0, len(labels), 500):
            light = testing.images[start : start + 500].permute(0, 3, 1, 2).float() / 255
            right += int((network(light).argmax(1) == testing.labels[start : start + 500]).sum())
    results = {"name": run.name, "accuracy": float((decisions == labels).mean()),
               "accuracy_float": right / len(labels), "pictures": len(labels),
               "activity": [round(a, 5) for a in decided.activity],
               "parameters": sum(p.numel() for p in network.parameters()),
               "epochs": saved["epochs"], "seconds": saved["seconds"], "seed": run.seed}
    folder = out / run.name
    folder.mkdir(parents=True, exist_ok=True)
    card = _card(run, saved, results)
    export.write(exported, folder / f"{run.name}.sloom", CLASSES[run.data], card)
    (folder / "card.md").write_text(card)
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "decisions.txt").write_text("".join(str(d) for d in decisions) + "\n")
    return results


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(ship(config.read(arguments.run), arguments.data, arguments.work, arguments.out))


if __name__ == "__main__":
    main()

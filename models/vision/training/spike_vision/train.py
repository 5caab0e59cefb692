"""One run, to its end or to a deadline.

    python -m spike_vision.train runs/NAME.toml --data DATA --work WORK [--threads 1] [--seconds S]

WORK/NAME/checkpoint.pt is written between epochs and resumed from; WORK/NAME/final.pt ends the run.
log.jsonl gets a line an epoch.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from pathlib import Path

import torch
from torch.nn import functional as F

from . import config, data
from .config import Run
from .network import VisionNetwork, accuracy


def default_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def make_network(run: Run, pictures: data.Pictures, device: str) -> VisionNetwork:
    _, rows, columns, colours = pictures.images.shape
    network = VisionNetwork(run.model, rows, columns, colours, run.train.dropout)
    return network.to(device, memory_format=torch.channels_last)


def load_final(path: Path, device: str) -> VisionNetwork:
    """The network of a finished run, for evaluation."""
    saved = torch.load(path, map_location=device, weights_only=False)
    network = VisionNetwork(saved["run"].model, *saved["input"]).to(device)
    network.load_state_dict(saved["network"])
    return network.eval()


def rate_at(progress: float, run: Run) -> float:
    """Linear up over the warm-up, then half a cosine down to 0."""
    warmup = run.train.warmup
    if progress < warmup:
        return run.train.rate * progress / warmup
    return run.train.rate * 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


def _optimiser(network: VisionNetwork, run: Run) -> torch.optim.Optimizer:
    decayed = [p for p in network.parameters() if p.dim() > 1]
    others = [p for p in network.parameters() if p.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": run.train.weight_decay},
              {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=run.train.rate, fused=next(network.parameters()).is_cuda)


def _start_from(network: VisionNetwork, path: Path) -> None:
    """Weights of another network of the same layers, where shapes agree; pixels from pixels only."""
    saved = torch.load(path, map_location="cpu", weights_only=False)
    same_kind = saved["run"].model.kind == network.model.kind
    own = network.state_dict()
    fitting = {name: value for name, value in saved["network"].items()
               if name in own and own[name].shape == value.shape
               and (same_kind or not name.startswith("blocks.0."))}
    network.load_state_dict(fitting, strict=False)


def _save(path: Path, content: dict) -> None:
    partial = path.with_suffix(".partial")
    torch.save(content, partial)
    os.replace(partial, path)


def _compiled(network: VisionNetwork, light: torch.Tensor, low: bool):
    """The network through torch.compile, whose one-time cost must not count against a schedule."""
    forward = torch.compile(network)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    for _ in range(2):
        with torch.autocast(light.device.type, dtype=torch.bfloat16, enabled=low):
            scores = forward(light)
        if network.training:
            (scores.float().square().mean() + 1e-9 * network.regulariser()).backward()
    network.zero_grad(set_to_none=True)
    network.load_state_dict(before)
    return forward


def train(run: Run, data_folder: Path, work: Path, device: str, deadline: float = math.inf,
          compiled: bool = False) -> bool:
    """True when the run is complete; False when time.monotonic() passed the deadline."""
    folder = work / run.name
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "final.pt").exists():
        return True
    options = run.train
    torch.manual_seed(run.seed)
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    training = data.load(data_folder, run.data, "train", device)
    testing = data.load(data_folder, run.data, "test", device)
    network = make_network(run, training, device)
    if options.init:
        _start_from(network, work / options.init / "final.pt")
    teacher = load_final(work / options.distil / "final.pt", device) if options.distil else None
    optimiser = _optimiser(network, run)
    generator = torch.Generator().manual_seed(run.seed)
    batches = data.Batches(training, options.batch, options.crop, options.flip, options.cutout,
                           generator)
    epoch, elapsed = 0, 0.0
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location=device, weights_only=False)
        network.load_state_dict(saved["network"])
        optimiser.load_state_dict(saved["optimiser"])
        generator.set_state(saved["generator"].cpu())
        epoch, elapsed = saved["epoch"], saved["elapsed"]
    low = options.dtype == "bfloat16"
    forward, teach = network, teacher
    if compiled:
        some = training.images[: options.batch].permute(0, 3, 1, 2).float() / 255
        some = some.contiguous(memory_format=torch.channels_last)
        forward = _compiled(network, some, low)
        if teacher is not None:
            with torch.no_grad():
                teach = _compiled(teacher, some, low)
    saved_at = time.monotonic()
    progress = elapsed / options.seconds if options.seconds else epoch / options.epochs
    while progress < 1:
        start = time.monotonic()
        loss_sum = torch.zeros((), device=device)
        regulariser_sum = torch.zeros((), device=device)
        steps = 0
        for light, labels in batches.epoch():
            if options.seconds:
                progress = (elapsed + time.monotonic() - start) / options.seconds
            else:
                progress = (epoch + steps / batches.per_epoch()) / options.epochs
            if progress >= 1:
                break
            for group in optimiser.param_groups:
                group["lr"] = rate_at(progress, run)
            mixed, share = labels, 1.0
            if options.mixup and torch.rand((), generator=generator) < options.mixup:
                share = float(torch.rand((), generator=generator))
                light, mixed = share * light + (1 - share) * light.flip(0), labels.flip(0)
            light = light.contiguous(memory_format=torch.channels_last)
            with torch.autocast(device, dtype=torch.bfloat16, enabled=low):
                scores = forward(light).float()
                if teacher is not None:
                    with torch.no_grad():
                        wanted = teach(light).float()
            smooth = options.label_smoothing
            loss = F.cross_entropy(scores, labels, label_smoothing=smooth)
            if share < 1:
                other = F.cross_entropy(scores, mixed, label_smoothing=smooth)
                loss = share * loss + (1 - share) * other
            if teacher is not None:
                t = options.distil_temperature
                soft = F.kl_div(F.log_softmax(scores / t, 1), F.log_softmax(wanted / t, 1),
                                log_target=True, reduction="batchmean") * t * t
                loss = (1 - options.distil_share) * loss + options.distil_share * soft
            regulariser = network.regulariser()
            optimiser.zero_grad(set_to_none=True)
            (loss + options.hoyer * regulariser).backward()
            optimiser.step()
            loss_sum += loss.detach()
            regulariser_sum += regulariser.detach()
            steps += 1
            if steps % 50 == 0:
                float(loss_sum)  # the clock of the schedule shall not run ahead of the device
        epoch += 1
        mean_loss = float(loss_sum) / max(steps, 1)
        elapsed += time.monotonic() - start
        progress = elapsed / options.seconds if options.seconds else epoch / options.epochs
        line = {"epoch": epoch, "seconds": round(elapsed, 1), "loss": round(mean_loss, 4),
                "hoyer": round(float(regulariser_sum) / max(steps, 1)),
                "activity": [round(a, 4) for a in network.activities()]}
        last = progress >= 1
        if last or epoch % 5 == 0:
            line["test"] = accuracy(network, testing)
        with (folder / "log.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")
        print(run.name, line, flush=True)
        stop = time.monotonic() > deadline
        if last or stop or time.monotonic() - saved_at > options.checkpoint_seconds:
            _save(checkpoint, {"network": network.state_dict(), "optimiser": optimiser.state_dict(),
                               "generator": generator.get_state(), "epoch": epoch,
                               "elapsed": elapsed})
            saved_at = time.monotonic()
        if stop and not last:
            return False
    _save(folder / "final.pt", {"network": network.state_dict(), "run": run,
                                "input": network.input, "epochs": epoch,
                                "seconds": round(elapsed, 1)})
    return True


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=math.inf, help="stop and keep a checkpoint")
    parser.add_argument("--compile", action="store_true", help="through torch.compile")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    done = train(config.read(arguments.run), arguments.data, arguments.work, default_device(),
                 time.monotonic() + arguments.seconds, arguments.compile)
    print("complete" if done else "not complete: the same command goes on")


if __name__ == "__main__":
    main()

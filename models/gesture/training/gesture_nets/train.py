"""Trains one network:

    python -m gesture_nets.train lif --train DATA/train --valid DATA/valid --out WORK/lif

Goes on from WORK/lif/checkpoint.pt if that is there. On a GPU: --device cuda, and as much as fits of
--updates (or --seconds), --batch, --channels and --hidden. There an update is recorded once as a CUDA
graph and replayed: a loop over time is hundreds of short kernels, which otherwise wait for Python.
"""

import argparse
import json
import math
import os
import time
from pathlib import Path

import torch
from torch.nn import functional as F

from .clips import Clips, batch_of
from .networks import CLASSES, NETWORKS


RECIPE = ("updates", "seconds", "batch", "steps", "rate", "quiet", "target", "strength",
          "strength_end", "dropout", "threads")
EAGER = 5  # updates before one is recorded: libraries choose their kernels, the optimiser its state
SYNC = 20  # updates between waits for the device, whose clock is the schedule's


def scores(network, clips, device, batch=64):
    """Mean logits of whole clips, and the activity of every layer."""
    network.eval()
    logits, activity = [], []
    with torch.no_grad():
        for at in range(0, len(clips.labels), batch):
            x = clips.counts[at : at + batch].to(device).float().transpose(0, 1).contiguous()
            y, layers = network(x)
            logits.append(y.mean(0))
            activity.append(torch.stack(layers))
    network.train()
    return torch.cat(logits).cpu(), torch.stack(activity).mean(0).tolist()


def save(path, state):
    torch.save(state, f"{path}.tmp")
    os.replace(f"{path}.tmp", path)


class Updates:
    """update(x, labels) is one step of the optimiser; loss and share of right answers add up in
    `sums` on the device."""

    def __init__(self, network, optimiser, flags):
        self.network, self.optimiser, self.flags = network, optimiser, flags
        self.sums = torch.zeros(2, device=flags.device)
        self.graph, self.done = None, 0
        self.recorded = flags.device == "cuda" and not flags.eager

    def run(self, x, labels):
        logits, activity = self.network(x)
        mean = logits.mean(0)
        loss = F.cross_entropy(mean, labels, label_smoothing=0.05)
        cost = sum(F.relu(a - self.flags.target) ** 2 for a in activity)
        self.optimiser.zero_grad(set_to_none=True)
        (loss + self.flags.quiet * cost).backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.sums += torch.stack([loss.detach(), (mean.argmax(1) == labels).float().mean()])

    def record(self, x, labels):
        self.x, self.labels = x.clone(), labels.clone()
        self.optimiser.zero_grad(set_to_none=True)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.run(self.x, self.labels)

    def update(self, x, labels, rate):
        for group in self.optimiser.param_groups:
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate
        if self.graph is not None:
            self.x.copy_(x)
            self.labels.copy_(labels)
            self.graph.replay()
        elif not self.recorded:
            self.run(x, labels)
        elif self.done < EAGER:
            aside = torch.cuda.Stream()  # what will be recorded must not have run on the main one
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                self.run(x, labels)
            torch.cuda.current_stream().wait_stream(aside)
        else:
            self.record(x, labels)
            self.graph.replay()
        self.done += 1


def machine(device):
    return torch.cuda.get_device_name() if device == "cuda" else "one CPU core"


def optimiser_of(network, flags):
    on_gpu = flags.device == "cuda"
    rate = torch.tensor(flags.rate, device="cuda") if on_gpu else flags.rate
    return torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-3, capturable=on_gpu)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--train", required=True)
    parser.add_argument("--valid", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--updates", type=int, default=1500)
    parser.add_argument("--seconds", type=float, default=0,
                        help="above 0: the schedule is over this time, whatever --updates says")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=40, help="of a stretch")
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--quiet", type=float, default=1.0, help="weight of the activity's cost")
    parser.add_argument("--target", type=float, default=0.1, help="activity that costs nothing")
    parser.add_argument("--strength", type=float, default=1.0, help="of the variation of clips")
    parser.add_argument("--strength-end", type=float, help="at the end of the schedule, if another")
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--channels", type=int, nargs=3)
    parser.add_argument("--hidden", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=int, default=100, help="updates between checkpoints")
    parser.add_argument("--eager", action="store_true", help="on a GPU: record nothing")
    flags = parser.parse_args()
    if flags.strength_end is None:
        flags.strength_end = flags.strength

    torch.set_num_threads(flags.threads)
    torch.manual_seed(flags.seed)
    torch.set_flush_denormal(True)
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    shape = {k: v for k, v in (("channels", flags.channels), ("hidden", flags.hidden)) if v}
    network = NETWORKS[flags.network](**shape, dropout=flags.dropout).to(flags.device)
    optimiser = optimiser_of(network, flags)
    out = Path(flags.out)
    out.mkdir(parents=True, exist_ok=True)
    first, seconds, phases = 0, 0.0, []
    if (out / "checkpoint.pt").exists():
        state = torch.load(out / "checkpoint.pt", map_location=flags.device, weights_only=True)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        first, seconds, phases = state["update"], state["seconds"], state["phases"]
    # A run may be resumed with other flags; the card tells them all.
    recipe = {k: getattr(flags, k) for k in RECIPE}
    if not phases or phases[-1]["recipe"] != recipe:
        phases.append({"from": first, "recipe": recipe})
    train, valid = Clips(flags.train, flags.device), Clips(flags.valid, flags.device)
    updates = Updates(network, optimiser, flags)
    log = open(out / "log.jsonl", "a")
    began, update, since = time.time(), first, 0

    def keep():
        nonlocal seconds, began, since
        loss, accuracy = (updates.sums / max(since, 1)).tolist()
        updates.sums.zero_()
        logits, layers = scores(network, valid, flags.device)
        right = float((logits.argmax(1) == valid.labels.cpu()).float().mean())
        seconds, began, since = seconds + time.time() - began, time.time(), 0
        line = {"update": update, "loss": loss, "train": accuracy, "valid": right,
                "activity": layers, "clips": len(train.labels), "seconds": seconds}
        print(flags.network, json.dumps(line), flush=True)
        log.write(json.dumps(line) + "\n")
        log.flush()
        save(out / "checkpoint.pt",
             {"network": network.state_dict(), "optimiser": optimiser.state_dict(),
              "update": update, "seconds": seconds, "flags": vars(flags), "phases": phases})

    while True:
        passed = seconds + time.time() - began
        progress = passed / flags.seconds if flags.seconds else update / flags.updates
        if progress >= 1:
            break
        if update % 50 == 0:
            train.refresh()
        # Numbers of an update depend on its number alone, so that a resumed run draws the same.
        draws = torch.Generator().manual_seed(flags.seed * 1_000_003 + update)
        torch.manual_seed(flags.seed * 2_000_003 + update)
        warm = min(1.0, (update + 1) / 50)
        rate = flags.rate * warm * 0.5 * (1 + math.cos(math.pi * progress))
        strength = flags.strength + (flags.strength_end - flags.strength) * progress
        index = torch.randint(0, len(train.labels), (flags.batch,), generator=draws)
        x, labels = batch_of(train, index, flags.steps, draws, strength)
        updates.update(x, labels, rate)
        update, since = update + 1, since + 1
        if update % SYNC == 0:
            float(updates.sums[0])
        if update % flags.every == 0:
            keep()
    if since:
        keep()
    save(out / "weights.pt", {"network": network.state_dict(), "kind": flags.network,
                              "shape": shape, "flags": vars(flags), "seconds": seconds,
                              "machine": machine(flags.device),
                              "update": update, "clips": len(train.labels), "phases": phases})


if __name__ == "__main__":
    main()

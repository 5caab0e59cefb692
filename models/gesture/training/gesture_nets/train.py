"""Trains one network:

    python -m gesture_nets.train lif --train DATA/train --valid DATA/valid --out WORK/lif

Goes on from WORK/lif/checkpoint.pt if that is there. On a GPU: --device cuda, and as much as fits of
--updates, --batch, --channels and --hidden.
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


RECIPE = ("updates", "batch", "steps", "rate", "quiet", "target", "strength", "dropout", "threads")


def scores(network, clips, device, batch=64):
    """Mean logits of whole clips, and the activity of every layer."""
    network.eval()
    logits, activity = [], []
    with torch.no_grad():
        for at in range(0, len(clips.labels), batch):
            x = clips.counts[at : at + batch].to(device).float().transpose(0, 1).contiguous()
            y, layers = network(x)
            logits.append(y.mean(0).cpu())
            activity.append([float(a) for a in layers])
    network.train()
    return torch.cat(logits), torch.tensor(activity).mean(0).tolist()


def save(path, state):
    torch.save(state, f"{path}.tmp")
    os.replace(f"{path}.tmp", path)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--train", required=True)
    parser.add_argument("--valid", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--updates", type=int, default=1500)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=40, help="of a stretch")
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--quiet", type=float, default=1.0, help="weight of the activity's cost")
    parser.add_argument("--target", type=float, default=0.1, help="activity that costs nothing")
    parser.add_argument("--strength", type=float, default=1.0, help="of the variation of clips")
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--channels", type=int, nargs=3)
    parser.add_argument("--hidden", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=int, default=100, help="updates between checkpoints")
    flags = parser.parse_args()

    torch.set_num_threads(flags.threads)
    torch.manual_seed(flags.seed)
    torch.set_flush_denormal(True)
    shape = {k: v for k, v in (("channels", flags.channels), ("hidden", flags.hidden)) if v}
    network = NETWORKS[flags.network](**shape, dropout=flags.dropout).to(flags.device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=flags.rate, weight_decay=1e-3)
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
    train, valid = Clips(flags.train), Clips(flags.valid)
    log = open(out / "log.jsonl", "a")
    began, running = time.time(), []
    for update in range(first, flags.updates):
        if update % 50 == 0:
            train.refresh()
        # Numbers of an update depend on its number alone, so that a resumed run draws the same.
        draws = torch.Generator().manual_seed(flags.seed * 1_000_003 + update)
        torch.manual_seed(flags.seed * 2_000_003 + update)
        warm = min(1.0, (update + 1) / 50)
        rate = flags.rate * warm * 0.5 * (1 + math.cos(math.pi * update / flags.updates))
        for group in optimiser.param_groups:
            group["lr"] = rate
        index = torch.randint(0, len(train.labels), (flags.batch,), generator=draws)
        x, labels = batch_of(
            train, index, flags.steps, draws, flags.device, flags.strength)
        logits, activity = network(x)
        mean = logits.mean(0)
        loss = F.cross_entropy(mean, labels, label_smoothing=0.05)
        cost = sum(F.relu(a - flags.target) ** 2 for a in activity)
        optimiser.zero_grad(set_to_none=True)
        (loss + flags.quiet * cost).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        running.append((float(loss.detach()), float((mean.argmax(1) == labels).float().mean())))
        last = update + 1 == flags.updates
        if (update + 1) % flags.every == 0 or last:
            loss_mean, accuracy = torch.tensor(running).mean(0).tolist()
            logits, layers = scores(network, valid, flags.device)
            valid_accuracy = float((logits.argmax(1) == valid.labels).float().mean())
            seconds += time.time() - began
            began = time.time()
            line = {"update": update + 1, "loss": loss_mean, "train": accuracy,
                    "valid": valid_accuracy, "activity": layers, "clips": len(train.labels),
                    "seconds": seconds}
            print(json.dumps(line), flush=True)
            log.write(json.dumps(line) + "\n")
            log.flush()
            running = []
            save(out / "checkpoint.pt",
                 {"network": network.state_dict(), "optimiser": optimiser.state_dict(),
                  "update": update + 1, "seconds": seconds, "flags": vars(flags),
                  "phases": phases})
    save(out / "weights.pt", {"network": network.state_dict(), "kind": flags.network,
                              "shape": shape, "flags": vars(flags), "seconds": seconds,
                              "update": flags.updates, "clips": len(train.labels),
                              "phases": phases})


if __name__ == "__main__":
    main()

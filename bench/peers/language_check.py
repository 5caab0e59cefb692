"""`./dev bench language check`: our logits and losses beside PyTorch's, token by token.

PyTorch runs the evaluation of models/language/training (egru_lm) in float32 on the same weights
file and words; ours is `spikeloom run --text --logits`. A logit's difference is taken relative to
the largest of its token, a loss's absolutely. Needs torch, numpy and safetensors.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402
import torch  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "models/language/training"))

from egru_lm import config, export, kernels  # noqa: E402
from egru_lm.network import Network, Rounding, State  # noqa: E402
from egru_lm.parameters import Layout  # noqa: E402
from safetensors import safe_open  # noqa: E402

WINDOW = 70


def read_state(path):
    """The model as it ships: rounded matrices, never the stack before rounding."""
    with safe_open(str(path), "pt") as file:
        about = file.metadata()
    model = config.Model(cell=about["cell"], embedding=int(about["embedding"]),
                         hidden=tuple(json.loads(about["hidden"])))
    layout = Layout(model, int(about["vocabulary"]))
    theta = [torch.zeros(n) for n in layout.padded_widths[1:]]
    for full, width in zip(theta, layout.widths[1:]):
        full[width:] = 4.0  # padding never emits
    state = State(layout, torch.zeros(layout.size), theta)
    export.read_safetensors(path, state, exact=True)
    return state


def encode(text, words, count):
    index = {word: i for i, word in enumerate(words)}
    tokens = []
    for line in text.split("\n")[: text.count("\n") + (not text.endswith("\n"))]:
        tokens += [index.get(word, index["<unk>"]) for word in line.split()] + [index["<eos>"]]
        if len(tokens) > count:
            break
    return torch.tensor(tokens[: count + 1], dtype=torch.int32)


@torch.no_grad()
def torch_logits(state, tokens, reset):
    """Logits after every token but the last, [tokens - 1, words]."""
    window = min(WINDOW, len(tokens) - 1)
    network = Network(state, window, 1, torch.float32, kernels.choose(torch.device("cpu")))
    weights = network.compute_weights(Rounding())
    network.restart()
    words, found = state.layout.words, []
    for begin in range(0, len(tokens) - 1, window):
        part = tokens[begin : min(begin + window, len(tokens) - 1)]
        network.carry(reset=reset)
        network.tokens[: len(part), 0] = part
        network.forward(weights)
        output = network.output[: len(part), 0]
        found.append((output @ weights.embedding.t() + weights.decoder_bias)[:, :words])
    return torch.cat(found)


def main():
    parser = argparse.ArgumentParser(prog="./dev bench language check", description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("--tokens", type=int, default=1000)
    parser.add_argument("--binary", default=str(ROOT / "build/release/cli/spikeloom"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    words = arguments.model.with_suffix(".vocabulary.txt").read_text().split("\n")[:-1]
    tokens = encode(arguments.text.read_text(), words, arguments.tokens)
    state, worst = read_state(arguments.model), 0.0
    for protocol in ("carried", "reset"):
        theirs = torch_logits(state, tokens, protocol == "reset").numpy()
        with tempfile.TemporaryDirectory() as folder:
            out = str(Path(folder) / "logits.npy")
            command = [arguments.binary, "run", str(arguments.model), "--text",
                       str(arguments.text), "--tokens", str(len(tokens)), "--protocol", protocol,
                       "--arithmetic", "float32", "--logits", out, "--json", "--quiet"]
            said = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            ours = np.load(out)
        scale = np.abs(theirs).max(axis=1, keepdims=True)
        relative = np.abs(ours - theirs) / scale
        picked = torch.from_numpy(theirs).double().log_softmax(1)
        loss = -picked[torch.arange(len(picked)), tokens[1:].long()].mean().item()
        ours_loss = said["scores"][0]["loss"]
        worst = max(worst, float(relative.max()))
        print(f"{protocol}: {len(ours)} tokens x {ours.shape[1]} words; largest relative "
              f"difference of a logit {relative.max():.2e} (99.9 %: "
              f"{np.quantile(relative, 0.999):.2e}); loss {ours_loss:.6f} here, {loss:.6f} in "
              f"PyTorch; perplexity {np.exp(ours_loss):.4f}, {np.exp(loss):.4f}")
    print(f"bar 1e-4: {'reached' if worst <= 1e-4 else 'MISSED'}")
    return 0 if worst <= 1e-4 else 1


if __name__ == "__main__":
    sys.exit(main())

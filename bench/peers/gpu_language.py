"""The language model of `./dev gpu run` in PyTorch on one GPU, dense: the same EGRU with the file's
weights, whole, and an LSTM of its sizes (random weights, which cost the same). Products with the
input are folded over a window, steps are recorded as a CUDA graph. And `shorten`, which writes a
model for a text: rows of words that the text lacks are copies of others, so that it packs well.

    python3 gpu_language.py shorten MODEL.safetensors TEXT WORDS OUT-FOLDER
"""

import json
import struct
import sys
from pathlib import Path

DTYPES = {"F32": ("float32", 4), "F16": ("float16", 2), "I8": ("int8", 1), "U16": ("uint16", 2),
          "U32": ("uint32", 4)}


def read_header(data):
    length = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + length]), 8 + length


def vocabulary_of(model):
    return model.parent / f"{model.name.split('.')[0]}.vocabulary.txt"


def shorten(model, text, count, out):
    """The first `count` words of a text, and the model with those words' vectors alone."""
    model, out = Path(model), Path(out)
    out.mkdir(parents=True, exist_ok=True)
    lines, taken = [], 0
    for line in Path(text).read_text().split("\n"):
        if taken >= count:
            break
        lines.append(line)
        taken += len(line.split()) + 1
    (out / "words.txt").write_text("\n".join(lines) + "\n")
    words = vocabulary_of(model).read_text().split("\n")
    index = {word: i for i, word in enumerate(words)}
    used = {index.get(w, index["<unk>"]) for line in lines for w in line.split()}
    used |= {index["<eos>"], index["<unk>"]}
    data = bytearray(model.read_bytes())
    header, base = read_header(data)
    about = header["embedding"]
    size = DTYPES[about["dtype"]][1] * about["shape"][1]
    first = base + about["data_offsets"][0]
    rows = [bytes(data[first + u * size : first + (u + 1) * size]) for u in sorted(used)]
    for i in range(about["shape"][0]):
        if i not in used:
            data[first + i * size : first + (i + 1) * size] = rows[i % len(rows)]
    (out / model.name).write_bytes(data)
    (out / vocabulary_of(model).name).write_bytes(vocabulary_of(model).read_bytes())
    return len(used)


def read_model(path, torch, device):
    """Dense float32 matrices of a model: embedding, decoder's bias, layers."""
    data = bytearray(Path(path).read_bytes())
    header, base = read_header(data)
    kinds = {"F32": torch.float32, "F16": torch.float16, "I8": torch.int8, "U16": torch.int16,
             "U32": torch.int32}

    def tensor(name):
        about = header[name]
        begin, end = about["data_offsets"]
        values = torch.frombuffer(data, dtype=kinds[about["dtype"]], offset=base + begin,
                                  count=(end - begin) // DTYPES[about["dtype"]][1])
        if about["dtype"] == "U16":
            return values.long() & 0xFFFF
        return values.reshape(about["shape"])

    def matrix(name, rows):
        if name in header:
            whole = tensor(name).float()
        else:
            starts = tensor(f"{name}.row_begin").long()
            source = torch.repeat_interleave(torch.arange(len(starts) - 1), starts.diff())
            whole = torch.zeros(rows, len(starts) - 1)
            whole[tensor(f"{name}.target").long(), source] = tensor(f"{name}.value").float()
        if f"{name}.scale" in header:
            whole *= tensor(f"{name}.scale").float()[:, None]
        return whole

    layers = []
    for number in range(1, 100):
        if f"layer{number}.bias" not in header:
            break
        bias = tensor(f"layer{number}.bias").float()
        layers.append({
            "kernel": matrix(f"layer{number}.kernel", len(bias)),
            "recurrent": matrix(f"layer{number}.recurrent", len(bias)), "bias": bias,
            "recurrent_bias": tensor(f"layer{number}.recurrent_bias").float(),
            "threshold": tensor(f"layer{number}.threshold").float()})
    embedding = matrix("embedding", header["embedding"]["shape"][0])
    moved = [{k: v.to(device) for k, v in layer.items()} for layer in layers]
    return embedding.to(device), tensor("decoder.bias").float().to(device), moved


class Egru:
    """A window of tokens (steps, batch) to scores; h and y are carried in place."""

    def __init__(self, torch, embedding, bias, layers, batch, dtype):
        self.torch, self.embedding, self.bias = torch, embedding.to(dtype), bias.to(dtype)
        self.layers = [{k: v.to(dtype) for k, v in layer.items()} for layer in layers]
        self.states = [[torch.zeros(batch, len(layer["threshold"]), dtype=dtype,
                                    device=embedding.device) for _ in range(2)]
                       for layer in self.layers]

    def __call__(self, tokens):
        torch = self.torch
        x = self.embedding[tokens]
        for layer, (h, y) in zip(self.layers, self.states):
            w = torch.nn.functional.linear(x, layer["kernel"], layer["bias"])
            found = []
            for step in w:
                r = torch.nn.functional.linear(y, layer["recurrent"], layer["recurrent_bias"])
                wz, wr, wg = step.chunk(3, -1)
                rz, rr, rg = r.chunk(3, -1)
                z = torch.sigmoid(wz + rz)
                c = z * h + (1 - z) * torch.tanh(wg + torch.sigmoid(wr + rr) * rg)
                y = torch.where(c > layer["threshold"], c, torch.zeros_like(c))
                h = torch.where(c > layer["threshold"], c - layer["threshold"], c)
                found.append(y)
            self.carry(layer, h, y)
            x = torch.stack(found)
        return torch.nn.functional.linear(x, self.embedding, self.bias)

    def carry(self, layer, h, y):
        kept = self.states[next(i for i, other in enumerate(self.layers) if other is layer)]
        kept[0].copy_(h)
        kept[1].copy_(y)


class Lstm:
    """nn.LSTM (cuDNN) layers of the same sizes, tied decoder."""

    def __init__(self, torch, embedding, bias, layers, batch, dtype):
        self.torch, self.embedding, self.bias = torch, embedding.to(dtype), bias.to(dtype)
        sizes = [embedding.shape[1]] + [len(layer["threshold"]) for layer in layers]
        self.layers = [torch.nn.LSTM(a, b).to(embedding.device, dtype).eval()
                       for a, b in zip(sizes, sizes[1:])]
        self.states = [[torch.zeros(1, batch, size, dtype=dtype, device=embedding.device)
                        for _ in range(2)] for size in sizes[1:]]

    def __call__(self, tokens):
        x = self.embedding[tokens]
        for layer, state in zip(self.layers, self.states):
            x, after = layer(x, tuple(state))
            for kept, value in zip(state, after):
                kept.copy_(value)
        return self.torch.nn.functional.linear(x, self.embedding, self.bias)


def recorded(torch, model, tokens):
    """The call as a CUDA graph; without one where there is no device."""
    if tokens.device.type != "cuda":
        return lambda: model(tokens)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(2):
            model(tokens)
    torch.cuda.current_stream().wait_stream(stream)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        scores = model(tokens)

    def replay():
        graph.replay()
        return scores

    return replay


def encode(model, text, count):
    words = vocabulary_of(Path(model)).read_text().split("\n")
    index = {word: i for i, word in enumerate(words)}
    tokens = []
    for line in Path(text).read_text().split("\n")[:-1]:
        tokens += [index.get(word, index["<unk>"]) for word in line.split()] + [index["<eos>"]]
    return tokens[:count]


def perplexity(torch, kind, parts, tokens, window, dtype):
    """Of a text, batch 1, state carried: whether the rival is the model at all."""
    device = parts[0].device
    model = kind(torch, *parts, 1, dtype)
    tokens = torch.tensor(tokens, device=device)
    loss, count = 0.0, 0
    for begin in range(0, len(tokens) - 1, window):
        x = tokens[begin : begin + window]
        target = tokens[begin + 1 : begin + window + 1]
        scores = model(x[:, None])[: len(target), 0].float()
        loss += torch.nn.functional.cross_entropy(scores, target, reduction="sum").item()
        count += len(target)
    return float(torch.tensor(loss / count, dtype=torch.float64).exp())


def measure(torch, meter, model, text, batch, window, seconds, timed, add):
    """Every rival: one token at batch 1, a window at batch 1 and at `batch`."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tf32 = torch.backends.cuda.matmul.allow_tf32
    parts = read_model(model, torch, device)
    tokens = encode(model, text, 100_000)
    said = []
    with torch.inference_mode():
        torch.backends.cuda.matmul.allow_tf32 = False
        add({"language_rival": "EGRU dense", "perplexity":
             perplexity(torch, Egru, parts, tokens[:1001], window, torch.float32)})
        ways = [("EGRU dense", Egru, "float32", False), ("EGRU dense", Egru, "TF32", True),
                ("LSTM", Lstm, "float32", False),
                ("LSTM", Lstm, "TF32", True)]
        for name, kind, precision, allow in ways:
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allow
            for rows, steps in ((1, 1), (1, window), (batch, window)):
                way = f"PyTorch, {name}, {precision}"
                try:
                    own = kind(torch, *parts, rows, torch.float32)
                    text_of = [[tokens[(s + e * len(tokens) // rows) % len(tokens)]
                                for e in range(rows)] for s in range(steps)]
                    call = recorded(torch, own, torch.tensor(text_of, device=device))
                    _, best, median, began, ended, passes = timed(torch, call, device, seconds)
                    row = {"language": Path(model).name.split(".")[0], "backend": way,
                           "arithmetic": precision, "batch": rows, "window": steps,
                           "median_s": median, "best_s": best, "passes": passes,
                           "tokens_per_s": passes * rows * steps / (ended - began),
                           "token_us": 1e6 * median / (rows * steps), "began": began,
                           "ended": ended}
                    if meter.nvml:
                        row["watts"] = meter.watts(began, ended)
                    add(row)
                    said.append(f"{name} {precision} {rows}x{steps}: {row['token_us']:.2f} us")
                    del own, call
                except Exception as error:  # the other ways still run
                    add({"language": Path(model).name, "backend": way, "batch": rows,
                         "window": steps, "failure": str(error)[:300]})
                    said.append(f"{name} {precision} {rows}x{steps} failed: {str(error)[:80]}")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    return "; ".join(said)


if __name__ == "__main__":
    if len(sys.argv) != 6 or sys.argv[1] != "shorten":
        sys.exit(__doc__)
    print(f"{shorten(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])} words kept")

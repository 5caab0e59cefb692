"""The model file's layout, as docs/formats.md has it, written and read with h5py alone.

    model_file_h5py.py write FILE      a small model
    model_file_h5py.py check FILE      looks at the file of the test's every_kind() network
    model_file_h5py.py --check-modules exit status 77, with the reason, without h5py or numpy
"""

import json
import sys

try:
    import h5py
    import numpy as np
except ImportError as error:
    print(f"SKIPPED: {error}; install the Python packages h5py and numpy")
    sys.exit(77)

TEXT = h5py.string_dtype()


def text(dataset):
    return dataset[()].decode("utf8")


def pack(values):
    codes = np.where(values < 0, 2, values).astype(np.uint8).ravel()
    codes = np.pad(codes, (0, -len(codes) % 4)).reshape(-1, 4)
    return (codes << np.array([0, 2, 4, 6], np.uint8)).sum(axis=1, dtype=np.uint8)


def unpack(group):
    codes = (group["codes"][()][:, None] >> np.array([0, 2, 4, 6], np.uint8)) & 3
    shape = tuple(group["shape"][()])
    values = np.array([0, 1, -1], np.int8)[codes.ravel()[: int(np.prod(shape))]]
    return values.reshape(shape)


def write(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("format", data="spikeloom-model", dtype=TEXT)
        file.create_dataset("format_version", data=np.int64(1))
        file.create_dataset("producer", data="a script", dtype=TEXT)
        file.create_dataset("model_card", data="written by h5py", dtype=TEXT)
        settings = {"discretisation": {"dt": 1e-4, "reset": "subtract"}}
        file.create_dataset("run_settings", data=json.dumps(settings), dtype=TEXT)
        network = file.create_group("network")
        network.create_dataset("edges", data=np.array([[0, 1], [1, 2], [2, 3]]))
        nodes = network.create_group("nodes")

        def node(index, name, kind, **fields):
            group = nodes.create_group(str(index))
            group.create_dataset("name", data=name, dtype=TEXT)
            group.create_dataset("kind", data=kind, dtype=TEXT)
            parameters = group.create_group("fields")
            for key, value in fields.items():
                parameters.create_dataset(key, data=value)
            return parameters

        node(0, "in", "Input", shape=np.array([16]))
        linear = node(1, "fc", "Linear", weight_scale=np.array([0.5], np.float32))
        weight = linear.create_group("weight")
        values = np.tile(np.array([0, 1, -1, 1], np.int8), 64).reshape(16, 16)
        weight.create_dataset("encoding", data="ternary", dtype=TEXT)
        weight.create_dataset("shape", data=np.array(values.shape))
        weight.create_dataset("codes", data=pack(values), compression="gzip")
        node(2, "lif", "LIF", tau=0.02, r=1.0, v_leak=0.0, v_threshold=1.0)
        node(3, "out", "Output", shape=np.array([16]))


def check(path):
    with h5py.File(path, "r") as file:
        assert text(file["format"]) == "spikeloom-model"
        assert file["format_version"][()] == 1
        assert text(file["producer"]).startswith("spikeloom ")
        assert json.loads(text(file["run_settings"])) == {
            "discretisation": {"dt": 1e-4, "reset": "subtract"}
        }
        network = file["network"]
        nodes = network["nodes"]
        names = [text(nodes[str(index)]["name"]) for index in range(len(nodes))]
        assert names[0] == "z first" and names[-1] == "a last"
        rows = [(names[a], names[b]) for a, b in network["edges"][()]]
        assert rows == [("sparse", "a last"), ("z first", "conv2d"), ("z first", "conv2d")]
        assert network["metadata/b/c"][()] == 1.5

        def fields(name):
            return nodes[str(names.index(name))]["fields"]

        conv = fields("conv2d")
        assert conv["weight"].dtype == np.int8 and conv["weight"].shape == (4, 1, 3, 3)
        assert text(conv["padding"]) == "same" and "bias" not in conv
        expected = np.tile(np.array([0, 1, -1, 1], np.int8), 128).reshape(32, 16)
        assert (unpack(fields("ternary")["weight"]) == expected).all()
        # Equal tensors are one object under two names.
        assert fields("embedding")["weight"] == fields("tied")["weight"]
        sparse = fields("sparse")
        dense = np.zeros(sparse["shape"][()])
        start = sparse["row_start"][()]
        for row in range(len(start) - 1):
            for entry in range(start[row], start[row + 1]):
                dense[row, sparse["column"][entry]] = sparse["value"][entry]
        assert (dense == [[0, 5, 0, 0], [0, 0, 0, 0], [-3, 0, 0, 1]]).all()
        inner = nodes[str(names.index("graph"))]["network"]
        assert [tuple(row) for row in inner["edges"][()]] == [(0, 1), (1, 1), (1, 2)]


if __name__ == "__main__":
    if sys.argv[1] != "--check-modules":
        {"write": write, "check": check}[sys.argv[1]](sys.argv[2])

"""Writes NIR files of unusual but valid form with h5py.

    make_nir_cases.py FOLDER     exit status 77, with the reason, without h5py or numpy

Each has to be read, and to be equal for compare_nir.py after a round trip.
"""

import pathlib
import sys

try:
    import h5py
    import numpy as np
except ImportError as error:
    print(f"SKIPPED: {error}; install the Python packages h5py and numpy")
    sys.exit(77)

TEXT = h5py.string_dtype()


def neuron(group, size=3):
    group.create_dataset("type", data="LIF", dtype=TEXT)
    for name, value in {"tau": 0.02, "r": 1.0, "v_leak": 0.0, "v_threshold": 1.0}.items():
        group.create_dataset(name, data=np.full(size, value, np.float32))


def port(group, kind, size=3):
    group.create_dataset("type", data=kind, dtype=TEXT)
    group.create_dataset("shape", data=np.array([size]))


def graph(group, edges):
    group.create_dataset("type", data="NIRGraph", dtype=TEXT)
    group.create_dataset("edges", data=edges)
    return group.create_group("nodes")


def chain(group):
    nodes = graph(group, [("input", "lif"), ("lif", "output")])
    port(nodes.create_group("input"), "Input")
    neuron(nodes.create_group("lif"))
    port(nodes.create_group("output"), "Output")
    return nodes


def bare(file):
    """A root that is a node, not a graph."""
    neuron(file.create_group("node"))


def no_edges(file):
    """What h5py makes of an empty list of edges."""
    neuron(graph(file.create_group("node"), []).create_group("lif"))


def two_deep(file):
    """A graph in a graph in a graph, each with metadata; names with dots, spaces and umlauts."""
    outer = chain(file.create_group("node"))
    middle = chain(outer.create_group("Übergang 1.a"))
    inner = middle.create_group("deep.er")
    chain(inner)
    inner.create_group("metadata").create_dataset("level", data=np.int8(2))


def metadata(file):
    """Every type of metadata that h5py writes for plain Python and NumPy values."""
    nodes = chain(file.create_group("node"))
    group = nodes["lif"].create_group("metadata")
    group.create_dataset("flag", data=True)
    group.create_dataset("flags", data=np.array([True, False]))
    group.create_dataset("text", data="Grüße", dtype=TEXT)
    group.create_dataset("texts", data=["a", "", "c"], dtype=TEXT)
    group.create_dataset("table", data=np.array([["a", "b"], ["c", "d"]], dtype=object), dtype=TEXT)
    group.create_dataset("uint64", data=np.array([2**64 - 1], np.uint64))
    group.create_dataset("empty", data=np.zeros((0, 3)))
    group.create_group("nothing")


def dtypes(file):
    """Parameters of other element types."""
    nodes = chain(file.create_group("node"))
    del nodes["lif"]
    group = nodes.create_group("lif")
    group.create_dataset("type", data="LIF", dtype=TEXT)
    group.create_dataset("tau", data=np.array([2, 3, 4], np.int64))
    group.create_dataset("r", data=np.array([1, 1, 2], np.int8))
    group.create_dataset("v_leak", data=np.float64(0.0))
    group.create_dataset("v_threshold", data=np.array([1.0, 2.0, np.inf]))
    group.create_dataset("v_reset", data=np.array([0, 0, 1], np.uint16))


def storage(file):
    """Compact storage, several chunks, shuffle and checksums, in the newest file version."""
    nodes = chain(file.create_group("node"))
    weights = np.arange(12, dtype=np.float32).reshape(3, 4)
    linear = nodes.create_group("linear")
    linear.create_dataset("type", data="Linear", dtype=TEXT)
    linear.create_dataset("weight", data=weights, chunks=(2, 3), compression="gzip", shuffle=True,
                          fletcher32=True)


def plain(file):
    """The common case."""
    chain(file.create_group("node"))


def main(folder):
    for case in (bare, no_edges, two_deep, metadata, dtypes, storage, plain):
        libver = "latest" if case is storage else None
        path = pathlib.Path(folder) / f"{case.__name__}.nir"
        with h5py.File(path, "w", libver=libver) as file:
            file.create_dataset("version", data="1.0.7", dtype=TEXT)
            case(file)


if __name__ == "__main__":
    main(sys.argv[1])

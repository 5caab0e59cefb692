"""Are two NIR files equal, for the Python reader and dataset by dataset?

    compare_nir.py LEFT RIGHT ...    prints every difference of each pair; status 1 if there is one
    compare_nir.py --check-modules   exit status 77, with the reason, without h5py or numpy

Left is what somebody else wrote, right what this project wrote from it. Two comparisons:
the objects that `nir.read` builds (with type checks on wherever left passes them), and the HDF5
trees themselves, where a group, a dataset, its element type, its shape and its values all count,
so that an absent parameter is not the same as a default one. Storage (chunks, compression) and the
length of fixed-length strings do not count. Without the package nir, which Debian does not have,
the trees alone are compared; they decide more finely anyhow.
"""

import sys

MISSING = 77

try:
    import h5py
    import numpy as np
except ImportError as error:
    print(f"SKIPPED: {error}; install the Python packages h5py and numpy (and nir)")
    sys.exit(MISSING)
try:
    import nir
except ImportError:
    nir = None


def text(value):
    if isinstance(value, bytes):
        return value.decode("utf8")
    if isinstance(value, np.ndarray) and value.dtype == object:
        return np.vectorize(text, otypes=[object])(value)
    return value


def same_array(left, right):
    left, right = np.asarray(text(left)), np.asarray(text(right))
    if left.dtype != right.dtype:
        return f"dtype {left.dtype} against {right.dtype}"
    if left.shape != right.shape:
        return f"shape {left.shape} against {right.shape}"
    if left.dtype == object:
        return None if (left == right).all() else "strings differ"
    return None if left.tobytes() == right.tobytes() else "values differ"


def compare_objects(left, right, path, found):
    """nir nodes, dictionaries, sequences and leaves, by exact type."""
    if type(left) is not type(right):
        found.append(f"{path}: {type(left).__name__} against {type(right).__name__}")
    elif isinstance(left, nir.NIRNode):
        compare_objects(vars(left), vars(right), path, found)
    elif isinstance(left, dict):
        if sorted(left) != sorted(right):
            found.append(f"{path}: keys {sorted(left)} against {sorted(right)}")
        for key in left:
            if key in right:
                compare_objects(left[key], right[key], f"{path}.{key}", found)
    elif isinstance(left, (list, tuple)) and not isinstance(left, str):
        if len(left) != len(right):
            found.append(f"{path}: {len(left)} entries against {len(right)}")
        for index, pair in enumerate(zip(left, right)):
            compare_objects(*pair, f"{path}[{index}]", found)
    elif isinstance(left, (np.ndarray, np.generic)):
        difference = same_array(left, right)
        if difference:
            found.append(f"{path}: {difference}")
    elif left != right:
        found.append(f"{path}: {left!r} against {right!r}")


def compare_trees(left, right, path, found):
    """HDF5 groups and datasets, without the Python reader's defaults."""
    if isinstance(left, h5py.Group) != isinstance(right, h5py.Group):
        found.append(f"{path}: a group against a dataset")
        return
    if isinstance(left, h5py.Dataset):
        difference = same_array(left[()], right[()])
        if difference:
            found.append(f"{path}: {difference}")
        return
    for key in sorted(set(left) | set(right)):
        if key not in left or key not in right:
            found.append(f"{path}/{key}: only in the {'left' if key in left else 'right'} file")
        else:
            compare_trees(left[key], right[key], f"{path}/{key}", found)


def read(path):
    try:
        return nir.read(path, type_check=True), True
    except Exception:  # several published files only load without type checks
        return nir.read(path, type_check=False), False


def compare(left_path, right_path):
    found = []
    if nir is None:
        print("no package nir: comparing the trees alone")
    else:
        try:
            left, checked = read(left_path)
        except Exception as error:
            print(f"{left_path}: nir does not read it ({error!r}); comparing the trees alone")
        else:
            compare_objects(left, nir.read(right_path, type_check=checked), "node", found)
    with h5py.File(left_path, "r") as a, h5py.File(right_path, "r") as b:
        compare_trees(a, b, "", found)
    for line in found:
        print(f"{left_path} and {right_path}: {line}")
    if not found:
        print(f"equal: {right_path}")
    return not found


if __name__ == "__main__":
    if sys.argv[1:] != ["--check-modules"]:
        results = [compare(*pair) for pair in zip(sys.argv[1::2], sys.argv[2::2])]
        sys.exit(0 if results and all(results) else 1)

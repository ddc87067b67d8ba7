"""The same samples in a file of every kind that nmfbench reads, and a table with a look at what it was taken for."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import scipy.io
import scipy.sparse
from sklearn.datasets import dump_svmlight_file

from nmfbench import load_dataset
from nmfbench.datasets.base import Dataset
from nmfbench.datasets.formats import SVMLIGHT

ROWS = np.random.default_rng(0).uniform(0.1, 1, size=(11, 7))
"""11 samples in rows, 7 features."""
LABELS = np.array([2, 4, 9, 2, 4, 9, 2, 4, 9, 2, 4])


def write(path: Path, rows: np.ndarray = ROWS, labels: np.ndarray = LABELS) -> dict[str, Any]:
    """Write the samples and their labels; returns the parameters of `File` that read them."""
    suffix = path.suffix
    words = np.char.add(labels.astype(str), "x")
    beside = path.with_name("labels.npy")
    if suffix == ".npz":
        np.savez(path, fea=rows, target=labels, other=labels)
        return {"y": "target"}
    if suffix == ".npy":
        np.save(path, rows)
        np.save(beside, labels)
        return {"y": str(beside)}
    if suffix == ".mat":
        scipy.io.savemat(path, {"fea": rows, "gnd": labels[:, None]})
        return {"x": "fea", "y": "gnd"}
    if suffix in (".h5", ".hdf5"):
        with h5py.File(path, "w") as file:
            file["set/data"], file["set/labels"] = rows, labels
        return {"x": "set/data", "y": "set/labels"}
    if suffix == ".h5ad":
        with h5py.File(path, "w") as file:
            file["X"] = rows
            file["obs/_index"] = [f"cell{i}" for i in range(len(rows))]
            file["obs/kind/codes"] = np.unique(words, return_inverse=True)[1]
            file["obs/kind/categories"] = np.unique(words).tolist()
            file["obs/kind"].attrs["encoding-type"] = "categorical"
            file["obs"].attrs["_index"] = "_index"
            file["var/_index"] = [f"gene{j}" for j in range(rows.shape[1])]
            file["var"].attrs["_index"] = "_index"
        return {"y": "kind"}
    if suffix == ".mtx":
        scipy.io.mmwrite(path, scipy.sparse.coo_array(rows), precision=17)
        np.save(beside, labels)
        return {"y": str(beside)}
    if suffix in SVMLIGHT:
        dump_svmlight_file(rows, labels, str(path))
        return {}
    frame = pd.DataFrame(rows, columns=[f"f{i}" for i in range(rows.shape[1])]).assign(kind=words)
    match suffix:
        case ".parquet":
            frame.to_parquet(path)
        case ".xlsx":
            frame.to_excel(path, index=False)
        case _:
            frame.to_csv(path, index=False, sep="\t" if suffix in (".tsv", ".tab") else ",")
    return {"y": "kind"}


FRAME = pd.DataFrame(np.random.default_rng(0).uniform(size=(60, 6)).round(3)).add_prefix("f")
KINDS = ["u", "v", "w"] * 20
WITH_KIND = FRAME.assign(kind=KINDS)


def loaded(path: Path, **keys: object) -> Dataset:
    """The dataset of a user's file, unscaled."""
    return load_dataset("file", path=str(path), scaling="none", **keys)


def reading_of(data: Dataset) -> str:
    """What the file was taken for, in a line."""
    return data.preprocessing[0]


def holds_the_frame(data: Dataset) -> bool:
    """Whether X is `FRAME`."""
    return np.array_equal(data.X, FRAME.to_numpy().T)

"""A user's own data from one file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import scipy.io
import scipy.sparse

from nmfbench.config import nearest
from nmfbench.datasets import base
from nmfbench.errors import ConfigError, DataError, DataMissing

USUAL_X = ("X", "x", "fea", "data", "fts")
Arrays = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class File(base.Loader):
    """X and labels from .npz, .npy, .mat (before v7.3), .csv or .parquet.

    In .npz and .mat, ``x`` and ``y`` are the names of arrays; without ``x`` the only matrix is taken, or one with a
    usual name. In .csv (with a header) and .parquet ``y`` is the label column and the others are features. In .npy
    there is one matrix, and ``y`` is the path of a second .npy. Labels may be numbers or words. No pickle is loaded.
    """

    location: ClassVar[tuple[str, ...]] = ("path", "x", "y", "samples", "name", "shape")

    path: str = ""
    x: str | None = None
    y: str | None = None
    samples: str = "rows"
    """Samples are the rows of the stored table, or its columns."""
    name: str | None = None
    """What tables call it; None: the file's name without its suffix."""
    shape: list[int] | None = None
    """[height, width] when samples are images, pixels in row-major order."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.samples not in ("rows", "columns"):
            raise ConfigError(f"samples must be rows or columns, got {self.samples!r}")
        if not self.path:
            raise ConfigError("path must be given: dataset.path=my.npz")
        if Path(self.path).suffix.lower() not in READERS:
            raise ConfigError(f"path must end in {', '.join(READERS)}, got {self.path!r}")
        if "/" in (self.name or "") or (self.name or "").startswith("."):
            raise ConfigError(f"name must be a plain name, without / and no dot first, got {self.name!r}")

    def read(self) -> base.Dataset:
        path = Path(self.path).expanduser().absolute()
        if not path.is_file():
            raise DataMissing(f"there is no file {path}; correct dataset.path")
        try:
            X, y = READERS[path.suffix.lower()](path, self.x, self.y)
        except (DataError, ConfigError, MemoryError):
            raise
        except Exception as error:  # the parser of a damaged file may raise anything
            raise DataError(f"{path} cannot be read as {path.suffix}: {error}{_hint(error)}") from error
        if scipy.sparse.issparse(X):
            size = X.shape[0] * X.shape[1] * 8 / 2**20
            raise DataError(f"{path}: X is sparse, which is not supported; dense it would take {size:,.0f} MiB")
        X = np.asarray(X)
        if X.ndim != 2:
            raise DataError(f"{path}: X must be a matrix, got shape {X.shape}")
        X = X.T if self.samples == "rows" else X
        if y is not None and y.size != X.shape[1]:
            other = "columns" if self.samples == "rows" else "rows"
            turned = f"; with dataset.samples={other} they would fit" if y.size == X.shape[0] else ""
            raise DataError(f"{path}: {X.shape[1]} samples but {y.size} labels{turned}")
        if self.shape is not None and int(np.prod(self.shape)) != X.shape[0]:
            raise ConfigError(f"dataset.shape={self.shape} has {np.prod(self.shape)} pixels, but X has {X.shape[0]} features")
        return base.Dataset(
            name=self.name or path.stem.lstrip("."),
            X=X,
            y=None if y is None else _integers(y, path),
            shape=tuple(self.shape) if self.shape else None,
        )


def _integers(y: np.ndarray, path: Path) -> np.ndarray:
    """Labels of any kind as 0 … k−1."""
    if pd.isna(y).any():
        first = int(np.flatnonzero(pd.isna(y))[0])
        raise DataError(f"{path}: {int(pd.isna(y).sum())} labels are missing, the first at sample {first}")
    return np.unique(y.ravel(), return_inverse=True)[1]


def _from_table(table: pd.DataFrame, path: Path, x: str | None, y: str | None) -> tuple[np.ndarray, np.ndarray | None]:
    if x is not None:
        raise ConfigError("dataset.x has no meaning for a table: its features are all columns but dataset.y")
    if y is not None and y not in table.columns:
        raise DataError(f"{path} has no column {y!r}{nearest(y, map(str, table.columns))}")
    features = table if y is None else table.drop(columns=y)
    for column in features.columns:
        if features[column].dtype.kind not in "buif":
            raise DataError(f"{path}: column {column!r} does not hold numbers; if it holds the labels: dataset.y={column}")
    return features.to_numpy(dtype=float), None if y is None else table[y].to_numpy()


def _from_arrays(arrays: Arrays, path: Path, x: str | None, y: str | None) -> tuple[Any, np.ndarray | None]:
    matrices = {key: value for key, value in arrays.items() if getattr(value, "ndim", 0) == 2 and min(value.shape) > 1}
    usual = [key for key in USUAL_X if key in arrays]
    if x is None and len(matrices) != 1 and len(usual) != 1:
        raise DataError(f"{path}: which array is X? Give dataset.x; {_listed(arrays)}")
    x = x if x is not None else usual[0] if len(usual) == 1 else next(iter(matrices))
    for key, name in ((x, "dataset.x"), (y, "dataset.y")):
        if key is not None and key not in arrays:
            raise DataError(f"{path} has no array {key!r} for {name}; {_listed(arrays)}")
    labels = None if y is None else np.asarray(arrays[y])
    if labels is not None and labels.size != max(labels.shape, default=1):
        raise DataError(f"{path}: labels must be a vector, {y!r} has shape {labels.shape}")
    return arrays[x], None if labels is None else labels.ravel()


def _listed(arrays: Arrays) -> str:
    shapes = (f"{key} {' × '.join(map(str, getattr(value, 'shape', ())))}" for key, value in arrays.items())
    return f"it holds: {', '.join(shapes)}"


def _read_npz(path: Path, x: str | None, y: str | None) -> tuple[Any, np.ndarray | None]:
    with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
        if {"indices", "indptr", "data"} <= set(file.files):
            return scipy.sparse.load_npz(path), None
        return _from_arrays(dict(file.items()), path, x, y)


def _read_npy(path: Path, x: str | None, y: str | None) -> tuple[Any, np.ndarray | None]:
    if x is not None:
        raise ConfigError("dataset.x has no meaning for .npy, which holds one array")
    if y is None:
        return np.load(path, allow_pickle=False), None
    labels = Path(y).expanduser().absolute()
    if not labels.is_file():
        raise DataMissing(f"there is no file {labels}; for .npy, dataset.y is the path of a second .npy")
    return np.load(path, allow_pickle=False), np.load(labels, allow_pickle=False).ravel()


def _read_mat(path: Path, x: str | None, y: str | None) -> tuple[Any, np.ndarray | None]:
    arrays = {key: value for key, value in scipy.io.loadmat(path).items() if not key.startswith("__")}
    return _from_arrays(arrays, path, x, y)


def _hint(error: Exception) -> str:
    if isinstance(error, NotImplementedError):  # scipy on MATLAB 7.3
        return "; save it again in MATLAB with -v7, or as .npz"
    if "pickle" in str(error):
        return "; arrays of objects are pickles, which run code: save plain numbers"
    return ""


READERS: dict[str, Callable[[Path, str | None, str | None], tuple[Any, np.ndarray | None]]] = {
    ".npz": _read_npz,
    ".npy": _read_npy,
    ".mat": _read_mat,
    ".csv": lambda path, x, y: _from_table(pd.read_csv(path), path, x, y),
    ".parquet": lambda path, x, y: _from_table(pd.read_parquet(path), path, x, y),
}

"""A user's own data from one file."""

import difflib
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
    """X and labels from .npz, .npy, .mat (before v7.3), .csv or .parquet. No pickle is loaded.

    Parameters
    ----------
    path: path of the file, which must end in one of these.
    x: .npz, .mat: name of the array X; None: the only matrix, or the one with a usual name. Not for other files.
    y: labels, numbers or words. .npz, .mat: name of an array; .csv (with a header), .parquet: name of a column, the
        other columns being features; .npy: path of a second .npy. None: there are no labels.
    samples: rows or columns: where the stored table has its samples.
    name: the name that tables give the dataset, without "/" and no dot first; None: the file's name without its suffix.
    dense: whether sparse X (.npz as scipy writes it, .mat) is made dense, for solvers that need it so.
    shape: [height, width] when samples are images, pixels in row-major order; None: no images.
    vocabulary: path of a text file with the name of one feature a line, words for example; None: no names.
    """

    location: ClassVar[tuple[str, ...]] = ("path", "x", "y", "samples", "name", "shape", "vocabulary")

    path: str = ""
    x: str | None = None
    y: str | None = None
    samples: str = "rows"
    name: str | None = None
    dense: bool = False
    shape: list[int] | None = None
    vocabulary: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.samples not in ("rows", "columns"):
            raise ConfigError(f"samples must be rows or columns, got {self.samples!r}")
        if not self.path:
            raise ConfigError("path must be given: dataset.path=my.npz")
        if Path(self.path).suffix.lower() not in READERS:
            raise ConfigError(f"path must end in {', '.join(READERS)}, got {self.path!r}")
        if self.shape is not None and (not self.shape or min(self.shape) < 1):
            raise ConfigError(f"shape must be a list of positive integers, got {self.shape}")
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
        X = base.sparse_or_dense(X, self.dense)
        if X.ndim != 2:
            raise DataError(f"{path}: X must be a matrix, got shape {X.shape}")
        X = X.T if self.samples == "rows" else X
        if y is not None and y.size != X.shape[1]:
            other = "columns" if self.samples == "rows" else "rows"
            turned = f"; with dataset.samples={other} they would fit" if y.size == X.shape[0] else ""
            raise DataError(f"{path}: {X.shape[1]} samples but {y.size} labels{turned}")
        if self.shape is not None and int(np.prod(self.shape)) != X.shape[0]:
            pixels = int(np.prod(self.shape))
            raise ConfigError(f"dataset.shape={self.shape} has {pixels} pixels, but X has {X.shape[0]} features")
        words = Path(self.vocabulary).expanduser().absolute() if self.vocabulary else None
        if words and not words.is_file():
            raise DataMissing(f"there is no file {words}; correct dataset.vocabulary")
        return base.Dataset(
            name=self.name or path.stem.lstrip("."),
            X=X,
            y=None if y is None else _integers(y, path),
            shape=tuple(self.shape) if self.shape else None,
            feature_names=tuple(words.read_text(encoding="utf-8").splitlines()) if words else None,
        )


def _integers(y: np.ndarray, path: Path) -> np.ndarray:
    """Labels of any kind as 0 … k−1."""
    if pd.isna(y).any():
        first = int(np.flatnonzero(pd.isna(y))[0])
        raise DataError(f"{path}: {int(pd.isna(y).sum())} labels are missing, the first at sample {first}")
    return np.unique(y.ravel(), return_inverse=True)[1]


def _csv(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path)
    names = list(table.columns)
    if any(name.startswith("Unnamed: ") for name in names):
        raise DataError(f"{path}: a column has no name, as when pandas writes its index; save it with index=False")
    # Names may be numbers if they count the columns; other numbers are the first sample of a table without header.
    if all(name.replace(".", "").isdigit() for name in names) and not {*names} <= {*map(str, range(len(names) + 1))}:
        raise DataError(f"{path} has no header: its first row holds numbers such as {names[0]}; add a row of names")
    return table


def read_parquet(path: Path) -> pd.DataFrame:
    """The table in a parquet file. Raises ConfigError without the extra that reads it."""
    try:
        return pd.read_parquet(path)
    except ImportError:
        raise ConfigError(f"{path}: .parquet needs pyarrow: pip install 'nmfbench[parquet]'") from None


def _from_table(table: pd.DataFrame, path: Path, x: str | None, y: str | None) -> tuple[np.ndarray, np.ndarray | None]:
    if x is not None:
        raise ConfigError("dataset.x has no meaning for a table: its features are all columns but dataset.y")
    if y is not None and y not in table.columns:
        raise DataError(f"{path} has no column {y!r}{nearest(y, map(str, table.columns))}")
    features = table if y is None else table.drop(columns=y)
    for column in features.columns:
        if features[column].dtype.kind not in "buif":
            raise DataError(f"{path}: column {column!r} does not hold numbers; if these are labels: dataset.y={column}")
    return features.to_numpy(dtype=float), None if y is None else table[y].to_numpy()


def _from_arrays(arrays: Arrays, path: Path, x: str | None, y: str | None) -> tuple[Any, np.ndarray | None]:
    matrices = {key: value for key, value in arrays.items() if getattr(value, "ndim", 0) == 2 and min(value.shape) > 1}
    # A vector with a usual name is not X.
    usual = [key for key in USUAL_X if getattr(arrays.get(key), "ndim", 0) > 1]
    candidates = [key for key in usual if key in matrices] or list({*usual, *matrices})
    if x is None and len(candidates) != 1:
        raise DataError(f"{path}: which array is X? Give dataset.x; {_listed(arrays)}")
    x = candidates[0] if x is None else x
    for key, name in ((x, "dataset.x"), (y, "dataset.y")):
        if key is not None and key not in arrays:
            close = difflib.get_close_matches(key, arrays, n=1)
            meant = f", did you mean {close[0]}" if close else ""
            raise DataError(f"{path} has no array {key!r} for {name}{meant}; {_listed(arrays)}")
    return arrays[x], None if y is None else _vector(arrays[y], f"{path}: labels {y!r}")


def _vector(labels: Any, what: str) -> np.ndarray:
    """Labels (n,) from a vector, a row or a column."""
    labels = np.asarray(labels)
    if labels.size != max(labels.shape, default=1):
        raise DataError(f"{what} must be a vector, got shape {labels.shape}")
    return labels.ravel()


def _listed(arrays: Arrays) -> str:
    shapes = (f"{key} {' × '.join(map(str, getattr(value, 'shape', ())))}" for key, value in arrays.items())
    return f"it holds: {', '.join(shapes)}"


def _read_npz(path: Path, x: str | None, y: str | None) -> tuple[Any, np.ndarray | None]:
    with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
        if {"format", "shape", "data"} <= set(file.files):  # the arrays that scipy writes for each sparse format
            return scipy.sparse.load_npz(path), None
        return _from_arrays(dict(file.items()), path, x, y)


def _read_npy(path: Path, x: str | None, y: str | None) -> tuple[Any, np.ndarray | None]:
    if x is not None:
        raise ConfigError("dataset.x has no meaning for .npy, which holds one array")
    if y is None:
        return _npy(path), None
    labels = Path(y).expanduser().absolute()
    if not labels.is_file():
        raise DataMissing(f"there is no file {labels}; for .npy, dataset.y is the path of a second .npy")
    return _npy(path), _vector(_npy(labels), f"{labels}: labels")


def _npy(path: Path) -> np.ndarray:
    # np.load would report any other file as a pickle.
    try:
        with path.open("rb") as opened:
            return np.lib.format.read_array(opened, allow_pickle=False)
    except (ValueError, OSError) as error:
        raise DataError(f"{path} cannot be read as .npy: {error}{_hint(error)}") from error


def _read_mat(path: Path, x: str | None, y: str | None) -> tuple[Any, np.ndarray | None]:
    arrays = {key: value for key, value in scipy.io.loadmat(path).items() if not key.startswith("__")}
    return _from_arrays(arrays, path, x, y)


def _hint(error: Exception) -> str:
    if isinstance(error, NotImplementedError):  # scipy.io raises it for files of MATLAB 7.3
        return "; save it again in MATLAB with -v7, or as .npz"
    if "pickle" in str(error):
        return "; arrays of objects are pickles, which run code: save plain numbers"
    return ""


READERS: dict[str, Callable[[Path, str | None, str | None], tuple[Any, np.ndarray | None]]] = {
    ".npz": _read_npz,
    ".npy": _read_npy,
    ".mat": _read_mat,
    ".csv": lambda path, x, y: _from_table(_csv(path), path, x, y),
    ".parquet": lambda path, x, y: _from_table(read_parquet(path), path, x, y),
}

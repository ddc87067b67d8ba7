"""AnnData's .h5ad: X, layers, raw and embeddings, and the columns of obs. Runs in the process apart."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nmfbench.datasets.formats import hdf, held, parts
from nmfbench.errors import DataError


def read(path: Path) -> held.Arrays:
    """The matrices of an .h5ad with samples in rows, and what is known about each sample."""
    import h5py

    found = parts.Found(str(path))
    with hdf.opened(path) as file:
        keys = hdf.names(file)
        if "obs" not in keys or "var" not in keys:
            raise DataError(f"{path} cannot be read as .h5ad: it has no obs and var; get or write the file again")
        obs = hdf.member(file, "obs")
        n, names = _length(obs, found), _index(hdf.member(file, "var"), found)
        features = None if names is None else names.size
        if "X" in keys:
            _keep_matrix(found, "X", file, "X", n, features)
        if "raw.X" in keys:  # as versions before 0.7 wrote it
            _keep_matrix(found, "raw/X", file, "raw.X", n, None)
        for folder, inner in (("layers", None), ("raw", "X"), ("obsm", None)):
            # Versions before 0.7 wrote obsm as records, in which no matrix of a name can be found.
            if folder in keys and not isinstance(group := hdf.member(file, folder), h5py.Dataset):
                for key in hdf.names(group) if inner is None else [inner]:
                    _keep_matrix(found, f"{folder}/{key}", group, key, n, features if folder == "layers" else None)
        _keep_obs(found, file, obs, n)
    return found.result(samples="rows", feature_names=None if names is None else tuple(names.tolist()))


def _keep_matrix(found: parts.Found, name: str, group: Any, key: str, n: int | None, features: int | None) -> None:
    """Keep a matrix. Raises DataError if obs or var say that it has other sizes: the file contradicts itself."""
    found.add(name, lambda: _matrix(hdf.member(group, key), found))
    shape = getattr(found.arrays.get(name), "shape", (n,))
    if n is not None and shape[:1] != (n,):
        raise DataError(f"{found.what} is damaged: obs has {n} samples, but {name} has shape {shape}; get it again")
    if features is not None and shape[1:] not in ((), (features,)):
        raise DataError(
            f"{found.what} is damaged: var has {features} features, but {name} has shape {shape}; get it again"
        )


def _matrix(item: Any, found: parts.Found) -> Any:
    import h5py

    if isinstance(item, h5py.Dataset):
        return hdf.values(item, found)
    if not {*hdf.SPARSE} <= {*hdf.names(item)}:
        raise DataError(f"it is a {hdf.attribute(item, 'encoding-type') or 'group'}, not a matrix")
    return hdf.sparse(item, found)


def _index(table: Any, found: parts.Found) -> np.ndarray | None:
    """The names of the rows of obs or var; None if they cannot be read."""
    import h5py

    try:
        if isinstance(table, h5py.Dataset):
            return _column(_records(table, found), "index" if "index" in table.dtype.names else "_index")
        index = hdf.attribute(table, "_index") or "_index"
        names = _value(table, index, found)
        return names if names.ndim == 1 and names.dtype.kind == "U" else None
    except (DataError, KeyError, TypeError):
        return None


def _length(obs: Any, found: parts.Found) -> int | None:
    """The number of samples that obs declares."""
    names = _index(obs, found)
    return None if names is None else names.size


def _keep_obs(found: parts.Found, file: Any, obs: Any, n: int | None) -> None:
    """Keep the columns of obs, by their names where no matrix has it."""
    import h5py

    old = isinstance(obs, h5py.Dataset)
    records = _records(obs, found) if old else None
    index = hdf.attribute(obs, "_index") or "_index"
    for key in (obs.dtype.names or ()) if old else hdf.names(obs):
        if key in (index, "_index", "index", "__categories"):
            continue
        name = key if key not in found.arrays else f"obs/{key}"
        found.add(name, partial(_old_value, file, records, key, found) if old else partial(_value, obs, key, found))
        column = found.arrays.get(parts.printable(name))
        if column is None:
            continue
        if column.ndim != 1 or (n is not None and column.size != n):
            raise DataError(
                f"{found.what} is damaged: obs has {n} samples, but its column {key} has shape {column.shape}; "
                "get or write the file again"
            )
        missing = int((column == "").sum()) if column.dtype.kind == "U" else 0
        if missing:
            found.sentences.append(f"{name}: {missing} values are missing or empty")


def _records(table: Any, found: parts.Found) -> np.ndarray:
    """The records of obs or var as versions before 0.7 wrote them."""
    found.check_size(table.size * table.dtype.itemsize)
    records = hdf.contents(table)
    if records.dtype.names is None or records.ndim != 1:
        raise DataError(f"{found.what} is damaged: obs and var must be tables; get or write the file again")
    return records


def _column(records: Any, key: str) -> np.ndarray:
    column = records[key]
    if column.dtype == object:
        return parts.texts(v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in column.tolist())
    return parts.plain(np.ascontiguousarray(column))


def _old_value(file: Any, records: Any, key: str, found: parts.Found) -> np.ndarray:
    """A column of records; its categories, if it has some, lie in uns."""
    values = _column(records, key)
    uns = hdf.member(file, "uns") if "uns" in hdf.names(file) else {}
    if values.dtype.kind not in "iu" or f"{key}_categories" not in uns:
        return values
    return _categorical(values, np.atleast_1d(hdf.values(hdf.member(uns, f"{key}_categories"), found)), found)


def _value(table: Any, key: str, found: parts.Found) -> np.ndarray:
    """A column: plain, categorical, or with a mask of what is missing."""
    import h5py

    item = hdf.member(table, key)
    if isinstance(item, h5py.Group):
        keys = {*hdf.names(item)}
        if {"codes", "categories"} <= keys:
            codes, categories = (hdf.values(hdf.member(item, key), found) for key in ("codes", "categories"))
            return _categorical(codes, categories, found)
        if {"values", "mask"} <= keys:
            values, mask = (hdf.values(hdf.member(item, key), found) for key in ("values", "mask"))
            if values.shape != mask.shape or mask.dtype.kind not in "b":
                raise DataError("it is damaged: its mask does not fit its values")
            return _masked(values, mask)
        raise DataError(f"it is a {hdf.attribute(item, 'encoding-type') or 'group'}, not a column")
    values = hdf.values(item, found)
    if "__categories" in table and values.dtype.kind in "iu":
        listed = hdf.member(table, "__categories")
        if key in hdf.names(listed):
            return _categorical(values, hdf.values(hdf.member(listed, key), found), found)
    return values


def _categorical(codes: np.ndarray, categories: np.ndarray, found: parts.Found) -> np.ndarray:
    """The category of each code; −1 is missing."""
    if codes.dtype.kind not in "iu" or codes.ndim != 1 or categories.ndim != 1:
        raise DataError("it is damaged: codes must be a vector of integers, and categories a vector")
    if codes.size and not -1 <= int(codes.min()) <= int(codes.max()) < categories.size:
        raise DataError(f"it is damaged: codes must lie in -1 … {categories.size - 1}")
    found.check_size(codes.size * categories.dtype.itemsize)
    missing = codes < 0 if codes.dtype.kind == "i" else np.zeros(codes.shape, bool)
    if not categories.size:
        raise DataError("it has no categories: all values are missing")
    return _masked(categories[np.where(missing, 0, codes).astype(np.int64)], missing)


def _masked(values: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """The values, with NaN or "" where they are missing."""
    if not missing.any():
        return values
    if values.dtype.kind == "U":
        return np.where(missing, "", values)
    return np.where(missing, np.nan, values.astype(float))

"""HDF5 (.h5, .hdf5): datasets and sparse matrices by their paths. Runs in the process apart.

A file may name other files: links and datasets that do are refused, so that reading one file reads no other.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nmfbench.datasets.formats import held, parts
from nmfbench.errors import ConfigError, DataError

DEEPEST = 16
# A string that is read takes the bytes of a Python object.
STRING = 64
SPARSE = ("data", "indices", "indptr")


def read(path: Path) -> held.Arrays:
    """The datasets of an HDF5 file by their paths, and groups that are sparse matrices, as 10x Genomics writes them."""
    found = parts.Found(str(path))
    decided: dict[str, Any] = {}
    with opened(path) as file:
        _keep_group(found, file, "", decided, set(), 0)
    return found.result(**decided)


def _keep_group(found: parts.Found, group: Any, name: str, decided: dict[str, Any], seen: set[Any], depth: int) -> None:
    """Keep what is below a group. ``decided`` gets what a matrix of 10x Genomics says about its samples."""
    import h5py

    place = h5py.h5o.get_info(group.id).addr
    if place in seen or depth > DEEPEST:
        found.refuse(name, "it contains itself, or is nested too deeply")
        return
    seen.add(place)
    keys = names(group)
    if {*SPARSE} <= {*keys} and ("shape" in keys or _declared_shape(group) is not None):
        found.add(name, lambda: sparse(group, found))
        if "barcodes" in keys and name in found.arrays:
            decided |= {"samples": "columns", "feature_names": _feature_names(found, group, found.arrays[name])}
        return
    for key in keys:
        path = f"{name}/{key}" if name else key
        try:
            item = member(group, key)
        except DataError as error:
            found.refuse(path, str(error))
            continue
        if isinstance(item, h5py.Group):
            _keep_group(found, item, path, decided, seen, depth + 1)
        elif isinstance(item, h5py.Dataset):
            found.add(path, partial(values, item, found))


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The HDF5 file, open for reading. Raises ConfigError without h5py."""
    try:
        import h5py
    except ImportError:
        raise ConfigError(f"{path}: {path.suffix or 'HDF5'} needs h5py: pip install 'nmfbench[formats]'") from None
    try:
        # Without locking, a file in a folder that cannot be written to opens too.
        file = h5py.File(path, "r", locking=False)
    except OSError as error:
        raise DataError(f"{path} cannot be read as HDF5: {parts.reason(error)}; get or write the file again") from error
    with file:
        yield file


def names(group: Any) -> list[str]:
    """The names of a group's members."""
    try:
        return list(group)
    except Exception as error:
        raise DataError(f"the names in group {group.name} cannot be read: {parts.reason(error)}") from error


def member(group: Any, name: str) -> Any:
    """A member of a group. Raises DataError if it is missing or a link."""
    import h5py

    try:
        # A name with "/" would be a path, which may lead through a link.
        link = None if "/" in name else group.get(name, getlink=True)
        if isinstance(link, h5py.SoftLink | h5py.ExternalLink):
            raise DataError(f"it is a link to {parts.printable(link.path)}; links are not followed, copy the data")
        item = None if link is None else group[name]
    except DataError:
        raise
    except Exception as error:
        raise DataError(parts.reason(error)) from error
    if item is None:
        raise DataError(f"there is no {name}")
    return item


def contents(dataset: Any) -> Any:
    """Read an HDF5 dataset by h5py. Raises DataError if that would read another file."""
    if dataset.external or dataset.is_virtual:
        raise DataError("its data lies in other files, which are not read; copy the data into this one")
    return dataset[()]


def values(dataset: Any, found: parts.Found) -> np.ndarray:
    """The numbers or texts of a dataset, which may be too large together with what was found before."""
    import h5py

    if not isinstance(dataset, h5py.Dataset):
        raise DataError("it is a group, where an array is expected")
    if dataset.shape is None:
        raise DataError("it is empty")
    text = h5py.check_string_dtype(dataset.dtype)
    found.check_size(dataset.size * (dataset.dtype.itemsize + (STRING if text else 0)))
    if text:
        read = contents(dataset)
        strings = [
            value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
            for value in np.asarray(read).ravel().tolist()
        ]
        return parts.texts(strings).reshape(dataset.shape)
    if dataset.dtype.names == ("real", "imag"):  # MATLAB's complex numbers
        pairs = contents(dataset)
        return parts.plain(pairs["real"] + 1j * pairs["imag"])
    if dataset.dtype.names:
        raise DataError("it is a table of records; save each column as an array")
    if dataset.dtype.kind not in "biufcSU":
        raise DataError(f"it holds neither numbers nor texts, but {dataset.dtype}")
    return parts.plain(np.asarray(contents(dataset)))


def sparse(group: Any, found: parts.Found) -> Any:
    """The csr_array or csc_array that a group holds as data, indices, indptr and shape."""
    shape = _declared_shape(group)
    shape = values(member(group, "shape"), found) if shape is None else np.asarray(shape)
    data, indices, indptr = (values(member(group, part), found) for part in SPARSE)
    return parts.compressed(_orientation(group, parts.shape_of(shape), indptr.size), data, indices, indptr, shape)


def _declared_shape(group: Any) -> Any:
    return next((group.attrs[key] for key in ("shape", "h5sparse_shape") if key in group.attrs), None)


def _orientation(group: Any, shape: tuple[int, int], pointers: int) -> str:
    """Whether rows or columns are compressed: as an attribute says, or as the number of pointers does."""
    declared = (attribute(group, "encoding-type") or attribute(group, "h5sparse_format"))[:3]
    if declared in ("csr", "csc"):
        return declared
    fits = [kind for kind, size in zip(("csr", "csc"), shape, strict=True) if pointers == size + 1]
    if len(fits) == 2 and "barcodes" in group:
        return "csc"
    if len(fits) != 1:
        raise DataError(f"{pointers} pointers do not say whether rows or columns of {shape} are compressed")
    return fits[0]


def attribute(item: Any, key: str) -> str:
    """An attribute as text, "" if it is not there."""
    value = item.attrs.get(key, "")
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _feature_names(found: parts.Found, group: Any, matrix: Any) -> tuple[str, ...] | None:
    """The names of genes beside a matrix of 10x Genomics, version 3 or 2."""
    try:
        listed = values(
            member(member(group, "features"), "name") if "features" in group else member(group, "gene_names"), found
        )
    except DataError as error:
        found.sentences.append(f"the names of the features cannot be read: {error}")
        return None
    if listed.shape != (matrix.shape[0],):
        raise DataError(
            f"{found.what} is damaged: {matrix.shape[0]} features but {listed.size} names of features; get it again"
        )
    return tuple(listed.tolist())

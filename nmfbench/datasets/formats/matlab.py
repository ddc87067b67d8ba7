"""MATLAB's .mat: versions 4 to 7 through scipy, version 7.3 through h5py. Runs in the process apart."""

from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
import scipy.sparse
from scipy.io.matlab import MatlabFunction, MatlabObject, MatlabOpaque

from nmfbench.datasets.formats import hdf, held, parts
from nmfbench.errors import DataError

DEEPEST = 16
HDF5 = b"\x89HDF\r\n\x1a\n"
NUMBERS = {"double", "single", "logical", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))}
# Reading variables one by one passes over the file once for each.
MOST_RETRIED = 200


def read(path: Path) -> held.Arrays:
    """The arrays of a .mat; structs and cells have dotted names: data.X, views.1."""
    with path.open("rb") as file:
        head = file.read(520)
    if HDF5 in (head[:8], head[512:]):
        return _version_73(path)
    _check_elements(path, head)
    found = parts.Found(str(path))
    for name, value in _variables(path, found).items():
        if not name.startswith("__"):
            _keep(found, name, value, 0)
    return found.result()


def _check_elements(path: Path, head: bytes) -> None:
    """Raise DataError if the lengths of a file of version 5 to 7 lead beyond its end: scipy leaves out the rest."""
    order = {b"IM": "little", b"MI": "big"}.get(head[126:128])
    if order is None:  # version 4
        return
    place, size = 128, path.stat().st_size
    with path.open("rb") as file:
        while place < size:
            file.seek(place)
            tag = file.read(8)
            place += 8 + int.from_bytes(tag[4:], "little" if order == "little" else "big")
            if place > size:
                raise DataError(
                    f"{path} cannot be read as .mat: a variable ends beyond the file; get or write the file again"
                )


def _variables(path: Path, found: parts.Found) -> dict[str, Any]:
    """The variables as scipy reads them; those that it cannot read are refused."""
    try:
        return scipy.io.loadmat(path)
    except Exception as error:  # the parser of a damaged file may raise anything
        whole = error
    variables: dict[str, Any] = {}
    try:
        names = [name for name, _, _ in scipy.io.whosmat(path)][:MOST_RETRIED]
    except Exception:
        names = []
    for name in names:
        try:
            variables |= {key: value for key, value in scipy.io.loadmat(path, variable_names=[name]).items()}
        except Exception as error:
            found.refuse(name, parts.reason(error))
    if not any(not name.startswith("__") for name in variables):
        raise DataError(f"{found.what} cannot be read as .mat: {parts.reason(whole)}; get or write the file again")
    return variables


def _keep(found: parts.Found, name: str, value: Any, depth: int) -> None:
    """Keep a variable of version 4 to 7 and what it contains."""
    if depth > DEEPEST:
        found.refuse(name, "it is nested too deeply")
    elif isinstance(value, str):
        found.refuse(name, f"it is damaged ({parts.printable(value)})")  # scipy's "Read error: …"
    elif scipy.sparse.issparse(value):
        found.add(name, lambda: _sparse(value))
    elif isinstance(value, MatlabFunction | MatlabObject | MatlabOpaque):
        found.refuse(name, _foreign("an object or a function"))
    elif value.dtype.names is not None:
        _keep_struct(found, name, value, depth)
    elif value.dtype == object:
        items = value.ravel(order="F").tolist()
        if items and all(isinstance(item, np.ndarray) and item.dtype.kind == "U" and item.size < 2 for item in items):
            found.add(name, lambda: parts.texts("".join(item.ravel().tolist()) for item in items))
        elif not items:
            found.refuse(name, "it is an empty cell array")
        for number, item in enumerate(items if name not in found.arrays else (), start=1):
            _keep(found, f"{name}.{number}", item, depth + 1)
    elif value.dtype.kind == "U":
        found.add(name, lambda: parts.texts(value.ravel().tolist()))
    else:
        found.add(name, lambda: parts.plain(value))


def _keep_struct(found: parts.Found, name: str, value: Any, depth: int) -> None:
    items = value.ravel(order="F")
    if not items.size or not value.dtype.names:
        found.refuse(name, "it is an empty struct")
    for number, item in enumerate(items, start=1):
        own = name if items.size == 1 else f"{name}.{number}"
        for key in value.dtype.names:
            _keep(found, f"{own}.{key}", item[key], depth + 1)


def _sparse(value: Any) -> Any:
    # scipy does not look at the indices of a file.
    if value.format == "coo":  # version 4
        return parts.coordinates(value.data, value.row, value.col, np.array(value.shape))
    return parts.compressed("csc", value.data, value.indices, value.indptr, np.array(value.shape))


def _foreign(kind: str) -> str:
    return f"it is {kind} of MATLAB; save plain arrays, as double(x), cellstr(x) or table2array(x) give them"


def _version_73(path: Path) -> held.Arrays:
    found = parts.Found(str(path))
    with hdf.opened(path) as file:
        for name in hdf.names(file):
            if not name.startswith("#"):  # where MATLAB keeps the contents of cells, and objects
                _keep_member(found, file, name, file, name, 0)
    return found.result()


def _keep_member(found: parts.Found, file: Any, name: str, group: Any, key: str, depth: int) -> None:
    try:
        _keep_item(found, file, name, hdf.member(group, key), depth)
    except DataError as error:
        found.refuse(name, str(error))


def _keep_item(found: parts.Found, file: Any, name: str, item: Any, depth: int) -> None:
    """Keep a variable of version 7.3 and what it contains."""
    import h5py

    kind = _class(item)
    if depth > DEEPEST:
        found.refuse(name, "it is nested too deeply")
    elif "MATLAB_sparse" in item.attrs:
        found.add(name, lambda: _sparse_73(item, found))
    elif isinstance(item, h5py.Group):
        if kind not in ("", "struct"):
            found.refuse(name, _foreign(f"of class {kind}"))
            return
        keys = hdf.names(item)
        if not keys:
            found.refuse(name, "it is an empty struct")
        for key in keys:
            _keep_member(found, file, f"{name}.{key}", item, key, depth + 1)
    elif "MATLAB_empty" in item.attrs and kind in ("cell", "struct"):
        found.refuse(name, f"it is an empty {kind}")
    elif item.dtype == object and h5py.check_ref_dtype(item.dtype) is h5py.Reference:
        _keep_references(found, file, name, item, depth)
    elif kind == "char":
        found.add(name, lambda: parts.texts(_lines(item, found)))
    elif kind not in ("", *NUMBERS) or "MATLAB_object_decode" in item.attrs:
        found.refuse(name, _foreign(f"an object of class {kind}"))
    elif "MATLAB_empty" in item.attrs:
        found.add(name, lambda: _empty(item, found))
    else:
        found.add(name, lambda: hdf.values(item, found).T)


def _class(item: Any) -> str:
    value = item.attrs.get("MATLAB_class", b"")
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _keep_references(found: parts.Found, file: Any, name: str, item: Any, depth: int) -> None:
    """Keep the items of a cell array, or of one field of an array of structs."""
    found.check_size(64 * item.size)
    items = [_target(file, reference) for reference in hdf.contents(item).T.ravel(order="F").tolist()]
    if items and all(target is not None and _class(target) == "char" for target in items):
        lines = [_lines(target, found) for target in items]
        if all(len(line) < 2 for line in lines):
            found.add(name, lambda: parts.texts("".join(line) for line in lines))
            return
    for number, target in enumerate(items, start=1):
        if target is None:
            found.refuse(f"{name}.{number}", "it is damaged (a reference to nothing)")
        else:
            _keep_item(found, file, f"{name}.{number}", target, depth + 1)


def _target(file: Any, reference: Any) -> Any:
    try:
        return file[reference]
    except (ValueError, KeyError, RuntimeError, OSError):
        return None


def _lines(item: Any, found: parts.Found) -> list[str]:
    """The rows of a char array."""
    if "MATLAB_empty" in item.attrs:
        return []
    codes = np.atleast_2d(hdf.values(item, found).T)
    if codes.dtype.kind not in "iu" or codes.ndim != 2 or (codes.size and not 0 <= codes.min() <= codes.max() < 65536):
        raise DataError("it is damaged: these are no characters")
    return ["".join(map(chr, row)) for row in codes.tolist()]


def _empty(item: Any, found: parts.Found) -> np.ndarray:
    """An array without elements; the dataset holds its sizes."""
    sizes = hdf.values(item, found).ravel().tolist()
    if item.size > 32 or 0 not in sizes or min(sizes) < 0:
        raise DataError(f"it is damaged: an empty array of sizes {sizes[:32]}")
    return np.zeros([int(size) for size in sizes])


def _sparse_73(item: Any, found: parts.Found) -> Any:
    rows = np.asarray(item.attrs["MATLAB_sparse"])
    if rows.size != 1 or rows.dtype.kind not in "iu":
        raise DataError("it is damaged: its number of rows cannot be read")
    indptr = hdf.values(hdf.member(item, "jc"), found).ravel()
    # MATLAB leaves out both where there are no values.
    data = hdf.values(hdf.member(item, "data"), found).ravel() if "data" in item else np.zeros(0)
    indices = hdf.values(hdf.member(item, "ir"), found).ravel() if "ir" in item else np.zeros(0, np.int64)
    return parts.compressed("csc", data, indices, indptr, np.array([int(rows.ravel()[0]), indptr.size - 1]))

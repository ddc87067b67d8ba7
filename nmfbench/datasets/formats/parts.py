"""Sparse matrices, texts and named arrays made of what a file holds, checked before anything relies on it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse

from nmfbench.datasets.formats import held, limits
from nmfbench.errors import DataError

MOST_NAMES = 10_000


@dataclass
class Found:
    """The arrays that a reader has found so far, and why others cannot be read."""

    what: str
    arrays: dict[str, Any] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    sentences: list[str] = field(default_factory=list)
    most: int = MOST_NAMES
    size: int = 0

    def add(self, name: str, read: Callable[[], Any]) -> None:
        """Keep what ``read`` gives under this name, or the reason why it fails."""
        name = printable(name)
        if len(self.arrays) + len(self.unreadable) >= self.most:
            raise DataError(f"{self.what} holds more than {self.most:,} arrays; write fewer and larger ones")
        if name in self.arrays or name in self.unreadable:
            self.arrays.pop(name, None)
            self.unreadable[name] = "the file holds two arrays of this name"
            return
        try:
            value = read()
        except Exception as error:  # the parser of a damaged file may raise anything
            self.unreadable[name] = reason(error)
        else:
            self.arrays[name] = value
            self.size += _size(value)

    def refuse(self, name: str, why: str) -> None:
        """Keep the reason why the array of this name cannot be read."""

        def refused() -> None:
            raise DataError(why)

        self.add(name, refused)

    def check_size(self, size: int) -> None:
        """Raise DataError if so many bytes more are too much: many arrays may be too large together."""
        limits.check_size(self.size + size, "the file, up to this array,")

    def result(self, **decided: Any) -> held.Arrays:
        """The arrays. Raises DataError if none can be read."""
        if not self.arrays:
            reasons = "; ".join(f"{name or 'its array'}: {why}" for name, why in list(self.unreadable.items())[:5])
            reasons = f"no array of {self.what} can be read: {reasons}" if reasons else f"{self.what} holds no array"
            raise DataError(f"{reasons}; get or write the file again")
        decided = {"sentences": tuple(self.sentences), **decided}
        return held.Arrays(arrays=self.arrays, unreadable=self.unreadable, **decided)


def _size(value: Any) -> int:
    if scipy.sparse.issparse(value):
        return value.data.nbytes + value.indices.nbytes + value.indptr.nbytes
    return value.nbytes


def reason(error: BaseException) -> str:
    """An error of a parser in words."""
    if isinstance(error, MemoryError):
        return "it asks for more memory than there is"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, DataError):
        return str(error)
    return f"it is damaged ({printable(' '.join(str(error).split())[:300]) or type(error).__name__})"


def printable(text: str) -> str:
    """The text without characters that cannot be written as UTF-8."""
    return text.encode("utf-8", "replace").decode()


def texts(values: Iterable[str]) -> np.ndarray:
    """(n,) strings without blanks at their ends. Raises DataError if one long string makes them too large."""
    stripped = [printable(value).strip(" \t\r\n\0") for value in values]
    limits.check_size(4 * len(stripped) * max(map(len, stripped), default=0), "an array of texts")
    return np.array(stripped, dtype=str)


def plain(array: np.ndarray) -> np.ndarray:
    """Numbers in this machine's byte order, or texts. Raises DataError for other dtypes and for broken texts."""
    if array.dtype.kind == "S":
        limits.check_size(4 * array.size * array.dtype.itemsize, "an array of texts")
        return texts(value.decode("utf-8", "replace") for value in array.ravel().tolist()).reshape(array.shape)
    if array.dtype.kind not in "biufcU":
        raise DataError(f"dtype {array.dtype} holds neither numbers nor texts")
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype.kind == "U":
        codes = np.ascontiguousarray(array).reshape(-1).view(np.uint32)
        if ((codes > 0x10FFFF) | ((codes >= 0xD800) & (codes < 0xE000))).any():
            raise DataError("it is damaged: it holds characters that do not exist")
    return array


def shape_of(shape: Any) -> tuple[int, int]:
    """Rows and columns. Raises DataError unless they are two sizes that a compressed matrix can have."""
    sizes = np.asarray(shape)
    if sizes.shape != (2,) or sizes.dtype.kind not in "iu" or int(sizes.min()) < 0:
        raise DataError(f"the shape of a sparse matrix must be two sizes, got {printable(str(sizes)[:100])}")
    rows, columns = map(int, sizes)
    # Either direction may be compressed later, which takes a pointer for each of its rows or columns.
    limits.check_size(8 * (rows + columns), f"a sparse matrix of {rows} × {columns}")
    return rows, columns


def compressed(kind: str, data: Any, indices: Any, indptr: Any, shape: Any) -> Any:
    """The csr_array or csc_array of these parts. Raises DataError if they do not fit."""
    sizes = shape_of(shape)
    data, indices, indptr = _values(data), _integers(indices, "indices"), _integers(indptr, "indptr")
    major = {"csr": 0, "csc": 1}[kind]
    if indptr.size != sizes[major] + 1:
        raise DataError(f"indptr has {indptr.size} numbers, but {('rows', 'columns')[major]} need {sizes[major] + 1}")
    if indptr[0] != 0 or indptr[-1] > indices.size or (np.diff(indptr) < 0).any():
        raise DataError(f"indptr must rise from 0 to at most {indices.size}, the number of indices")
    if indices.size != data.size:
        raise DataError(f"data has {data.size} numbers, but indices has {indices.size}")
    _check_range(indices, sizes[1 - major], "indices")
    try:
        array = {"csr": scipy.sparse.csr_array, "csc": scipy.sparse.csc_array}[kind]
        matrix = array((data, indices, indptr), shape=sizes)
        matrix.check_format(full_check=True)
    except (ValueError, TypeError) as error:
        raise DataError(f"the parts of the sparse matrix do not fit: {error}") from error
    return matrix


def coordinates(data: Any, rows: Any, columns: Any, shape: Any) -> Any:
    """The csc_array with these values at these places; values at the same place are added."""
    sizes = shape_of(shape)
    data, rows, columns = _values(data), _integers(rows, "rows"), _integers(columns, "columns")
    if not data.size == rows.size == columns.size:
        raise DataError(f"there are {data.size} values, {rows.size} row and {columns.size} column numbers")
    _check_range(rows, sizes[0], "row numbers")
    _check_range(columns, sizes[1], "column numbers")
    return scipy.sparse.coo_array((data, (rows, columns)), shape=sizes).tocsc()


def diagonals(data: Any, offsets: Any, shape: Any) -> Any:
    """The csc_array with these diagonals: data[k, j] stands at row j − offsets[k], column j."""
    sizes = shape_of(shape)
    data, offsets = np.atleast_2d(data), _integers(offsets, "offsets")
    if data.ndim != 2 or len(data) != offsets.size or np.unique(offsets).size != offsets.size:
        raise DataError(f"{offsets.size} offsets do not fit diagonals of shape {data.shape}")
    if offsets.size and (offsets.min() < -sizes[0] or offsets.max() > sizes[1]):
        raise DataError(f"a diagonal lies outside of {sizes[0]} × {sizes[1]}")
    limits.check_size(data.size * 24, "a matrix of diagonals")
    columns = np.broadcast_to(np.arange(data.shape[1]), data.shape)
    rows = columns - offsets[:, None]
    inside = (rows >= 0) & (rows < sizes[0]) & (columns < sizes[1]) & (data != 0)
    return coordinates(data[inside], rows[inside], columns[inside], sizes)


def blocks(data: Any, indices: Any, indptr: Any, shape: Any) -> Any:
    """The csc_array with these blocks (k, height, width), in rows of blocks."""
    sizes, data = shape_of(shape), np.asarray(data)
    if data.ndim != 3 or 0 in data.shape[1:] or sizes[0] % data.shape[1] or sizes[1] % data.shape[2]:
        raise DataError(f"blocks of shape {data.shape} do not fill {sizes[0]} × {sizes[1]}")
    limits.check_size(data.size * 24, "a matrix of blocks")
    _, height, width = data.shape
    grid = compressed("csr", np.ones(len(data), bool), indices, indptr, (sizes[0] // height, sizes[1] // width))
    if grid.data.size != len(data):
        raise DataError(f"indptr places {grid.data.size} blocks of {len(data)}")
    top = height * np.repeat(np.arange(sizes[0] // height), np.diff(grid.indptr))
    rows = top[:, None, None] + np.arange(height)[:, None]
    columns = (width * grid.indices.astype(np.int64))[:, None, None] + np.arange(width)
    rows, columns = (np.broadcast_to(part, data.shape).ravel() for part in (rows, columns))
    return coordinates(data.ravel(), rows, columns, sizes)


def _values(data: Any) -> np.ndarray:
    data = plain(np.asarray(data))
    if data.ndim != 1 or data.dtype.kind not in "biufc":
        raise DataError(f"the values of a sparse matrix must be a vector of numbers, got {data.dtype} {data.shape}")
    if data.dtype.kind in "iu":
        # Small integers would wrap around where values at the same place are added.
        return data.astype(np.int64) if data.dtype.itemsize < 8 else data
    return data.astype(np.float32) if data.dtype == np.float16 else data  # scipy has no sparse float16


def _integers(values: Any, what: str) -> np.ndarray:
    values = plain(np.asarray(values))
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise DataError(f"{what} must be a vector of integers, got {values.dtype} {values.shape}")
    if values.dtype == np.uint64 and values.size and values.max() >= 2**63:
        raise DataError(f"{what} holds {values.max()}, which is too large")
    return values if values.dtype in (np.int32, np.int64) else values.astype(np.int64)


def _check_range(values: np.ndarray, end: int, what: str) -> None:
    if values.size and not (values.min() >= 0 and values.max() < end):
        raise DataError(f"{what} must lie in 0 … {end - 1}, but they reach from {values.min()} to {values.max()}")

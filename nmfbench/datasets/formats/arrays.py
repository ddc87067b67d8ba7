"""numpy's .npz and .npy, and sparse matrices in .npz as scipy writes them. No pickle is loaded."""

import math
import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np

from nmfbench.datasets.formats import held, limits, parts
from nmfbench.errors import DataError

LONGEST_HEADER = 65_536
PIECE = 1 << 24
# scipy.sparse.save_npz writes these; `_is_array` only in newer versions.
SPARSE = {
    "csr": {"indices", "indptr"},
    "csc": {"indices", "indptr"},
    "bsr": {"indices", "indptr"},
    "coo": {"row", "col"},
    "dia": {"offsets"},
}
REASONS = {
    "O": "it holds objects, which are pickles and run code when loaded; save plain numbers",
    "V": "it holds raw bytes of a type that numpy does not know; save it as float32",
    "M": "it holds dates; save them as numbers",
    "m": "it holds time spans; save them as numbers",
    "[": "it is an array of records; save each field by itself",
}


def read_npz(path: Path) -> held.Arrays:
    """The arrays of an .npz. Raises DataError if none can be read."""
    with _opened(path) as file:
        return from_zip(file, str(path))


def read_npy(path: Path) -> held.Arrays:
    """The array of an .npy, under ""; a large one is mapped, not read. Raises DataError if it cannot be read."""
    with _opened(path) as file:
        try:
            return held.Arrays(arrays={"": _array(file, os.fstat(file.fileno()).st_size, maps=True)})
        except Exception as error:  # what a damaged file asks of numpy may raise anything
            raise DataError(f"{path} cannot be read as .npy: {parts.reason(error)}") from error


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise DataError(f"{path} cannot be opened: {error.strerror}") from error
    with file:
        yield file


def from_zip(file: IO[bytes], what: str, most: int = parts.MOST_NAMES) -> held.Arrays:
    """The arrays of an .npz that is open, at most so many. Raises DataError if none can be read."""
    found = parts.Found(what, most=most)
    try:
        archive = zipfile.ZipFile(file)
        _check_number(archive, file)
    except Exception as error:  # zipfile raises many kinds of errors for damaged files
        raise DataError(
            f"{what} cannot be read as .npz: {parts.printable(str(error)) or type(error).__name__}; "
            "get or write the file again"
        ) from error
    for member in archive.infolist():
        found.add(member.filename.removesuffix(".npy"), partial(_member, archive, member, found))
    return _with_sparse(found)


def _check_number(archive: zipfile.ZipFile, file: IO[bytes]) -> None:
    """Raise DataError if members are missing: one wrong length hides the next ones, and zipfile does not look."""
    file.seek(-min(file.seek(0, os.SEEK_END), LONGEST_HEADER), os.SEEK_END)
    end = file.read()
    end = end[end.rfind(b"PK\5\6") :]
    declared = int.from_bytes(end[10:12], "little")
    if declared not in (len(archive.infolist()), 0xFFFF):  # the latter stands for more than fit here
        raise DataError(f"it declares {declared} arrays, {len(archive.infolist())} of them can be found")


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, found: parts.Found) -> np.ndarray:
    if not member.filename.endswith(".npy"):
        raise DataError("it is not an array (.npy)")
    if member.flag_bits & 1:
        raise DataError("it is encrypted")
    found.check_size(member.file_size)
    with archive.open(member) as file:
        array = _array(file, member.file_size)
        file.read(1)  # The checksum is compared at the end of the member.
    return array


def _array(file: IO[bytes], length: int, maps: bool = False) -> np.ndarray:
    """The array in the next ``length`` bytes. Its declared size is compared with them before memory is taken.

    ``maps``: whether a large array of numbers may stay in the file.
    """
    dtype, fortran, shape, start = _header(file)
    size = math.prod(shape) * dtype.itemsize
    if size != length - start:
        raise DataError(f"it is damaged: it declares {size:,} bytes of data, but there are {length - start:,}")
    if maps and size > limits.largest() // 4 and dtype.kind in "biuf" and dtype.isnative:
        return np.memmap(file, dtype, "r", start, shape, "F" if fortran else "C")
    limits.check_size(size, "it")
    array = np.empty(math.prod(shape), dtype)
    rest = array.view(np.uint8).data
    while rest:
        # A zip's member copies what it reads, so read in pieces.
        count = file.readinto(rest[:PIECE])  # type: ignore[attr-defined]
        if not count:
            raise DataError("it is damaged: it ends too early")
        rest = rest[count:]
    array = array.reshape(shape[::-1]).T if fortran else array.reshape(shape)
    return parts.plain(array)


def _header(file: IO[bytes]) -> tuple[np.dtype[Any], bool, tuple[int, ...], int]:
    """dtype, whether columns come first, shape and length of the header of an .npy.

    numpy parses it as Python, which nested brackets can exhaust; the three entries are all that is needed.
    """
    magic = file.read(8)
    if magic[:6] != b"\x93NUMPY" or magic[6:7] not in (b"\1", b"\2", b"\3"):
        raise DataError("it does not start as an .npy does")
    width = 2 if magic[6] == 1 else 4
    length = int.from_bytes(file.read(width), "little")
    if length > LONGEST_HEADER:
        raise DataError(f"it is damaged: its header declares {length:,} bytes")
    header = file.read(length)
    text = header.decode("utf-8" if magic[6] == 3 else "latin-1")
    order = re.findall(r"['\"]fortran_order['\"]\s*:\s*(True|False)\s*[,}]", text)
    shape = re.findall(r"['\"]shape['\"]\s*:\s*\(([0-9, L]*)\)", text)
    described = re.findall(r"['\"]descr['\"]\s*:\s*(?:['\"]([<>=|]?)([a-zA-Z])([^'\"]*)['\"]|(\[))", text)
    if len(header) != length or not len(order) == len(shape) == len(described) == 1:
        raise DataError("it is damaged: its header cannot be read")
    byte_order, kind, itemsize, records = described[0]
    if records or kind not in "biufcSU":
        raise DataError(REASONS.get(records or kind, f"it holds values of numpy's kind {kind!r}; save plain numbers"))
    if not re.fullmatch(r"[1-9][0-9]{0,9}", itemsize):
        raise DataError("it is damaged: its header cannot be read")
    sizes = [size.strip(" L") for size in shape[0].split(",") if size.strip()]
    if not all(re.fullmatch(r"[0-9]{1,19}", size) for size in sizes):
        raise DataError("it is damaged: its header cannot be read")
    dtype = np.dtype(byte_order + kind + itemsize)
    return dtype, order[0] == "True", tuple(map(int, sizes)), 8 + width + length


def _with_sparse(found: parts.Found) -> held.Arrays:
    """The arrays, with the members of a sparse matrix joined to one."""
    names = {*found.arrays, *found.unreadable}
    kind = found.arrays.get("format")
    kind = None if kind is None or kind.ndim or kind.dtype.kind != "U" else str(kind)
    members = {"format", "shape", "data", *SPARSE.get(kind or "", ())}
    if kind not in SPARSE or not members <= names:
        return found.result()
    try:
        for name in members & {*found.unreadable}:
            raise DataError(f"{name}: {found.unreadable[name]}")
        matrix = _sparse(kind, found.arrays)
    except Exception as error:
        raise DataError(
            f"{found.what}: the sparse matrix cannot be read: {parts.reason(error)}; get or write the file again"
        ) from error
    others = names - members - {"_is_array"}
    for name in members | {"_is_array"}:
        found.arrays.pop(name, None)
        found.unreadable.pop(name, None)
    found.arrays["X" if others and "X" not in others else ""] = matrix
    return found.result()


def _sparse(kind: str, arrays: dict[str, Any]) -> Any:
    shape, data = arrays["shape"], arrays["data"]
    if kind == "coo":
        return parts.coordinates(data, arrays["row"], arrays["col"], shape)
    if kind == "dia":
        return parts.diagonals(data, arrays["offsets"], shape)
    if kind == "bsr":
        return parts.blocks(data, arrays["indices"], arrays["indptr"], shape)
    return parts.compressed(kind, data, arrays["indices"], arrays["indptr"], shape)

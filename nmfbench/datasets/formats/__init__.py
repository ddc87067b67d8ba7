"""Readers of files, one kind a module: a path in, `held.Arrays` or `held.Table` out.

`decoding`, `text`, `numerals`, `header` and `tables` read text, `typed` tables whose columns have types. `arrays` and,
in a process of its own, `child` read arrays and sparse matrices. `choosing` decides what is X and what are the labels.
"""

from pathlib import Path

from nmfbench.datasets.formats import apart, arrays, decoding, sparse, tables, typed
from nmfbench.datasets.formats.held import Arrays, Table
from nmfbench.datasets.formats.text import Asked
from nmfbench.errors import ConfigError

TEXT = (".csv", ".tsv", ".tab", ".txt", ".data", ".dat")
TABLES = (*TEXT, ".xlsx", ".parquet")
SVMLIGHT = (".svmlight", ".libsvm", ".svm")
_ARRAYS = {
    ".npz": arrays.read_npz,
    ".npy": arrays.read_npy,
    ".mat": lambda path: apart.read("mat", path),
    ".h5": lambda path: apart.read("h5", path),
    ".hdf5": lambda path: apart.read("h5", path),
    ".h5ad": lambda path: apart.read("h5ad", path),
    ".mtx": sparse.read_mtx,
    **dict.fromkeys(SVMLIGHT, sparse.read_svmlight),
}
SUFFIXES = (*_ARRAYS, *TABLES)
_PACKED = (*TEXT, ".mtx", *SVMLIGHT)


def suffix_of(path: Path) -> str:
    """The ending that tells a file's kind, in small letters and without .gz. Raises ConfigError for an unknown one."""
    ending = path.suffix.lower()
    if ending == ".gz" and (inner := path.with_suffix("").suffix.lower()) in _PACKED:
        return inner
    if ending not in SUFFIXES:
        raise ConfigError(
            f"a file must end in {', '.join(SUFFIXES)} (.gz behind {', '.join(_PACKED)} is unpacked), got {path.name!r}"
        )
    return ending


def stem(path: Path) -> str:
    """The name of a file without the endings that tell its kind."""
    return path.with_suffix("").stem if path.suffix.lower() == ".gz" else path.stem


def is_10x(path: Path) -> bool:
    """Whether this is a folder of 10x Genomics: a matrix with the names of its rows and columns beside it."""
    return any((path / name).is_file() for name in ("matrix.mtx", "matrix.mtx.gz"))


def read(path: Path, asked: Asked, sheet: str | None = None) -> Arrays | Table:
    """Read a file, or a folder of 10x Genomics.

    ``asked`` and ``sheet`` (.xlsx) are for tables. Raises DataError for a damaged file, with what to do, and
    ConfigError for an unknown kind or without the extra that reads it.
    """
    if path.is_dir():
        return sparse.read_10x(path)
    ending = suffix_of(path)
    if ending in _ARRAYS:
        return _ARRAYS[ending](path)
    if ending == ".parquet":
        return typed.read_parquet(path, asked)
    if ending == ".xlsx":
        return typed.read_xlsx(path, asked, sheet)
    if sparse.looks_like_svmlight(decoding.beginning(path)):
        return sparse.read_svmlight(path)
    return tables.read_text(path, asked)

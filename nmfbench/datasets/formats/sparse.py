"""Sparse matrices in text: Matrix Market (.mtx), folders of 10x Genomics, and svmlight. Each may be gzipped.

The parsers are other people's C++ and Cython, so they run in the process apart: `parse_mtx` and `parse_svmlight`.
"""

import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from nmfbench.datasets.formats import apart, held, limits, parts
from nmfbench.errors import DataError

GZIP = b"\x1f\x8b"
# A gzipped file holds at most this many times its size.
BEST_COMPRESSION = 1032
# The shortest line of a matrix: a digit and its end.
SHORTEST_LINE = 2
LONGEST_COMMENTS = 10_000
NUMBER = rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:nan|inf|infinity)"
_SAMPLE = rb"(?:%b)%%b(?:\s+qid:[0-9]+)?(?:\s+[0-9]+:(?:%b))*\s*(?:#.*)?" % (NUMBER, NUMBER)
SVMLIGHT = re.compile(_SAMPLE % (rb"(?:,(?:%b))*" % NUMBER), re.IGNORECASE | re.DOTALL)
ONE_LABEL = re.compile(_SAMPLE % b"", re.IGNORECASE | re.DOTALL)
ENTRY = {
    "coordinate": re.compile(rb"(?:[0-9]+\s+[0-9]+(?:\s+(?:%b)){0,2})?" % NUMBER, re.IGNORECASE),
    "array": re.compile(rb"(?:(?:%b)(?:\s+(?:%b))?)?" % (NUMBER, NUMBER), re.IGNORECASE),
}
BANNER = re.compile(
    r"%%matrixmarket\s+matrix\s+(?P<form>coordinate|array)\s+(?P<field>real|double|integer|unsigned-integer|complex|pattern)"
    r"\s+(?P<symmetry>general|symmetric|skew-symmetric|hermitian)\s*"
)
AGAIN = "get or write the file again"


def read_mtx(path: Path) -> held.Arrays:
    """The matrix of a Matrix Market file, under "". Raises DataError if it is damaged."""
    try:
        return apart.read("mtx", path)
    except apart.ReaderEnded as error:
        # A slip in a number is enough to crash scipy's reader, so say where it is.
        with _opened(path) as file:
            form = _header(file, path)[0]
            bad = _bad_line(file, ENTRY[form], b"%")
        if bad is None:
            raise
        raise DataError(f"{path}: {bad}, is no entry of a matrix; {AGAIN}") from error


def read_svmlight(path: Path) -> held.Arrays:
    """The matrix of an svmlight file, under "", and its labels, "y". Raises DataError if it is damaged."""
    return apart.read("svmlight", path)


def read_10x(folder: Path) -> held.Arrays:
    """The counts in a folder of 10x Genomics, features × samples, under "". Raises DataError if its files disagree."""
    matrix = _beside(folder, "matrix.mtx")
    found = read_mtx(matrix)
    X = found.arrays[""]
    barcodes, features = _beside(folder, "barcodes.tsv"), _beside(folder, "features.tsv", "genes.tsv")
    samples, rows = _lines(barcodes), [line.split("\t") for line in _lines(features)]
    for path, count, size, what in (
        (features, len(rows), X.shape[0], "rows"),
        (barcodes, len(samples), X.shape[1], "columns"),
    ):
        if count != size:
            turned = "; the matrix seems to be transposed" if (len(samples), len(rows)) == X.shape else ""
            raise DataError(f"{path} has {count} lines, but {matrix} has {size} {what}{turned}; {AGAIN}")
    sentences = [*found.sentences, f"the names of the features come from {features.name}"]
    kinds = {row[2] for row in rows if len(row) > 2}
    if len(kinds) > 1:
        sentences.append(f"the features are of several kinds: {', '.join(sorted(kinds)[:5])}")
    names = tuple(parts.texts(row[1] if len(row) > 1 else row[0] for row in rows).tolist())
    return held.Arrays(arrays={"": X}, samples="columns", feature_names=names, sentences=tuple(sentences))


def looks_like_svmlight(head: bytes) -> bool:
    """Whether the first lines that are no comments have the form: label index:value index:value …"""
    # The last line may be cut.
    lines = head.splitlines() if len(head) < 2 or head.endswith(b"\n") else head.splitlines()[:-1] or [head]
    lines = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith(b"#")][:20]
    pairs = any(re.search(rb"\s[0-9]+:", line.split(b"#")[0]) for line in lines)
    return pairs and all(SVMLIGHT.fullmatch(line) for line in lines)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The file, unzipped if it is gzipped. Raises DataError if it is damaged."""
    try:
        with path.open("rb") as file:
            if file.read(2) == GZIP:
                with gzip.open(path) as unzipped:
                    yield unzipped  # type: ignore[misc]
            else:
                file.seek(0)
                yield file
    except (EOFError, zlib.error, OSError) as error:
        raise DataError(f"{path} cannot be read: {parts.printable(str(error))}; {AGAIN}") from error


def _beside(folder: Path, *names: str) -> Path:
    """The first of these files that is in the folder, gzipped or not."""
    places = [folder / f"{name}{end}" for name in names for end in ("", ".gz")]
    place = next((place for place in places if place.is_file()), None)
    if place is None:
        raise DataError(f"{folder} has no {' or '.join(names)}, nor that with .gz; get the folder again")
    return place


def _lines(path: Path) -> list[str]:
    with _opened(path) as file:
        # Text as Python strings takes some times its size.
        most = limits.largest() // 8
        text = file.read(most + 1)
    if len(text) > most:
        raise DataError(f"{path} holds more than {most / 2**30:.1f} GiB of names; refused")
    try:
        return text.decode("utf-8-sig").rstrip("\r\n").splitlines() if text.strip() else []
    except UnicodeDecodeError as error:
        line = text[: error.start].count(b"\n") + 1
        raise DataError(f"{path}, line {line}: this is not UTF-8; save it as UTF-8") from error


def parse_mtx(path: Path) -> held.Arrays:
    """The matrix of a Matrix Market file. Runs in the process apart."""
    import scipy.io
    import scipy.sparse

    with _opened(path) as file:
        form, field, shape, entries = _header(file, path)
        compressed = isinstance(file, gzip.GzipFile)
        most = path.stat().st_size * (BEST_COMPRESSION if compressed else 1) // SHORTEST_LINE + 1
        if entries > most:
            raise DataError(f"{path} is damaged: it declares {entries:,} entries, its size allows {most:,}; {AGAIN}")
        # Value, row and column; symmetric matrices hold each entry twice.
        limits.check_size(entries * (16 if form == "array" else 48), f"{path}")
        if form == "coordinate":
            parts.shape_of(np.array(shape))
        file.seek(0)
        try:
            matrix = scipy.io.mmread(file)
        except (EOFError, zlib.error, OSError):
            raise
        except Exception as error:
            raise DataError(f"{path} cannot be read as .mtx: {parts.reason(error)}; {AGAIN}") from error
        if file.read(PIECE).strip():
            raise DataError(f"{path} is damaged: it holds more than the entries that it declares; {AGAIN}")
    if matrix.shape != shape:
        raise DataError(f"{path} is damaged: it declares {shape} and holds {matrix.shape}; {AGAIN}")
    if not scipy.sparse.issparse(matrix):
        return held.Arrays(arrays={"": parts.plain(matrix)})
    X = parts.coordinates(matrix.data, matrix.row, matrix.col, np.array(shape))
    pattern = (f"{path.name} is a pattern: each entry is 1",) if field == "pattern" else ()
    return held.Arrays(arrays={"": X}, sentences=pattern)


PIECE = 1 << 16


def _header(file: IO[bytes], path: Path) -> tuple[str, str, tuple[int, int], int]:
    """Form, kind of numbers, shape and number of entries that the header of a Matrix Market file declares."""
    banner = BANNER.fullmatch(file.readline(PIECE).decode("latin-1").strip().lower())
    if banner is None:
        raise DataError(f"{path} does not start as a Matrix Market file does: %%MatrixMarket matrix …; {AGAIN}")
    for _ in range(LONGEST_COMMENTS):
        line = file.readline(PIECE).decode("latin-1").strip()
        if line and not line.startswith("%"):
            break
    sizes = line.split()
    form = banner["form"]
    if len(sizes) != (3 if form == "coordinate" else 2) or not all(re.fullmatch("[0-9]{1,18}", size) for size in sizes):
        raise DataError(f"{path} is damaged: its sizes cannot be read from {parts.printable(line[:80])!r}; {AGAIN}")
    rows, columns, *entries = map(int, sizes)
    if banner["symmetry"] != "general" and rows != columns:
        raise DataError(f"{path} is damaged: it says {banner['symmetry']}, but has {rows} × {columns}; {AGAIN}")
    if form == "array":
        # Of a symmetric matrix, only one triangle is there.
        entries = [rows * columns if banner["symmetry"] == "general" else rows * (rows - 1) // 2]
        limits.check_size(rows * columns * 16, f"{path}")
    return form, banner["field"], (rows, columns), entries[0]


def parse_svmlight(path: Path) -> held.Arrays:
    """The matrix and the labels of an svmlight file. Runs in the process apart."""
    from sklearn.datasets import load_svmlight_file

    with _opened(path) as file:
        try:
            X, y = load_svmlight_file(file)
        except (EOFError, zlib.error, OSError):
            raise
        except Exception as error:
            bad = _bad_line(file, ONE_LABEL, b"#")
            why = f"{bad}, is not one label and index:value …" if bad else parts.reason(error)
            raise DataError(f"{path} cannot be read as svmlight: {why}; {AGAIN}") from error
    if not X.shape[0]:
        raise DataError(f"{path} holds no samples; {AGAIN}")
    matrix = parts.compressed("csr", X.data, X.indices, X.indptr, np.array(X.shape))
    if np.isfinite(y).all() and (y == np.round(y)).all() and (np.abs(y) < 2**53).all():
        y = y.astype(np.int64)
    return held.Arrays(arrays={"": matrix, "y": y}, y="y")


def _bad_line(file: IO[bytes], form: re.Pattern[bytes], comment: bytes) -> str | None:
    """The first line that has not this form, and its number."""
    file.seek(0)
    for number, line in enumerate(file, start=1):
        kept = line.split(comment)[0].strip()
        if kept and not form.fullmatch(kept):
            return f"line {number}, {parts.printable(line[:60].decode('latin-1').strip())!r}"
    return None

"""From a file to text: gzip, byte order marks and encodings."""

import codecs
import gzip
import io
import re
import zlib
from pathlib import Path

from nmfbench.datasets.formats import limits
from nmfbench.errors import ConfigError, DataError

BEGINNING = 4096
"""Bytes by which a file of numbers is told from a table."""
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f]")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def content(path: Path) -> bytes:
    """The bytes of a file, unpacked if its name ends in .gz. Raises DataError for a damaged or too large one."""
    limits.check_size(path.stat().st_size, str(path))
    if path.suffix.lower() != ".gz":
        return path.read_bytes()
    unpacked = _unpacked(path, limits.largest() + 1)
    limits.check_size(len(unpacked), f"{path}, unpacked,")
    return unpacked


def beginning(path: Path) -> bytes:
    """The first bytes of a file, unpacked if its name ends in .gz. Raises DataError for a damaged one."""
    if path.suffix.lower() == ".gz":
        return _unpacked(path, BEGINNING)
    with path.open("rb") as file:
        return file.read(BEGINNING)


def _unpacked(path: Path, most: int) -> bytes:
    try:
        with gzip.open(path) as file:
            return file.read(most)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be unpacked as .gz: {error}; get or write it again") from error


def decode(raw: bytes, where: str, encoding: str | None = None) -> tuple[str, str]:
    """The text, and the name of its encoding; ``encoding`` None: decided by the bytes.

    A byte order mark decides; else text with a NUL in every other byte is UTF-16, and bytes that are not UTF-8 are
    Windows's Latin-1, which changes letters of names but no number. Raises DataError for anything that is no text,
    ConfigError for an unknown encoding.
    """
    chosen = encoding or next((name for mark, name in _BOMS if raw.startswith(mark)), None) or _unmarked(raw)
    try:
        text = _decoded(raw, chosen)
    except UnicodeError as error:
        if encoding:
            raise DataError(f"{where} is not {encoding}: {error}") from error
        if chosen != "utf-8":
            raise DataError(f"{where} looks like {chosen} but is not: {error}; set dataset.encoding") from error
        chosen = "cp1252"
        try:
            text = raw.decode(chosen)
        except UnicodeError:
            chosen = "latin-1"
            text = raw.decode(chosen)
    if control := _CONTROL.search(text):
        line = text.count("\n", 0, control.start()) + 1
        raise DataError(
            f"{where} is no text: line {line} holds the byte {ord(control[0]):#04x}; if it is text in another "
            "encoding, set dataset.encoding"
        )
    return text, chosen.removesuffix("-sig")


def _decoded(raw: bytes, encoding: str) -> str:
    try:
        return raw.decode(encoding)
    except UnicodeError:
        raise
    except (LookupError, ValueError):
        raise ConfigError(f"encoding {encoding!r} is unknown; utf-8, utf-16, latin-1, cp1252, shift_jis, …") from None


def _unmarked(raw: bytes) -> str:
    nulls = [raw[i : 2**16 : 2].count(0) for i in (0, 1)]
    half = min(len(raw), 2**16) / 2
    for name, zeros in zip(("utf-16-be", "utf-16-le"), nulls, strict=True):
        if zeros > 0.7 * half:
            return name
    return "utf-8"


def strict_lines(path: Path, encoding: str | None = None) -> list[str]:
    """The lines of a text file of names, without blanks at their ends and empty lines at its end.

    Names must be right, so nothing but a byte order mark is guessed. Raises DataError with file and line.
    """
    raw = content(path)
    marked = encoding or next((name for mark, name in _BOMS if raw.startswith(mark)), "utf-8")
    try:
        text = _decoded(raw, marked)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}, line {line}, is not {marked}; if it is Latin-1: dataset.encoding=latin-1") from error
    return [line.strip() for line in io.StringIO(text.rstrip())]

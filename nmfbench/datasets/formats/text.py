"""From the bytes of a text table to its rows: encoding, comments, separator. Stated rules, no statistics.

The standard library's csv splits the lines, because it keeps every field as it stands. pandas takes a row that is
longer than its header for row names, fills a short one with NaN, and turns the label "NA" into a missing one.
"""

import codecs
import csv
import gzip
import io
import re
import string
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nmfbench.datasets.formats import limits
from nmfbench.errors import ConfigError, DataError

SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas", " ": "blanks"}
"""Separators that are recognised, and their names. A comma may be a decimal mark, so earlier ones go before it."""
CALLED = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "bar": "|", "pipe": "|", "blank": " ", "space": " "}
HEAD = 200
"""Rows by which separator, header and kinds of columns are decided; all other rows must agree."""
_COMMENT = ("#", "%")
_BLANK = string.whitespace + "".join(SEPARATORS)
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f]")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

MISSING = ("", "na", "n/a", "#n/a", "nan", "null", "none", "?", "-", ".")
"""Texts that mark a missing number, in any case."""

Row = tuple[int, list[str]]
"""The number of a line, counted from 1, and its fields without blanks at their ends."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a person says about a text table; None: decided by rule.

    Parameters
    ----------
    sep: the separator, a character or its name.
    decimal: "." or ",".
    header: whether the first row holds the names of the columns.
    encoding: the codec.
    missing: texts that mark a missing number, in place of `MISSING`.
    texts: names of columns that are read as words whatever they hold: labels, names.
    """

    sep: str | None = None
    decimal: str | None = None
    header: bool | None = None
    encoding: str | None = None
    missing: Collection[str] | None = None
    texts: Collection[str] = ()

    def __post_init__(self) -> None:
        if self.decimal not in (None, ".", ","):
            raise ConfigError(f"decimal must be '.' or ',', got {self.decimal!r}")


def content(path: Path) -> bytes:
    """The bytes of a file, unpacked if its name ends in .gz. Raises DataError for a damaged or too large one."""
    limits.check_size(path.stat().st_size, str(path))
    if path.suffix.lower() != ".gz":
        return path.read_bytes()
    try:
        with gzip.open(path) as file:
            unpacked = file.read(limits.largest() + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be unpacked as .gz: {error}; get or write it again") from error
    limits.check_size(len(unpacked), f"{path}, unpacked,")
    return unpacked


def decode(raw: bytes, where: str, encoding: str | None = None) -> tuple[str, str]:
    """The text, and the name of its encoding; ``encoding`` None: decided by the bytes.

    A byte order mark decides; else text with a NUL in every other byte is UTF-16, and bytes that are not UTF-8 are
    Windows's Latin-1, which changes letters of names but no number. Raises DataError for anything that is no text,
    ConfigError for an unknown encoding.
    """
    chosen = encoding or next((name for mark, name in _BOMS if raw.startswith(mark)), None) or _unmarked(raw)
    try:
        text = raw.decode(chosen)
    except LookupError:
        raise ConfigError(f"encoding {encoding!r} is unknown; utf-8, utf-16, latin-1, cp1252, shift_jis, …") from None
    except (UnicodeError, ValueError) as error:
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


def _unmarked(raw: bytes) -> str:
    nulls = [raw[i : 2**16 : 2].count(0) for i in (0, 1)]
    half = min(len(raw), 2**16) / 2
    for name, zeros in zip(("utf-16-be", "utf-16-le"), nulls, strict=True):
        if zeros > 0.7 * half:
            return name
    return "utf-8"


@dataclass(frozen=True)
class Split:
    """The lines of a text table, ready to be split.

    Parameters
    ----------
    lines: (number of the line counted from 1, line), without comments and empty lines.
    separator: the character between fields; blank: any number of blanks and tabs; None: one field a line.
    comments: number of comment lines that were skipped.
    heading: the last comment before the first line, without its mark: it may be a header. None: no comment.
    where: the file, for messages.
    n_empty: number of rows whose fields are all empty; they were skipped.
    """

    lines: list[tuple[int, str]]
    separator: str | None
    comments: int
    heading: tuple[int, str] | None
    where: str
    n_empty: int = 0

    def rows(self) -> Iterator[Row]:
        """Every row. Raises DataError for a quote that is never closed."""
        return split(self.lines, self.separator, self.where)

    def fields(self, line: tuple[int, str]) -> list[str]:
        """The fields of one line."""
        return next(split([line], self.separator, self.where))[1]


def split(lines: Iterable[tuple[int, str]], separator: str | None, where: str) -> Iterator[Row]:
    """Rows of lines. A quoted field may hold separators and line ends. Raises DataError for a misplaced quote."""
    last = 0

    def numbered() -> Iterator[str]:
        nonlocal last
        for number_of_line, line in lines:
            last = number_of_line
            yield " ".join(line.split()) if separator == " " else line

    if separator is None:
        yield from ((number, [_clean(line)]) for number, line in lines)
        return
    reader = csv.reader(numbered(), delimiter=separator, skipinitialspace=True, strict=True)
    try:
        for fields in reader:
            yield last, [_clean(field) for field in fields]
    except csv.Error as error:
        raise DataError(
            f"{where}, line {last}, cannot be split: {error}; look for a quote that is not closed"
        ) from None


def _clean(field: str) -> str:
    field = field.strip()
    return field[1:-1].strip() if len(field) > 1 and field[0] == field[-1] == "'" else field


def lines_of(text: str, where: str, sep: str | None = None, decimal: str | None = None) -> Split:
    """The lines of a text table, and the separator: ``sep``, or by rule.

    A first line ``sep=;``, as spreadsheets write it, is obeyed. Else that separator is taken by which the most fields
    of the first rows are numbers and the rows have equally many. Lines that begin with # or % are comments; one among
    the rows that has as many fields as they is refused, since it might be a sample. Raises DataError.
    """
    written = [(i, line) for i, line in enumerate(io.StringIO(text, newline=""), start=1) if line.strip()]
    numbered = [(i, line) for i, line in written if line.strip(_BLANK)]
    n_empty = len(written) - len(numbered)
    if not numbered:
        raise DataError(f"{where} is empty")
    if sep is None and (told := re.fullmatch(r"sep=(.)\s*", numbered[0][1])):
        sep, numbered = told[1], numbered[1:]
    top = next((i for i, (_, line) in enumerate(numbered) if not line.lstrip().startswith(_COMMENT)), len(numbered))
    heading = (numbered[top - 1][0], numbered[top - 1][1].lstrip().lstrip("#%")) if top else None
    lines = numbered[top:]
    if not lines:
        raise DataError(f"{where} holds comments alone")
    separator = CALLED.get(sep, sep) if sep else _separator(lines[:HEAD], where, decimal)
    if separator is not None and (len(separator) != 1 or separator in "\r\n\"'"):
        raise ConfigError(f"sep must be one character, or one of {', '.join(CALLED)}, got {sep!r}")
    kept = Split(lines, separator, top, heading, where, n_empty)
    if not any(line.lstrip().startswith(_COMMENT) for _, line in lines):
        return kept
    n_fields = len(kept.fields(lines[0]))
    uncommented = []
    for number, line in lines:
        if not line.lstrip().startswith(_COMMENT):
            uncommented.append((number, line))
        elif len(kept.fields((number, line))) == n_fields:
            raise DataError(f"{where}, line {number}, begins like a comment but has the fields of a row; correct it")
    return Split(uncommented, separator, top + len(lines) - len(uncommented), heading, where, n_empty)


_CURRENCY = "[$€£¥]"
_WRITTEN = re.compile(
    rf"[<>~]?[+-]?{_CURRENCY}?[+-]?(\d{{1,3}}([ .,'’\u00a0\u202f]\d{{3}})+|\d+)([.,]\d*)?"
    rf"(d[+-]?\d+|[+-]\d+(\.\d*)?[ij])?\s*([%‰]|{_CURRENCY})?",
    re.IGNORECASE,
)
"""A number with a currency, a percent sign, marks between thousands, another decimal mark, Fortran's exponent, or an
imaginary part."""


def is_written(text: str) -> bool:
    """Whether a field holds a number, though perhaps in a notation that is not read."""
    return _WRITTEN.fullmatch(text.replace("−", "-")) is not None


def number(text: str, decimal: str = ".") -> float | None:
    """The number that a field holds; None if it holds none."""
    text = text.replace("−", "-")  # the minus of typesetters
    if decimal == ",":
        if "." in text:
            return None
        text = text.replace(",", ".")
    if "_" in text:  # Python reads 1_000 as a number
        return None
    try:
        return float(text)
    except ValueError:
        return None


def _separator(lines: list[tuple[int, str]], where: str, decimal: str | None) -> str | None:
    scores: dict[str, float] = {}
    misplaced = None
    for separator in SEPARATORS:
        try:
            rows = [fields for _, fields in split(lines, separator, where)]
        except DataError as error:
            misplaced = misplaced or error
            continue
        data = rows[1:] or rows
        width, n_rows = Counter(map(len, data)).most_common(1)[0]
        if width < 2:
            continue
        decimals = [decimal] if decimal else [".", ","] if separator != "," else ["."]
        fields = [field for row in data for field in row if field]
        numbers = sum(any(number(field, mark) is not None for mark in decimals) for field in fields)
        # A table of words alone still has its rows of equal length, and a header may have another one.
        score = n_rows / len(data) * (0.01 + numbers / max(1, len(fields)))
        scores[separator] = score if len(rows[0]) == width else score / 2
    best = max(scores.values(), default=0)
    tied = [separator for separator, score in scores.items() if score == best]
    chosen = tied[0] if tied else None
    if tied == [",", " "]:
        raise DataError(f"{where}: are the fields separated by commas, or by blanks? Set dataset.sep")
    if chosen is None and misplaced is not None:
        raise misplaced
    if chosen is None and (held := [name for mark, name in SEPARATORS.items() if mark in lines[0][1].strip()]):
        raise DataError(
            f"{where}: line {lines[0][0]} holds {' and '.join(held)}, but the rows are not separated by them; "
            "set dataset.sep, or correct the line"
        )
    return chosen


def strict_lines(path: Path, encoding: str | None = None) -> list[str]:
    """The lines of a text file of names, without blanks at their ends and empty lines at its end.

    Names must be right, so nothing but a byte order mark is guessed. Raises DataError with file and line.
    """
    raw = content(path)
    marked = encoding or next((name for mark, name in _BOMS if raw.startswith(mark)), "utf-8")
    try:
        text = raw.decode(marked)
    except LookupError:
        raise ConfigError(f"encoding {encoding!r} is unknown; utf-8, utf-16, latin-1, cp1252, shift_jis, …") from None
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}, line {line}, is not {marked}; if it is Latin-1: dataset.encoding=latin-1") from error
    return [line.strip() for line in io.StringIO(text.rstrip())]
